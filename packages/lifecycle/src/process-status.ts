import { readlinkSync } from "node:fs";
import { readProcessStatus } from "@runlet/syscall";

/** Whether a process is there, is the one that started then, and has not ended (a zombie has). */
export function isAlive(pid: number, startTime: number): boolean {
  const status = readProcessStatus(pid);
  return status !== null && status.startTime === startTime && status.state !== "Z" && status.state !== "X";
}

/**
 * Whether a process still executes the init helper: the container has been created and not started. Null when that cannot
 * be seen: the helper of an ordinary user is not dumpable, so that what procfs shows of it is root's.
 */
export function isHelper(pid: number): boolean | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`).startsWith("/memfd:runlet-init");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "EACCES" || code === "EPERM" ? null : false;
  }
}
