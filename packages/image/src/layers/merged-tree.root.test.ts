import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { put, temporaryDirectory } from "../../test/temporary.ts";
import { MergedTree } from "./merged-tree.ts";

/** Layers on a file system that takes overlayfs's attributes, the base first, and what the kernel makes of them. */
function mountLayers(count: number): { layers: string[]; mount: () => string } {
  const scratch = temporaryDirectory();
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", scratch]);
  onTestFinished(() => void execFileSync("umount", ["--recursive", scratch]));
  const layers = Array.from({ length: count }, (_, index) => join(scratch, `layer${index}`));
  for (const layer of layers) mkdirSync(layer);
  return {
    layers,
    mount: () => {
      const merged = join(scratch, "merged");
      mkdirSync(merged);
      const lowerdir = layers.toReversed().join(":");
      execFileSync("mount", ["-t", "overlay", "overlay", "-o", `ro,lowerdir=${lowerdir}`, merged]);
      return merged;
    },
  };
}

const whiteout = (path: string) => void execFileSync("mknod", [path, "c", "0", "0"]);
const makeOpaque = (path: string) => void execFileSync("setfattr", ["-n", "trusted.overlay.opaque", "-v", "y", path]);

test("files are found where the kernel's overlay has them", () => {
  const { layers, mount } = mountLayers(3);
  const [base = "", middle = "", top = ""] = layers;
  for (const path of ["a/low", "a/hidden", "o/low", "gone/x", "file-below/x", "dir-below", "deep/er/low"])
    put(base, path, `base ${path}`);
  put(middle, "a/mid", "mid");
  mkdirSync(join(middle, "o"));
  makeOpaque(join(middle, "o"));
  put(middle, "o/mid", "mid");
  whiteout(join(middle, "gone"));
  put(middle, "file-below", "a file now");
  put(middle, "dir-below/x", "a directory now");
  put(top, "a/top", "top");
  whiteout(join(top, "a/hidden"));
  put(top, "o/top", "top");
  put(top, "gone/new", "back again");
  put(top, "deep/er/top", "top");
  symlinkSync("a/../a/./low", join(top, "relative"));
  symlinkSync("/a/mid", join(top, "absolute"));
  symlinkSync("../../../../o/mid", join(base, "a/above"));
  symlinkSync("loop", join(top, "loop"));
  symlinkSync("/a", join(top, "directory"));
  const merged = mount();
  using tree = MergedTree.open(layers);
  const expected = (path: string): string | undefined => {
    const isFile = spawnSync("test", ["-f", `${merged}/${path}`]).status === 0;
    return isFile ? readFileSync(`${merged}/${path}`, "utf8") : undefined;
  };
  const plain = ["a/low", "a/mid", "a/top", "a/hidden", "o/low", "o/mid", "o/top", "gone/x", "gone/new", "file-below"];
  const more = [
    "file-below/x",
    "dir-below",
    "dir-below/x",
    "deep/er/low",
    "deep/er/top",
    "relative",
    "a/above/../low",
    "nothing",
    "a",
  ];
  for (const path of [...plain, ...more, "a/../a/low", "./a//low"])
    expect(tree.readFileIfExists(path, 1000)?.toString(), path).toBe(expected(path));
  // The kernel follows these in the caller's root, this tree in its own.
  expect(tree.readFileIfExists("/absolute", 1000)?.toString()).toBe("mid");
  expect(tree.readFileIfExists("directory/low", 1000)?.toString()).toBe("base a/low");
  expect(tree.readFileIfExists("a/above", 1000)?.toString()).toBe("mid");
  expect(tree.readFileIfExists("../../../a/low", 1000)?.toString()).toBe("base a/low");
  expect(tree.readFileIfExists("loop", 1000)).toBeUndefined();
});

test("a file has a limit, a device is none, a directory is the uppermost's", () => {
  const { layers } = mountLayers(2);
  const [base = "", top = ""] = layers;
  put(base, "large", "x".repeat(100));
  put(base, "d/x", "");
  mkdirSync(join(top, "d"));
  chmodSync(join(top, "d"), 0o1770);
  execFileSync("chown", ["5:6", join(top, "d")]);
  execFileSync("mkfifo", [join(top, "fifo")]);
  using tree = MergedTree.open(layers);
  expect(() => tree.readFileIfExists("large", 99)).toThrow(expect.objectContaining({ code: "ERR_RUNLET_IMAGE" }));
  expect(tree.readFileIfExists("large", 100)).toHaveLength(100);
  expect(tree.readFileIfExists("fifo", 100)).toBeUndefined();
  expect(tree.directoryIfExists("/d")).toEqual({ uid: 5, gid: 6, mode: 0o1770 });
  expect(tree.directoryIfExists("large")).toBeUndefined();
  expect(tree.directoryIfExists("")).toMatchObject({ uid: 0 });
});
