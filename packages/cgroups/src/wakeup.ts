import { constants, openSync, readSync } from "node:fs";
import { waitPriority } from "@runlet/syscall";
import type { Wakeup } from "./events.ts";

/**
 * Wakes up when the kernel changes a file of a group that it announces (`cgroup.events`, `memory.events`).
 *
 * @returns null when there is no such file.
 */
export function fileWakeup(hostPath: string): Wakeup | null {
  let fd: number;
  try {
    fd = openSync(hostPath, constants.O_RDONLY);
  } catch {
    return null;
  }
  const content = Buffer.alloc(4096);
  const rearm = (): void => {
    try {
      readSync(fd, content, 0, content.length, 0);
    } catch {
      // ENODEV: the group is gone, which the look at it will tell.
    }
  };
  rearm();
  return { fd, wait: (signal) => waitPriority(fd, signal), rearm };
}
