import { RunletError } from "@runlet/errors";
import { removeDirectories, removeDirectory } from "@runlet/syscall";
import { errnoOf, isGone } from "./cgroup-file.ts";
import { hasChildGroups, removeChildGroups } from "./group-tree.ts";
import { pause } from "./pause.ts";
import { processesOf } from "./processes.ts";

/** How long processes that are about to end are waited for: on a busy machine their namespaces take time to go. */
const patienceMs = 10_000;

/**
 * Removes control groups with all that are below them. The first try is made at once and without waiting; a group that
 * still has a process is tried again until it has none.
 *
 * @param hostPaths - directories of hierarchies, never a link: the kernel has none there.
 * @throws RunletError `ERR_RUNLET_CGROUP` when a group still has processes after 10 s.
 */
export async function removeGroups(hostPaths: readonly string[]): Promise<void> {
  const errors = removeDirectories(hostPaths);
  let left = hostPaths.filter((hostPath, index) => errors[index] !== "" && !removeTree(hostPath));
  const deadlineMs = Date.now() + patienceMs;
  for (let pauseMs = 1; left.length > 0; pauseMs = Math.min(pauseMs * 2, 100)) {
    if (Date.now() >= deadlineMs) throw stillInUse(left[0] ?? "");
    await pause(pauseMs);
    left = left.filter((hostPath) => !removeTree(hostPath));
  }
}

/**
 * Waits for processes that are about to end.
 *
 * @param hostPaths - directories of one group in its hierarchies.
 * @throws RunletError `ERR_RUNLET_CGROUP` when there still are some after 10 s.
 */
export async function waitUntilEmpty(hostPaths: readonly string[]): Promise<void> {
  const deadlineMs = Date.now() + patienceMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    const inUse = hostPaths.find((hostPath) => processesOf(hostPath).length > 0);
    if (inUse === undefined) return;
    if (Date.now() >= deadlineMs) throw stillInUse(inUse);
    await pause(pauseMs);
  }
}

/** @returns whether the group is gone; false when something in it keeps it. */
function removeTree(hostPath: string): boolean {
  if (removeOne(hostPath)) return true;
  if (!hasChildGroups(hostPath)) return false;
  try {
    removeChildGroups(hostPath);
  } catch (error) {
    if (!isGone(error)) throw removalError(hostPath, error);
  }
  return removeOne(hostPath);
}

function removeOne(hostPath: string): boolean {
  try {
    removeDirectory(hostPath);
    return true;
  } catch (error) {
    const code = errnoOf(error);
    if (isGone(error)) return true;
    if (code === "EBUSY" || code === "ENOTEMPTY") return false;
    throw removalError(hostPath, error);
  }
}

function removalError(hostPath: string, cause: unknown): RunletError {
  return new RunletError("ERR_RUNLET_CGROUP", `cannot remove the control group ${hostPath}`, {
    syscall: "rmdir",
    errno: errnoOf(cause),
    cause,
  });
}

function stillInUse(hostPath: string): RunletError {
  const processes = processesOf(hostPath);
  return new RunletError(
    "ERR_RUNLET_CGROUP",
    `cannot remove the control group ${hostPath}: it still has ${processes.length === 0 ? "zombies or groups of others" : `processes (${processes.slice(0, 10).join(", ")})`}`,
    {
      syscall: "rmdir",
      errno: "EBUSY",
      hint: "end the processes first: kill --all, or delete --force",
      details: { processes },
    },
  );
}
