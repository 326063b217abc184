import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Where a hybrid host has the v2 part of its control groups. */
export const unifiedPath = "/sys/fs/cgroup/unified";

/** Of a process in such a namespace: what layout the host has. */
export const hostLayout = process.env.RUNLET_BENCH_INSIDE as "hybrid" | "whole" | undefined;

/**
 * Everybody is measured in a mount namespace of its own. Since crun refuses a hybrid layout, it does not show the v2 part.
 * What runtimes keep about containers lies on a tmpfs there, as /run is on every distribution.
 *
 * @returns whether all has been done by this program, started anew in such a namespace: it ends with its exit status then.
 */
export function runInMountNamespace(): boolean {
  if (hostLayout !== undefined) return false;
  const isHybrid = readFileSync("/proc/self/mounts", "utf8").includes(` ${unifiedPath} cgroup2 `);
  const prepare = isHybrid ? `umount ${unifiedPath} && ` : "";
  const argv = ["--mount", "--propagation", "private", "sh", "-c", `${prepare}exec "$@"`, "sh"];
  const inner = spawnSync("unshare", [...argv, process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, RUNLET_BENCH_INSIDE: isHybrid ? "hybrid" : "whole" },
  });
  process.exitCode = inner.status ?? 1;
  return true;
}
