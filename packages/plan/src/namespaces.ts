import { quote, RunletError } from "@runlet/errors";
import type { Linux } from "@runlet/spec";
import { addDescriptor, type Context, hasNamespace, isCreated, type Namespaces } from "./context.ts";
import { isKernelAtLeast } from "./host-facts.ts";
import { idMappingOperations } from "./id-mappings.ts";
import { type NamespaceType, namespaceTypes } from "./kernel.ts";
import type { Clone, Operation } from "./operation.ts";
import { pointerTo, specRules } from "./pointer.ts";

/**
 * The namespaces of a config.
 *
 * @throws RunletError `ERR_RUNLET_NAMESPACE` for a type that is not known or occurs twice, and for a path that is not absolute.
 */
export function readNamespaces(linux: Linux): Namespaces {
  const pointers = new Map<NamespaceType, string>();
  const joined = new Map<NamespaceType, string>();
  for (const [index, { type, path }] of (linux.namespaces ?? []).entries()) {
    const pointer = pointerTo("linux", "namespaces", index);
    if (!namespaceTypes.includes(type)) {
      throw new RunletError("ERR_RUNLET_NAMESPACE", `unknown type of namespace ${quote(String(type))}`, {
        pointer: `${pointer}/type`,
        hint: `one of ${namespaceTypes.join(", ")}`,
      });
    }
    if (pointers.has(type)) {
      throw new RunletError("ERR_RUNLET_NAMESPACE", `a second ${type} namespace`, { pointer });
    }
    pointers.set(type, pointer);
    if (path === undefined || path === "") continue;
    if (!path.startsWith("/")) {
      throw new RunletError("ERR_RUNLET_NAMESPACE", `the path ${quote(path)} of a namespace is not absolute`, {
        pointer: `${pointer}/path`,
      });
    }
    joined.set(type, path);
  }
  const created = namespaceTypes.filter((type) => pointers.has(type) && !joined.has(type));
  return { pointers, created, joined };
}

/**
 * Whether the helper has to make the namespaces itself, one step after the other: it must not leave the host's before it
 * has joined what belongs to the host; a time namespace gets its offsets before a process is in it; and the execve(2) that
 * starts the helper would cost it its capabilities in a user namespace without maps, which nobody can write before.
 */
function needsSteps(context: Context): boolean {
  return context.namespaces.joined.size > 0 || isCreated(context, "time") || isCreated(context, "user");
}

/** `clone`, with the namespaces that are made at once. The cgroup namespace never is: see {@link cgroupNamespace}. */
export function cloneOperation(context: Context): Clone {
  const { created } = context.namespaces;
  return {
    op: "clone",
    namespaces: needsSteps(context) ? [] : created.filter((type) => type !== "cgroup"),
    intoCgroup: startsInCgroup(context),
    from: namespacesPointer(context),
  };
}

/**
 * The steps by which the helper gets into its namespaces after the clone, and its id maps.
 *
 * What is joined comes first, with the caller's privileges; a user namespace before the others that are joined, since
 * they may belong to it; the mount namespace last, so that nothing of the host is looked up in it. Of the new ones the user
 * namespace comes first, so that it owns the others.
 */
export function enterNamespaces(context: Context): Operation[] {
  if (!needsSteps(context)) return [];
  const operations = clearGroups(context);
  for (const type of joinOrder) if (context.namespaces.joined.has(type)) operations.push(joinNamespace(context, type));
  if (isCreated(context, "user")) operations.push(unshare(context, ["user"]), ...idMappingOperations(context));
  const rest = context.namespaces.created.filter((type) => type !== "user" && type !== "cgroup");
  if (rest.length > 0) operations.push(unshare(context, rest));
  operations.push(...timeOffsets(context));
  const held = (["pid", "time"] as const).filter((type) => hasNamespace(context, type));
  const [first] = held;
  if (first !== undefined) operations.push({ op: "fork", from: pointerOf(context, first) });
  return operations;
}

function clearGroups(context: Context): Operation[] {
  if (!context.namespaces.joined.has("user") || context.host.euid !== 0 || context.host.setgroups === "deny") return [];
  return [{ op: "clearGroups", from: pointerOf(context, "user") }];
}

const joinOrder: readonly NamespaceType[] = [
  "user",
  ...namespaceTypes.filter((type) => type !== "user" && type !== "mount"),
  "mount",
];

/**
 * The new cgroup namespace, made when the process is in its control group: that becomes the namespace's root, while one
 * made by the clone has the parent's group for its root, even with CLONE_INTO_CGROUP. @see cgroup_namespaces(7)
 */
export function cgroupNamespace(context: Context): Operation[] {
  return isCreated(context, "cgroup") ? [unshare(context, ["cgroup"])] : [];
}

/**
 * Whether the clone puts the process into its control group of the unified hierarchy, CLONE_INTO_CGROUP of Linux 5.7; on a
 * hybrid host it joins the others by itself. Unlike a write to `cgroup.procs`, it takes no lock over all processes.
 */
export function startsInCgroup({ host, options: { cgroup } }: Context): boolean {
  const hasUnified = cgroup?.driver === "v2" || (cgroup?.driver === "v1" && cgroup.controllers.includes(""));
  return hasUnified && isKernelAtLeast(host, 5, 7);
}

function joinNamespace(context: Context, type: NamespaceType): Operation {
  const from = pointerOf(context, type);
  const hostPath = context.namespaces.joined.get(type) ?? "";
  return { op: "joinNamespace", type, slot: addDescriptor(context, { kind: "namespace", type, hostPath, from }), from };
}

function unshare(context: Context, namespaces: readonly NamespaceType[]): Operation {
  const [only, second] = namespaces;
  const from = only !== undefined && second === undefined ? pointerOf(context, only) : namespacesPointer(context);
  return { op: "unshare", namespaces, from };
}

function timeOffsets(context: Context): Operation[] {
  const operations: Operation[] = [];
  for (const clock of ["monotonic", "boottime"] as const) {
    const offset = context.linux.timeOffsets?.[clock];
    if (offset === undefined) continue;
    const secs = Number(offset.secs ?? 0);
    const from = pointerTo("linux", "timeOffsets", clock);
    if (!Number.isSafeInteger(secs)) {
      throw new RunletError("ERR_RUNLET_NAMESPACE", `an offset of ${String(offset.secs)} seconds is out of range`, {
        pointer: `${from}/secs`,
      });
    }
    operations.push({ op: "setTimeOffset", clock, secs, nanosecs: offset.nanosecs ?? 0, from });
  }
  return operations;
}

/** Pointer of a namespace that the config lists. */
export function pointerOf(context: Context, type: NamespaceType): string {
  return context.namespaces.pointers.get(type) ?? specRules.namespaces;
}

function namespacesPointer(context: Context): string {
  return context.linux.namespaces === undefined ? specRules.namespaces : "/linux/namespaces";
}
