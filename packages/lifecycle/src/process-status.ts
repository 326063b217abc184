import { readFileSync, readlinkSync } from "node:fs";

/** What of a process tells whether it is still the one that was recorded. */
export interface ProcessStatus {
  /** One letter of proc_pid_stat(5): `R`, `S`, `Z`, … */
  readonly state: string;
  /** When it started, in clock ticks after boot: a pid that was used again has another. */
  readonly startTime: number;
}

/** @returns the status of a process, or null when there is none. */
export function readProcessStatus(pid: number): ProcessStatus | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null;
  }
  // The name of the command may contain blanks and parentheses; the fields begin behind the last one.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", startTime: Number(fields[19]) };
}

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
