import { closeSync, readdirSync, readFileSync } from "node:fs";
import { openPidfd, setChildSubreaper, waitPidfd } from "@runlet/syscall";

/**
 * Adopts the orphans of a container that has no pid namespace of its own, and collects them when they end, so that they
 * stay no zombies on a host whose first process does not.
 *
 * @param containerPid - first process of the container, which somebody else waits for.
 * @see prctl(2), PR_SET_CHILD_SUBREAPER
 */
export function reapOrphans(containerPid: number): Disposable {
  const reap = () => {
    for (const pid of childPids()) if (pid !== containerPid) collect(pid);
  };
  process.on("SIGCHLD", reap);
  reap();
  return {
    [Symbol.dispose]: () => {
      process.off("SIGCHLD", reap);
    },
  };
}

/** Makes orphans among our descendants our children; before the container is created, so that none is missed. */
export function adoptOrphans(): void {
  setChildSubreaper(true);
}

/** Our children, of all threads. @see proc_pid_task(5), CONFIG_PROC_CHILDREN */
function childPids(): number[] {
  try {
    return readdirSync("/proc/self/task").flatMap((task) =>
      readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return []; // a thread ended meanwhile, or the kernel does not list children: the next signal tries again
  }
}

/** Collects a child if it has ended. */
function collect(pid: number): void {
  try {
    const pidfd = openPidfd(pid);
    try {
      waitPidfd(pidfd);
    } finally {
      closeSync(pidfd);
    }
  } catch {
    // It has been collected meanwhile.
  }
}
