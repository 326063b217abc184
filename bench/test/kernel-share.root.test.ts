import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("../dist/trace.js", import.meta.url));
const isAbsent = spawnSync("strace", ["-V"]).error !== undefined;
/** The bare program makes control groups of v1; of a hybrid host the v2 part is not shown to it. */
const isV1 = existsSync("/sys/fs/cgroup/devices/devices.allow");

test.skipIf(process.getuid?.() !== 0 || isAbsent || !isV1)(
  "the bare program makes the very system calls that the library makes for a container",
  () => {
    const isHybrid = readFileSync("/proc/self/mounts", "utf8").includes(" /sys/fs/cgroup/unified cgroup2 ");
    const prepare = isHybrid ? "umount /sys/fs/cgroup/unified && " : "";
    const argv = ["--mount", "--propagation", "private", "sh", "-c", `${prepare}exec "$@"`, "sh"];
    const { stdout, stderr } = spawnSync("unshare", [...argv, process.execPath, program], { encoding: "utf8" });
    expect(stderr).toBe("");
    const { library, bare } = JSON.parse(stdout);
    expect(bare).toEqual(library);
    // Of the container, and not only of one who looks at it.
    expect(library).toMatchObject({ clone: 1, execveat: 1, pivot_root: 1, execve: 1, mkdir: expect.any(Number) });
  },
);
