import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("../dist/trace.js", import.meta.url));
const isAbsent = spawnSync("strace", ["-V"]).error !== undefined;
/** The bare program makes control groups of v1. */
const isV1 = existsSync("/sys/fs/cgroup/devices/devices.allow");

test.skipIf(process.getuid?.() !== 0 || isAbsent || !isV1)(
  "the bare program makes the very system calls that the library makes for a container",
  () => {
    const { stdout, stderr } = spawnSync(process.execPath, [program], { encoding: "utf8" });
    expect(stderr).toBe("");
    const { library, bare } = JSON.parse(stdout);
    expect(bare).toEqual(library);
    // Of the container, and not only of one who looks at it.
    expect(library).toMatchObject({ clone: 1, execveat: 1, pivot_root: 1, execve: 1, mkdir: expect.any(Number) });
  },
);
