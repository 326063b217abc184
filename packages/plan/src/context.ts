import type { Linux, Process, Spec } from "@runlet/spec";
import type { HostFacts } from "./host-facts.ts";
import type { NamespaceType } from "./kernel.ts";
import type { Descriptor, PlanWarning, Slot } from "./operation.ts";
import type { CompileOptions } from "./options.ts";

/** The namespaces of a config, by type. */
export interface Namespaces {
  /** Pointer of each namespace that the config lists. */
  readonly pointers: ReadonlyMap<NamespaceType, string>;
  /** Those that are made for the container, in the order of `namespaceTypes`. */
  readonly created: readonly NamespaceType[];
  /** Host paths of those that are joined. */
  readonly joined: ReadonlyMap<NamespaceType, string>;
}

/** What every part of the compiler reads, and the two lists to which each may add. */
export interface Context {
  readonly spec: Spec;
  readonly process: Process;
  readonly linux: Linux;
  readonly host: HostFacts;
  readonly options: CompileOptions;
  readonly namespaces: Namespaces;
  /** Host path of the root file system. */
  readonly rootHostPath: string;
  readonly descriptors: Descriptor[];
  readonly warnings: PlanWarning[];
}

/** Whether the container has a namespace of this type that is not the host's, made or joined. */
export function hasNamespace(context: Context, type: NamespaceType): boolean {
  return context.namespaces.pointers.has(type);
}

/** Whether a namespace of this type is made for the container. */
export function isCreated(context: Context, type: NamespaceType): boolean {
  return context.namespaces.created.includes(type);
}

/** Whether the container's processes are in a user namespace other than the host's: mknod(2) and much else is denied. */
export function isInUserNamespace(context: Context): boolean {
  return context.host.isInUserNamespace || hasNamespace(context, "user");
}

/** Whether the parent has to open what is bound, and may: it has the host's privileges and the container's root has not. */
export function mayOpenTrees(context: Context): boolean {
  return hasNamespace(context, "user") && context.host.euid === 0;
}

/** The slot of a descriptor, which is added to the plan unless an equal one is there; what is mounted is mounted once. */
export function addDescriptor(context: Context, descriptor: Descriptor): Slot {
  if (descriptor.kind === "tree" || descriptor.kind === "filesystem") return context.descriptors.push(descriptor) - 1;
  const text = JSON.stringify({ ...descriptor, from: "" });
  const known = context.descriptors.findIndex((other) => JSON.stringify({ ...other, from: "" }) === text);
  return known >= 0 ? known : context.descriptors.push(descriptor) - 1;
}
