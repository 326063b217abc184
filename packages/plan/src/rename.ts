import type { Spec } from "@runlet/spec";
import type { Operation, Phase, Plan } from "./operation.ts";
import type { CompileOptions } from "./options.ts";

/** What of the options of `compile` differs from container to container of one config. */
export type ContainerName = Pick<CompileOptions, "id" | "cgroup">;

/**
 * The plan that `compile` would give for another container of the same config, without compiling: of a plan's hundred
 * operations a few carry the container's name. The others are shared between the two plans.
 *
 * @param spec - the config of `plan`.
 * @param from - what `plan` was compiled with.
 * @param to - as `from`, with another id and path: the same driver, writes and controllers.
 * @returns null when it has to be compiled: a descriptor that the caller opens may carry the name too.
 */
export function renamePlan(
  plan: Plan,
  spec: Spec,
  { from, to }: { from: ContainerName; to: ContainerName },
): Plan | null {
  if (spec.linux?.intelRdt !== undefined) return null;
  if (plan.descriptors.some(({ kind }) => kind === "tree" || kind === "filesystem")) return null;
  const hostPaths = renamedPaths(from, to);
  if (hostPaths === null) return null;
  const rename = (operation: Operation): Operation => renameOperation(operation, { spec, to, hostPaths });
  return { ...plan, phases: plan.phases.map((phase) => renamePhase(phase, rename)) };
}

/** Host directories of the old control group, and those of the new one in their places. */
function renamedPaths(from: ContainerName, to: ContainerName): ReadonlyMap<string, string> | null {
  if (from.cgroup === null || to.cgroup === null) return from.cgroup === to.cgroup ? new Map() : null;
  if (from.cgroup.driver !== to.cgroup.driver) return null;
  const renamed = new Map<string, string>();
  const others = to.cgroup.hostPaths;
  for (const [controller, hostPath] of Object.entries(from.cgroup.hostPaths)) {
    const other = others[controller];
    if (other === undefined) return null;
    renamed.set(hostPath, other);
  }
  return Object.keys(others).length === Object.keys(from.cgroup.hostPaths).length ? renamed : null;
}

/** Where the operations of a phase are that can carry a name: the same few each time that it is renamed. */
const namedIndices = new WeakMap<Phase, readonly number[]>();

function findNamed(phase: Phase): readonly number[] {
  let indices = namedIndices.get(phase);
  if (indices === undefined) {
    indices = phase.operations.flatMap((operation, index) => (canCarryName(operation) ? [index] : []));
    namedIndices.set(phase, indices);
  }
  return indices;
}

function canCarryName(operation: Operation): boolean {
  if (operation.op === "mount") return operation.source.kind === "bind" || operation.fallbackHostPath !== null;
  return operation.op === "createCgroup" || operation.op === "joinSessionKeyring";
}

function renamePhase(phase: Phase, rename: (operation: Operation) => Operation): Phase {
  let operations: Operation[] | undefined;
  for (const index of findNamed(phase)) {
    const operation = phase.operations[index];
    const renamed = operation === undefined ? undefined : rename(operation);
    if (renamed === undefined || renamed === operation) continue;
    operations ??= [...phase.operations];
    operations[index] = renamed;
  }
  return operations === undefined ? phase : { ...phase, operations };
}

interface Renaming {
  readonly spec: Spec;
  readonly to: ContainerName;
  readonly hostPaths: ReadonlyMap<string, string>;
}

function renameOperation(operation: Operation, { spec, to, hostPaths }: Renaming): Operation {
  switch (operation.op) {
    case "createCgroup":
      return { ...operation, path: to.cgroup?.path ?? operation.path };
    case "joinSessionKeyring":
      return { ...operation, name: sessionKeyringName(to.id) };
    case "mount": {
      const { source, fallbackHostPath } = operation;
      const bound = source.kind === "bind" ? hostPaths.get(source.hostPath) : undefined;
      const fallback = fallbackHostPath === null ? undefined : hostPaths.get(fallbackHostPath);
      if ((bound === undefined && fallback === undefined) || !isCgroupMount(spec, operation.from)) return operation;
      return {
        ...operation,
        ...(bound === undefined || source.kind !== "bind" ? {} : { source: { ...source, hostPath: bound } }),
        ...(fallback === undefined ? {} : { fallbackHostPath: fallback }),
      };
    }
    default:
      return operation;
  }
}

/** Whether a mount shows the container's control group: a bind of the same directory names it for itself. */
function isCgroupMount({ mounts = [] }: Spec, pointer: string): boolean {
  const index = /^\/mounts\/(\d+)$/.exec(pointer)?.[1];
  const { type } = (index === undefined ? undefined : mounts[Number(index)]) ?? {};
  return type === "cgroup" || type === "cgroup2";
}

/** Name of a container's session keyring, as runc's. */
export function sessionKeyringName(id: string): string {
  return `_ses.${id}`;
}
