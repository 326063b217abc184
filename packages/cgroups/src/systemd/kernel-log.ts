import { closeSync, constants, openSync, readSync } from "node:fs";
import { errnoOf, isRefusal } from "../cgroup-file.ts";

/** More than the longest record of /dev/kmsg. @see Documentation/ABI/testing/dev-kmsg */
const maxRecordBytes = 16_384;

/**
 * How many processes of a control group, and of those below it, were killed for lack of memory, as the kernel's log says: it
 * outlives a group that systemd has removed together with its counters.
 *
 * @param path - of the group, below the hierarchy's root.
 * @param sinceMs - milliseconds of the kernel's clock, which does not run while the machine is suspended: what is older was
 *   another group of that name.
 * @returns 0 as well where the log cannot be read, which takes CAP_SYSLOG, or has lost the record.
 */
export function countLoggedOomKills(path: string, sinceMs: number): number {
  let count = 0;
  for (const record of readKernelLog()) if (isOomKillIn(record, path, sinceMs)) count += 1;
  return count;
}

/**
 * Whether a record of /dev/kmsg says so: `6,2181,75193224,-;oom-kill:constraint=…,oom_memcg=/a,task_memcg=/a/b,task=sh,pid=9,uid=0`.
 */
export function isOomKillIn(record: string, path: string, sinceMs: number): boolean {
  const match = /^\d+,\d+,(\d+),[^;]*;oom-kill:(.*,task=.*),pid=\d+,uid=\d+$/m.exec(record);
  if (match === null || Number(match[1]) < sinceMs * 1000) return false;
  // The log has bytes that do not print, and the backslash, as \xHH.
  const facts = (match[2] ?? "").replace(/\\x([0-9a-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  // Whoever may make groups below their own can write these words into a name, but begins no path but their own.
  const groups = facts.split(",task_memcg=").slice(1);
  return groups.length > 0 && groups.every((rest) => rest.startsWith(`${path},task=`) || rest.startsWith(`${path}/`));
}

function* readKernelLog(): Generator<string> {
  const fd = openLog();
  if (fd === null) return;
  try {
    const buffer = Buffer.alloc(maxRecordBytes);
    for (;;) {
      try {
        yield buffer.toString("latin1", 0, readSync(fd, buffer));
      } catch (error) {
        // EPIPE: the record was overwritten meanwhile, and the next read gives the oldest that is left.
        if (errnoOf(error) === "EPIPE") continue;
        if (errnoOf(error) === "EAGAIN") return;
        throw error;
      }
    }
  } finally {
    closeSync(fd);
  }
}

function openLog(): number | null {
  try {
    return openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isRefusal(error) || errnoOf(error) === "ENOENT") return null;
    throw error;
  }
}
