import { readdirSync } from "node:fs";
import {
  type Cgroup,
  deleteIntelRdt,
  findResctrl,
  hasIntelRdtResource,
  IntelRdtGroup,
  type IntelRdtState,
  joinIntelRdt,
  readSchemata,
  updateIntelRdt,
} from "@runlet/cgroups";
import { RunletError } from "@runlet/errors";
import type { CompileIntelRdt, JoinIntelRdtGroup } from "@runlet/plan";
import type { LinuxIntelRdt, Spec } from "@runlet/spec";
import type { StateRecord } from "./state-record.ts";

/** Schemata that `update` changes. */
export type SchemataUpdate = Pick<LinuxIntelRdt, "l3CacheSchema" | "memBwSchema">;

/**
 * The groups of resctrl that a config asks for; nothing is made.
 *
 * @returns null for a config without `/linux/intelRdt`.
 * @throws RunletError `ERR_RUNLET_CGROUP` where resctrl is not mounted.
 */
export function intelRdtGroup(id: string, { linux }: Spec): IntelRdtGroup | null {
  return linux?.intelRdt === undefined ? null : new IntelRdtGroup({ id, config: linux.intelRdt });
}

/** The same, for the compiler. */
export function compileIntelRdt(group: IntelRdtGroup | null): CompileIntelRdt | null {
  return group === null ? null : { ...recordedGroups(group.toState()), writes: group.plan() };
}

/** A container's groups, for the compiler of another process. */
export function recordedIntelRdt({ intelRdt }: StateRecord): CompileIntelRdt | null {
  return intelRdt === undefined ? null : { ...recordedGroups(intelRdt), writes: [] };
}

function recordedGroups(state: IntelRdtState): Omit<CompileIntelRdt, "writes"> {
  return { hostPath: state.intel_rdt_path, monitoringHostPath: state.monitoringPath };
}

/** Carries `joinIntelRdtGroup` out. */
export function joinIntelRdtGroup(pid: number, { hostPath, monitoringHostPath }: JoinIntelRdtGroup): void {
  joinIntelRdt({ intel_rdt_path: hostPath, monitoringPath: monitoringHostPath }, pid);
}

/** What {@link changeSchemata} needs. */
export interface SchemataChange {
  readonly record: StateRecord;
  readonly cgroup: Cgroup;
  readonly schemata: SchemataUpdate;
  /** Writes the record down, before a class of service that it names is made. */
  readonly write: (record: StateRecord) => void;
  /** Host path of resctrl, for a container without a class of its own; null when it is not mounted. Default: looked up. */
  readonly mountPoint?: string | null;
}

/** The record with the class of service, and the way back. */
export interface ChangedSchemata {
  readonly record: StateRecord;
  readonly undo: () => void;
}

/**
 * Sets schemata of a container's class of service. One that has none of its own gets one, with all of its threads in it.
 *
 * @throws RunletError `ERR_RUNLET_UNSUPPORTED` where the processor or the kernel does not have it, `ERR_RUNLET_CGROUP` with the
 *   pointer of the field; the container is as it was then.
 */
export async function changeSchemata(change: SchemataChange): Promise<ChangedSchemata> {
  const { record, cgroup, schemata, write } = change;
  const mountPoint =
    record.intelRdt?.mountPoint ?? (change.mountPoint === undefined ? findResctrl() : change.mountPoint);
  requireResources(mountPoint, schemata);
  if (record.intelRdt !== undefined) {
    const { intelRdt } = record;
    const before = readSchemata(intelRdt);
    updateIntelRdt(intelRdt, schemata);
    return { record, undo: () => updateIntelRdt(intelRdt, { schemata: before }) };
  }
  const group = new IntelRdtGroup({ id: record.id, config: schemata, mountPoint });
  const intelRdt = group.toState();
  const withGroup = { ...record, intelRdt };
  write(withGroup);
  const undo = (): void => {
    // What is in a class that is removed falls back to the default one.
    deleteIntelRdt(intelRdt);
    write(record);
  };
  try {
    group.create();
    await joinAll(intelRdt, cgroup);
  } catch (error) {
    undo();
    throw error;
  }
  return { record: withGroup, undo };
}

/** What is stopped makes no new threads between the look and the write. */
async function joinAll(intelRdt: IntelRdtState, cgroup: Cgroup): Promise<void> {
  const wasFrozen = cgroup.isFrozen();
  if (!wasFrozen) await cgroup.freeze();
  try {
    for (const thread of cgroup.processes().flatMap(threadsOf)) joinIntelRdt(intelRdt, thread);
  } finally {
    if (!wasFrozen) await cgroup.thaw();
  }
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    // A process that had been killed ends, even in a frozen group.
    return [];
  }
}

function requireResources(mountPoint: string | null, schemata: SchemataUpdate): void {
  for (const { field, resource, what } of [
    { field: "l3CacheSchema", resource: "L3", what: "Intel RDT/CAT: l3 cache schema" },
    { field: "memBwSchema", resource: "MB", what: "Intel RDT/MBA: memory bandwidth schema" },
  ] as const) {
    if ((schemata[field] ?? "") === "") continue;
    if (mountPoint !== null && hasIntelRdtResource(mountPoint, resource)) continue;
    throw new RunletError("ERR_RUNLET_UNSUPPORTED", `${what} is not enabled`, {
      pointer: `/linux/intelRdt/${field}`,
      hint: "it takes a processor that has it, and a mounted resctrl file system",
    });
  }
}
