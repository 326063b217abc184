import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { atFlags, closeFd, mkdirat, openat, openFlags } from "@runlet/syscall";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../test/temporary.ts";
import { removeTree } from "./remove-tree.ts";

const flags = openFlags.O_RDONLY | openFlags.O_DIRECTORY;

/** Nests directories as a process of a container can, each from within the last one. */
function nest(hostPath: string, depth: number): void {
  mkdirSync(hostPath);
  let fd = openat({ dirFd: atFlags.AT_FDCWD, path: hostPath, flags });
  for (let level = 1; level < depth; level++) {
    mkdirat({ dirFd: fd, path: "d", mode: 0o755 });
    const next = openat({ dirFd: fd, path: "d", flags });
    closeFd(fd);
    fd = next;
  }
  closeFd(fd);
}

test("directories that lie deeper than calls can be nested, or descriptors be open", () => {
  const hostPath = join(temporaryDirectory(), "deep");
  nest(hostPath, 5000);
  writeFileSync(join(hostPath, "file"), "");
  let told = 0;
  const open = readdirSync("/proc/self/fd").length;
  let most = 0;
  const onDirectory = () => {
    if (++told % 500 === 0) most = Math.max(most, readdirSync("/proc/self/fd").length);
  };
  expect(removeTree({ dirFd: atFlags.AT_FDCWD, path: hostPath }, onDirectory)).toBe("directory");
  expect(existsSync(hostPath)).toBe(false);
  expect(told).toBe(5000);
  expect(most).toBeLessThan(open + 100);
  expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(open);
});

test("a directory that somebody moves away meanwhile leads nowhere else", () => {
  const directory = temporaryDirectory();
  const hostPath = join(directory, "deep");
  nest(hostPath, 100);
  mkdirSync(join(directory, "other/kept"), { recursive: true });
  const moved = join(hostPath, "d/".repeat(20));
  const removing = () =>
    removeTree({ dirFd: atFlags.AT_FDCWD, path: hostPath }, () => {
      if (existsSync(moved)) renameSync(moved, join(directory, "other/moved"));
    });
  expect(removing).toThrow(expect.objectContaining({ code: "ESTALE" }));
  expect(readdirSync(join(directory, "other"))).toContain("kept");
});
