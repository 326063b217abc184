import { closeSync, constants, openSync, readFileSync, readSync } from "node:fs";
import { createEventFd, openat, waitReadable } from "@runlet/syscall";
import { isGone, readTextIfExists, writeValue } from "../cgroup-file.ts";
import { type CgroupEvent, type EventSnapshot, type Wakeup, watchEvents } from "../events.ts";
import { hasChildGroups, walkGroups } from "../group-tree.ts";
import { hasProcesses } from "../processes.ts";
import { fileWakeup } from "../wakeup.ts";

/** Where a v1 group says what happens. */
export interface V1Sources {
  /** Directory of the memory hierarchy. */
  readonly memoryPath: string | undefined;
  /** Directory of the unified hierarchy, on hybrid hosts. */
  readonly unifiedPath: string | undefined;
  /** Directory of any hierarchy. */
  readonly membersPath: string;
}

/** Yields what happens in a v1 group. */
export function watchGroup(sources: V1Sources, signal?: AbortSignal): AsyncIterable<CgroupEvent> {
  const { memoryPath, unifiedPath } = sources;
  const open = (): Wakeup[] =>
    [
      memoryPath === undefined ? null : oomWakeup(memoryPath),
      unifiedPath === undefined ? null : fileWakeup(`${unifiedPath}/cgroup.events`),
    ].filter((wakeup) => wakeup !== null);
  return watchEvents({ open, look: () => look(sources) }, signal);
}

/** An eventfd that the memory controller signals. @see Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control" */
function oomWakeup(memoryPath: string): Wakeup | null {
  let controlFd: number;
  try {
    controlFd = openSync(`${memoryPath}/memory.oom_control`, constants.O_RDONLY);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
  try {
    const fd = createEventFd();
    try {
      writeValue(`${memoryPath}/cgroup.event_control`, `${fd} ${controlFd}`);
    } catch (error) {
      closeSync(fd);
      // Kernels built for real time have no such file.
      if (isGone(error)) return null;
      throw error;
    }
    const counter = Buffer.alloc(8);
    const rearm = (): void => {
      try {
        readSync(fd, counter);
      } catch {
        // EAGAIN: nothing has happened.
      }
    };
    return { fd, wait: (signal) => waitReadable(fd, signal), rearm };
  } finally {
    closeSync(controlFd);
  }
}

function look({ memoryPath, unifiedPath, membersPath }: V1Sources): EventSnapshot | null {
  if (readTextIfExists(`${membersPath}/cgroup.procs`) === undefined) return null;
  const populated = unifiedPath === undefined ? undefined : readTextIfExists(`${unifiedPath}/cgroup.events`);
  const isEmpty = populated === undefined ? !hasProcesses(membersPath) : /^populated 0$/m.test(populated);
  const control = memoryPath === undefined ? undefined : readTextIfExists(`${memoryPath}/memory.oom_control`);
  return {
    oomKillCount: memoryPath === undefined ? 0 : countOomKills(memoryPath),
    isUnderOom: /^under_oom 1$/m.test(control ?? ""),
    isEmpty,
  };
}

/** `oom_kill` of `memory.oom_control`, since Linux 4.13. v1 counts each group for itself, so those below are added. */
export function countOomKills(memoryPath: string): number {
  const countOf = (control: string): number => Number(/^oom_kill (\d+)$/m.exec(control)?.[1] ?? 0);
  if (!hasChildGroups(memoryPath)) return countOf(readTextIfExists(`${memoryPath}/memory.oom_control`) ?? "");
  let count = 0;
  walkGroups(memoryPath, (dirFd) => {
    const fd = openat({ dirFd, path: "memory.oom_control", flags: 0 });
    try {
      count += countOf(readFileSync(fd, "latin1"));
    } finally {
      closeSync(fd);
    }
  });
  return count;
}
