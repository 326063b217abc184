import { closeSync, readFileSync } from "node:fs";
import { openat } from "@runlet/syscall";
import { errnoOf, isGone } from "./cgroup-file.ts";
import { hasChildGroups, walkGroups } from "./group-tree.ts";

/**
 * Ids in `cgroup.procs` of a group and all below it, each once, in the caller's pid namespace: a process outside it is 0
 * there and left out. Empty when the group is gone.
 */
export function processesOf(hostPath: string): number[] {
  const ids = new Set<number>();
  const collect = (text: string): void => {
    for (const line of text.split("\n")) {
      if (line !== "" && line !== "0") ids.add(Number(line));
    }
  };
  try {
    if (hasChildGroups(hostPath)) walkGroups(hostPath, (dirFd) => collect(readProcs(dirFd)));
    else collect(readFileSync(`${hostPath}/cgroup.procs`, "latin1"));
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  return [...ids];
}

/** A threaded group (v2) does not list processes: they are listed by its domain. */
function readProcs(dirFd: number): string {
  try {
    const fd = openat({ dirFd, path: "cgroup.procs", flags: 0 });
    try {
      return readFileSync(fd, "latin1");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const code = errnoOf(error);
    if (isGone(error) || code === "EOPNOTSUPP" || code === "ENOTSUP") return "";
    throw error;
  }
}

/** Whether a group has a process of its own. False when it is gone. */
export function hasProcesses(hostPath: string): boolean {
  try {
    return readFileSync(`${hostPath}/cgroup.procs`, "latin1") !== "";
  } catch (error) {
    if (isGone(error) || errnoOf(error) === "EOPNOTSUPP" || errnoOf(error) === "ENOTSUP") return false;
    throw error;
  }
}

/** Sends a signal to processes; one that has ended meanwhile is no error. */
export function signalAll(ids: readonly number[], signal: number): void {
  for (const id of ids) {
    try {
      process.kill(id, signal);
    } catch (error) {
      if (errnoOf(error) !== "ESRCH") throw error;
    }
  }
}
