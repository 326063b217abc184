import { readFileSync } from "node:fs";
import type { Cgroup } from "@runlet/cgroups";
import type { HookState } from "./hook-runner.ts";
import type { ContainerState, ContainerStatus } from "./options.ts";
import { isAlive, isHelper } from "./process-status.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { StateRecord } from "./state-record.ts";

/** What {@link statusOf} looks at. */
export interface StatusSources {
  readonly record: StateRecord;
  readonly cgroup: Cgroup | null;
  readonly directory: StateDirectory;
}

/** Where a container is in its life, from its record and what the kernel says of its process. */
export function statusOf({ record, cgroup, directory }: StatusSources): ContainerStatus {
  const { init_process_pid: pid, init_process_start: startTime } = record;
  if (pid === 0) return "creating";
  if (!isAlive(pid, startTime)) return "stopped";
  if (isHelper(pid) ?? directory.isAwaitingStart()) return directory.isBeingMade() ? "creating" : "created";
  return cgroup?.isFrozen() ? "paused" : "running";
}

/** What `state` and `list` print. */
export function stateOf(record: StateRecord, status: ContainerStatus, cgroup: Cgroup | null): ContainerState {
  const isOomKilled = status === "stopped" && (cgroup?.oomKillCount() ?? 0) > 0;
  return {
    ociVersion: record.ociVersion,
    id: record.id,
    pid: status === "stopped" || status === "creating" ? 0 : record.init_process_pid,
    status,
    bundle: record.bundle,
    rootfs: record.rootfs,
    created: record.created,
    owner: userName(record.ownerUid),
    ...(record.annotations === undefined ? {} : { annotations: record.annotations }),
    ...(isOomKilled ? { oomKilled: true } : {}),
  };
}

/** What hooks get on their standard input. @see runtime.md#state */
export function hookStateOf(record: StateRecord, status: HookState["status"]): HookState {
  return {
    ociVersion: record.ociVersion,
    id: record.id,
    status,
    ...(status === "stopped" ? {} : { pid: record.init_process_pid }),
    bundle: record.bundle,
    ...(record.annotations === undefined ? {} : { annotations: record.annotations }),
  };
}

/** Whether the end of the container's process is the end of all others: it is the first of a pid namespace. */
export function hasOwnPidNamespace(record: StateRecord): boolean {
  return record.config.linux?.namespaces?.some(({ type, path }) => type === "pid" && !path) ?? false;
}

const userNames = new Map<number, string>();

function userName(uid: number): string {
  let name = userNames.get(uid);
  if (name === undefined) {
    name = findUserName(uid);
    userNames.set(uid, name);
  }
  return name;
}

function findUserName(uid: number): string {
  try {
    const lines = readFileSync("/etc/passwd", "utf8").split("\n");
    const line = lines.find((candidate) => candidate.split(":")[2] === String(uid));
    return line?.split(":")[0] ?? String(uid);
  } catch {
    return String(uid);
  }
}
