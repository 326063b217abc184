import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { errnoMessage, quote, RunletError } from "@runlet/errors";

/**
 * Writes a process id to a file, which is there whole or not at all.
 *
 * @throws RunletError `ERR_RUNLET_USAGE`; nothing is left behind then.
 */
export function writePidFile(hostPath: string, pid: number): void {
  const temporary = `${hostPath}.${process.pid}`;
  try {
    // A name that others may know beforehand, perhaps in /tmp: no link of theirs is followed.
    const fd = openSync(temporary, "wx");
    try {
      writeSync(fd, String(pid));
      renameSync(temporary, hostPath);
    } catch (error) {
      rmSync(temporary);
      throw error;
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    const { code = "EIO", syscall } = cause as NodeJS.ErrnoException;
    throw new RunletError(
      "ERR_RUNLET_USAGE",
      `the pid file ${quote(hostPath)} cannot be written: ${errnoMessage(code)}`,
      {
        errno: code,
        syscall,
        hint: "name a file in a directory that exists and that you may write to",
        cause,
      },
    );
  }
}
