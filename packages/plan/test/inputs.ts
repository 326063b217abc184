import type { Linux, Process, Spec } from "@runlet/spec";
import { compile } from "../src/compile.ts";
import type { HostFacts } from "../src/host-facts.ts";
import { type NamespaceType, namespaceTypes } from "../src/kernel.ts";
import type { Operation, OperationName, PhaseName, Plan } from "../src/operation.ts";
import type { CompileCgroup, CompileOptions } from "../src/options.ts";

/** Facts of a host with cgroup v2 and nothing special, for a caller who is root. */
export function hostFacts(changes: Partial<HostFacts> = {}): HostFacts {
  return {
    kernel: { major: 6, minor: 18 },
    architecture: "x64",
    euid: 0,
    egid: 0,
    isInUserNamespace: false,
    setgroups: "allow",
    hasSubordinateIds: false,
    lastCapability: 40,
    hasKcore: true,
    securityModules: [],
    cgroups: { kind: "v2", hierarchies: [], unified: { mountPoint: "/sys/fs/cgroup" } },
    ...changes,
  };
}

/** Facts of a host with merged, single and named hierarchies of cgroup v1 beside an empty unified one. */
export const hybridCgroups: HostFacts["cgroups"] = {
  kind: "hybrid",
  hierarchies: [
    { controllers: ["cpu", "cpuacct"], mountPoint: "/sys/fs/cgroup/cpu,cpuacct" },
    { controllers: ["memory"], mountPoint: "/sys/fs/cgroup/memory" },
    { controllers: ["name=systemd"], mountPoint: "/sys/fs/cgroup/systemd" },
  ],
  unified: { mountPoint: "/sys/fs/cgroup/unified" },
};

/** The control group `/box` on {@link hybridCgroups}. */
export const hybridCgroup: CompileCgroup = {
  driver: "v1",
  path: "/box",
  writes: [],
  controllers: ["cpu,cpuacct", "memory", "name=systemd", ""],
  hostPaths: {
    cpu: "/sys/fs/cgroup/cpu,cpuacct/box",
    cpuacct: "/sys/fs/cgroup/cpu,cpuacct/box",
    memory: "/sys/fs/cgroup/memory/box",
    "name=systemd": "/sys/fs/cgroup/systemd/box",
    "": "/sys/fs/cgroup/unified/box",
  },
};

/** The control group `/box` on a v2 host. */
export const unifiedCgroup: CompileCgroup = {
  driver: "v2",
  path: "/box",
  writes: [],
  controllers: [""],
  hostPaths: { "": "/sys/fs/cgroup/box" },
};

/** Options of a call for the container `box` in the bundle /bundle, without a control group. */
export function compileOptions(changes: Partial<CompileOptions> = {}): CompileOptions {
  return { id: "box", bundleHostPath: "/bundle", cgroup: null, ...changes };
}

/** New namespaces of these types. */
export function namespaces(...types: NamespaceType[]): NonNullable<Linux["namespaces"]> {
  return types.map((type) => ({ type }));
}

/** A new namespace of every type that needs nothing else. */
export const usualNamespaces = namespaces(...namespaceTypes.filter((type) => type !== "user" && type !== "time"));

/** What differs from the smallest config that compiles. */
export interface SpecChanges extends Omit<Partial<Spec>, "process"> {
  readonly process?: Partial<Process>;
}

/** The smallest config that compiles: `/bin/true` with a mount namespace. */
export function smallSpec({ process, ...changes }: SpecChanges = {}): Spec {
  return {
    ociVersion: "1.3.0",
    root: { path: "rootfs" },
    process: { user: { uid: 0, gid: 0 }, cwd: "/", args: ["/bin/true"], env: ["HOME=/root"], ...process },
    linux: { namespaces: namespaces("mount") },
    ...changes,
  };
}

/** What a config compiles to on the usual host. */
export function planOf(
  changes: SpecChanges = {},
  { host, options }: { host?: Partial<HostFacts>; options?: Partial<CompileOptions> } = {},
): Plan {
  return compile(smallSpec(changes), hostFacts(host), compileOptions(options));
}

/** All operations of a plan, phase after phase. */
export function allOperations(plan: Plan): readonly Operation[] {
  return plan.phases.flatMap((phase) => phase.operations);
}

/** The operations of one name, in order. */
export function operationsOf<Name extends OperationName>(
  plan: Plan,
  name: Name,
): readonly Extract<Operation, { op: Name }>[] {
  return allOperations(plan).filter((operation) => operation.op === name) as Extract<Operation, { op: Name }>[];
}

/** Names of the operations of one phase, in order. */
export function namesOf(plan: Plan, phase: PhaseName): readonly OperationName[] {
  return (plan.phases.find(({ name }) => name === phase)?.operations ?? []).map(({ op }) => op);
}

/** Freezes a value and all that it holds. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value) && !ArrayBuffer.isView(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}

/** The value that a JSON Pointer leads to, or undefined. @see RFC 6901 */
export function valueAt(document: unknown, pointer: string): unknown {
  let value = document;
  for (const token of pointer.split("/").slice(1)) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string, unknown>)[token.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return value;
}
