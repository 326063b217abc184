import type { Cgroup } from "@runlet/cgroups";
import { RunletError } from "@runlet/errors";
import type { Linux, LinuxResources } from "@runlet/spec";
import { changeSchemata, type SchemataUpdate } from "./intel-rdt.ts";
import type { ContainerStatus } from "./options.ts";
import type { StateRecord } from "./state-record.ts";

/**
 * The control group of a container, for what cannot be done without one.
 *
 * @throws RunletError `ERR_RUNLET_CGROUP` when it has none, or somebody has removed it.
 */
export function requireCgroup(record: StateRecord, cgroup: Cgroup | null): Cgroup {
  if (cgroup === null) {
    throw new RunletError("ERR_RUNLET_CGROUP", `container ${record.id} has no control group of its own`, {
      hint: "it was created with control groups disabled, on a host that has none, or by a user to whom none is delegated",
    });
  }
  if (!cgroup.exists()) {
    throw new RunletError("ERR_RUNLET_CGROUP", `the control group of container ${record.id} is gone`, {
      hint: "something else has removed it: delete the container and create it again",
      details: { paths: record.cgroup_paths },
    });
  }
  return cgroup;
}

/** @throws RunletError `ERR_RUNLET_STATE` ("container not running") for a container without processes. */
export function requireProcesses(status: ContainerStatus): void {
  if (status !== "stopped" && status !== "creating") return;
  throw new RunletError("ERR_RUNLET_STATE", `container not running: ${status}`, {
    hint: "`runlet state` says where a container is in its life",
  });
}

/**
 * Where a container is, and its control group: asked for once it is known that there are processes, since systemd takes the
 * group of a container away that has stopped.
 */
export interface ControlledContainer {
  readonly status: ContainerStatus;
  /** @throws RunletError as {@link requireCgroup}. */
  readonly cgroup: () => Cgroup;
}

/** Freezes the processes of a container that is created or running. */
export async function pauseProcesses({ status, cgroup }: ControlledContainer): Promise<void> {
  if (status !== "running" && status !== "created") {
    throw new RunletError("ERR_RUNLET_STATE", `container not running or created: ${status}`);
  }
  await cgroup().freeze();
}

/** Thaws the processes of a paused container. */
export async function resumeProcesses({ status, cgroup }: ControlledContainer): Promise<void> {
  // A created container can be paused, and stays `created` all the same.
  const isPaused = status === "paused" || (status !== "stopped" && status !== "creating" && cgroup().isFrozen());
  if (!isPaused) throw new RunletError("ERR_RUNLET_STATE", `container not paused: ${status}`);
  await cgroup().thaw();
}

/** Lets what was killed while it was stopped die: on cgroup v1 it would when it goes on. */
export async function thawKilled(cgroup: Cgroup): Promise<void> {
  if (!cgroup.isFrozen()) return;
  try {
    await cgroup.thaw();
  } catch (error) {
    // With its last process systemd takes the group away.
    if (cgroup.exists()) throw error;
  }
}

const endTimeoutMs = 10_000;

/**
 * Kills every process of a control group until there is none: a helper whose creator was killed may be on its way into it.
 *
 * @throws RunletError `ERR_RUNLET_TIMEOUT` after ten seconds.
 */
export async function endProcesses(cgroup: Cgroup): Promise<void> {
  const deadline = Date.now() + endTimeoutMs;
  for (let delayMs = 1; ; delayMs = Math.min(delayMs * 2, 50)) {
    await cgroup.kill();
    const processes = cgroup.processes();
    if (processes.length === 0) return;
    if (Date.now() > deadline) {
      throw new RunletError("ERR_RUNLET_TIMEOUT", `processes of the container do not end: ${processes.join(", ")}`, {
        hint: "they may wait in the kernel (state D), for a device or a network file system",
      });
    }
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}

/** What {@link updateLimits} changes. */
export interface LimitUpdate extends ControlledContainer {
  readonly record: StateRecord;
  readonly resources: LinuxResources;
  readonly schemata: SchemataUpdate | undefined;
  /** Writes the record down, before a class of service that it names is made. */
  readonly write: (record: StateRecord) => void;
}

/**
 * Changes the limits that are given and no others, all or none.
 *
 * @returns the record with the new limits in its config.
 */
export async function updateLimits(update: LimitUpdate): Promise<StateRecord> {
  const { status, resources, schemata, write } = update;
  requireProcesses(status);
  const cgroup = update.cgroup();
  if (schemata === undefined) {
    await cgroup.update(resources);
    return withLimits(update.record, { resources });
  }
  const { record, undo } = await changeSchemata({ record: update.record, cgroup, schemata, write });
  try {
    await cgroup.update(resources);
  } catch (error) {
    undo();
    throw error;
  }
  return withLimits(record, { resources, intelRdt: { ...record.config.linux?.intelRdt, ...schemata } });
}

function withLimits(record: StateRecord, change: Pick<Linux, "resources" | "intelRdt">): StateRecord {
  const { linux = {} } = record.config;
  const resources = merge(linux.resources ?? {}, change.resources ?? {});
  return { ...record, config: { ...record.config, linux: { ...linux, ...change, resources } } };
}

/** Section by section, the new values over the old ones. */
function merge(before: LinuxResources, change: LinuxResources): LinuxResources {
  const merged: Record<string, unknown> = { ...before };
  for (const [section, value] of Object.entries(change)) {
    const old = merged[section];
    const isSection = isObject(old) && isObject(value);
    merged[section] = isSection ? { ...old, ...value } : value;
  }
  return merged as LinuxResources;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
