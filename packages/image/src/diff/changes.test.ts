import { chmodSync, closeSync, lutimesSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "@runlet/rootfs";
import { atFlags, mkdirat, openat, openFlags } from "@runlet/syscall";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../../test/temporary.ts";
import { copyTree, type Files, makeFiles, setXattr } from "../../test/tree.ts";
import { type CompareOptions, listChanges } from "./changes.ts";
import type { Tree } from "./merged-directory.ts";

const letters = { added: "A", modified: "M", deleted: "D" } as const;

function changes(options: CompareOptions): string[] {
  return listChanges(options).map(({ kind, containerPath }) => `${letters[kind]} ${containerPath}`);
}

function layersOf(...layers: readonly Files[]): string[] {
  return layers.map((files) => makeFiles(temporaryDirectory(), files));
}

function overlay(...layers: readonly string[]): Tree {
  return { layers, form: "overlay" };
}

function plain(layer: string): Tree {
  return { layers: [layer], form: "plain" };
}

const base: Files = {
  "etc/passwd": "root",
  "etc/hosts": "localhost",
  "bin/sh": "shell",
  "bin/ls": "-> sh",
  "tmp/": "",
};

/** What one more layer changes of layers below. */
function changesBy(upper: Files, ...lower: readonly Files[]): string[] {
  const [top = "", ...below] = layersOf(upper, ...lower);
  return changes({ from: overlay(...below), to: overlay(...below, top) });
}

describe("the layer of a container", () => {
  test("that is empty changes nothing", () => {
    expect(changesBy({}, base)).toEqual([]);
  });

  test("adds, modifies and deletes", () => {
    const upper = { "etc/passwd": "root, too", "etc/hosts": "whiteout", "etc/new/file": "x", "tmp/": "" };
    expect(changesBy(upper, base)).toEqual(["D /etc/hosts", "A /etc/new", "A /etc/new/file", "M /etc/passwd"]);
  });

  test("with copies of what is below is no change", () => {
    expect(changesBy({ "etc/passwd": "root", "bin/ls": "-> sh" }, base)).toEqual([]);
  });

  test("with whiteouts of nothing is no change", () => {
    expect(changesBy({ "etc/nothing": "whiteout", gone: "whiteout" }, base)).toEqual([]);
  });

  test("takes away what an opaque directory hides", () => {
    expect(changesBy({ "etc/": "opaque", "etc/hosts": "localhost" }, base)).toEqual(["D /etc/passwd"]);
  });

  test("turns files into directories and back", () => {
    const upper = { bin: "a file", "etc/hosts/": "opaque", "etc/hosts/a": "x", "tmp/": "" };
    expect(changesBy(upper, base)).toEqual(["M /bin", "M /etc/hosts", "A /etc/hosts/a"]);
  });

  test("lies over several others, of which the upper hide the lower", () => {
    const middle = { "etc/hosts": "whiteout", "bin/": "opaque", "bin/sh": "better shell", "usr/lib": "-> ../lib" };
    expect(changesBy({ "etc/hosts": "again", "bin/ls": "x", usr: "whiteout" }, base, middle)).toEqual([
      "A /bin/ls",
      "A /etc/hosts",
      "D /usr",
    ]);
  });

  test("changes owner's bits, times, targets and attributes", () => {
    const [lower = "", upper = ""] = layersOf(base, base);
    chmodSync(join(upper, "bin/sh"), 0o755);
    lutimesSync(join(upper, "bin/ls"), 5, 5);
    setXattr(join(upper, "etc/passwd"), "user.note", "x");
    setXattr(join(upper, "etc/hosts"), "user.overlay.origin", "of this host");
    chmodSync(join(upper, "tmp"), 0o1777);
    expect(changes({ from: overlay(lower), to: overlay(lower, upper) })).toEqual([
      "M /bin/ls",
      "M /bin/sh",
      "M /etc/passwd",
      "M /tmp",
    ]);
  });

  test("tells a second name of a file", () => {
    const upper = { "etc/passwd": "root", "etc/passwd-": "= etc/passwd" };
    expect(changesBy(upper, base)).toEqual(["M /etc/passwd", "A /etc/passwd-"]);
  });
});

describe("mount points", () => {
  const mountPoints = ["/proc", "/dev/pts", "/etc/resolv.conf", "/tmp"];

  test("that were made for mounts are no changes, nor is their directory's time", () => {
    const [lower = "", upper = ""] = layersOf(base, base);
    for (const name of ["proc", "dev", "dev/pts"]) mkdirSync(join(upper, name));
    writeFileSync(join(upper, "etc/resolv.conf"), "");
    const options = { from: overlay(lower), to: overlay(lower, upper) };
    expect(changes({ ...options, mountPoints })).toEqual([]);
    expect(changes(options)).toEqual(["M /", "A /dev", "A /dev/pts", "M /etc", "A /etc/resolv.conf", "A /proc"]);
  });

  test("that hold something are", () => {
    const [lower = "", upper = ""] = layersOf(base, base);
    mkdirSync(join(upper, "dev/pts"), { recursive: true });
    writeFileSync(join(upper, "dev/pts/0"), "");
    writeFileSync(join(upper, "etc/resolv.conf"), "nameserver");
    lutimesSync(upper, 1_000_000, 1_000_000);
    expect(changes({ from: overlay(lower), to: overlay(lower, upper), mountPoints })).toEqual([
      "A /dev",
      "A /dev/pts",
      "A /dev/pts/0",
      "A /etc/resolv.conf",
    ]);
  });

  test("that were there before are compared like everything else", () => {
    expect(changesBy({ tmp: "whiteout" }, base)).toEqual(["D /tmp"]);
  });
});

describe("two plain trees", () => {
  test("are compared by what they hold", () => {
    const [from = ""] = layersOf(base);
    const to = copyTree(from, join(temporaryDirectory(), "copy"));
    expect(changes({ from: plain(from), to: plain(to) })).toEqual([]);
    writeFileSync(join(to, "bin/sh"), "SHELL");
    lutimesSync(join(to, "bin/sh"), 1_000_000, 1_000_000);
    rmSync(join(to, "etc"), { recursive: true });
    lutimesSync(to, 1_000_000, 1_000_000);
    expect(changes({ from: plain(from), to: plain(to) })).toEqual(["M /bin/sh", "D /etc"]);
  });

  test("may hold what overlayfs takes for whiteouts", () => {
    const [from = "", to = ""] = layersOf(base, { ...base, "dev/null": "whiteout" });
    expect(changes({ from: plain(from), to: plain(to) })).toEqual(["A /dev", "A /dev/null"]);
  });

  test("that are not there are an error", () => {
    const missing = join(temporaryDirectory(), "missing");
    expect(() => changes({ from: plain(missing), to: plain(missing) })).toThrow(
      expect.objectContaining({
        code: "ERR_RUNLET_ROOTFS",
        errno: "ENOENT",
        message: expect.stringContaining(missing),
      }),
    );
  });
});

test("names need not be UTF-8", () => {
  const [lower = "", upper = ""] = layersOf({}, {});
  writeFileSync(Buffer.concat([Buffer.from(`${upper}/`), Buffer.of(0xff, 0xfe)]), "x");
  lutimesSync(upper, 1_000_000, 1_000_000);
  const [change] = listChanges({ from: overlay(lower), to: overlay(lower, upper) });
  expect(change?.containerPath).toEqual(Buffer.of(0x2f, 0xff, 0xfe));
});

test("a tree that a container has nested too deep is refused", () => {
  const hostPath = join(temporaryDirectory(), "deep");
  mkdirSync(hostPath);
  onTestFinished(() => void removeTree({ dirFd: atFlags.AT_FDCWD, path: hostPath }));
  let fd = openSync(hostPath, "r");
  for (let depth = 0; depth < 1500; depth++) {
    mkdirat({ dirFd: fd, path: "d", mode: 0o755 });
    const inner = openat({ dirFd: fd, path: "d", flags: openFlags.O_RDONLY });
    closeSync(fd);
    fd = inner;
  }
  closeSync(fd);
  expect(() => listChanges({ to: { layers: [hostPath], form: "plain" } })).toThrow(
    expect.objectContaining({
      code: "ERR_RUNLET_ROOTFS",
      message: expect.stringMatching(/lies deeper than 1000 directories$/),
    }),
  );
});
