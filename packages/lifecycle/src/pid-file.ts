import { renameSync, writeFileSync } from "node:fs";
import { RunletError } from "@runlet/errors";

/**
 * Writes a process id to a file, which is there whole or not at all.
 *
 * @throws RunletError `ERR_RUNLET_USAGE`.
 */
export function writePidFile(hostPath: string, pid: number): void {
  const temporary = `${hostPath}.${process.pid}`;
  try {
    writeFileSync(temporary, String(pid));
    renameSync(temporary, hostPath);
  } catch (cause) {
    throw new RunletError("ERR_RUNLET_USAGE", `the pid file cannot be written: ${(cause as Error).message}`, { cause });
  }
}
