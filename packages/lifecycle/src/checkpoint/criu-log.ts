import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

const tailBytes = 64 * 1024;
const maxErrors = 5;

/**
 * The last errors of a log of CRIU's, oldest first: its lines look like
 * `(00.012345)     1: Error (criu/mount.c:1043): mnt: …`; time, process and place are left out.
 *
 * @returns none where there is no log.
 */
export function lastErrors(hostPath: string): string[] {
  return readTail(hostPath)
    .split("\n")
    .flatMap((line) => {
      const found = /^\([\d.]+\)\s*(?:\d+: )?Error (?:\([^)]*\): )?(.+)$/.exec(line);
      return found?.[1] === undefined ? [] : [found[1].trim()];
    })
    .slice(-maxErrors);
}

function readTail(hostPath: string): string {
  let fd: number;
  try {
    fd = openSync(hostPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return "";
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) return "";
    const start = Math.max(0, status.size - tailBytes);
    const buffer = Buffer.alloc(status.size - start);
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, start)).toString("utf8");
  } finally {
    closeSync(fd);
  }
}
