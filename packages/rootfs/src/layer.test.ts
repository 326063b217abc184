import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { buildArchive, directory, file, hardLink, pieces, symbolicLink } from "../test/archive.ts";
import { put, temporaryDirectory } from "../test/temporary.ts";
import { removeTree } from "./remove-tree.ts";
import { RootDirectory } from "./root-directory.ts";
import { unpackArchive } from "./unpack.ts";
import type { UnpackOptions } from "./unpack-options.ts";

const opaqueXattr = "user.overlay.opaque";

async function unpack(archive: Uint8Array, options: Partial<UnpackOptions> = {}) {
  const root = temporaryDirectory();
  return { root, ...(await unpackArchive({ rootHostPath: root, source: pieces(archive), opaqueXattr, ...options })) };
}

function isOpaque(hostPath: string): boolean {
  const listed = execFileSync("getfattr", ["--absolute-names", "-d", "-m", "user.overlay", "--", hostPath], {
    encoding: "utf8",
  });
  return listed.includes('user.overlay.opaque="y"');
}

describe("the digest of what an archive holds", () => {
  const archive = buildArchive(file("a", "content"));
  const compressed = gzipSync(archive);

  test.each(["sha256", "sha512"])("%s, right", async (algorithm) => {
    const contentDigest = `${algorithm}:${createHash(algorithm).update(archive).digest("hex")}`;
    const read: number[] = [];
    await unpack(compressed, { contentDigest, onRead: (total) => read.push(total) });
    expect(read.at(-1)).toBe(compressed.length);
  });

  test("counts what follows the archive's end", async () => {
    const longer = Buffer.concat([archive, Buffer.alloc(4096)]);
    await unpack(gzipSync(longer), { contentDigest: `sha256:${createHash("sha256").update(longer).digest("hex")}` });
  });

  test("wrong, and no digest at all", async () => {
    const actual = `sha256:${createHash("sha256").update(archive).digest("hex")}`;
    const expected = `sha256:${"0".repeat(64)}`;
    await expect(unpack(compressed, { contentDigest: expected })).rejects.toMatchObject({
      code: "ERR_RUNLET_ARCHIVE",
      details: { expected, actual },
    });
    await expect(unpack(compressed, { contentDigest: "md5:00" })).rejects.toMatchObject({ code: "ERR_RUNLET_USAGE" });
  });
});

test("directories without an entry are told, parents first, also those that only whiteouts need", async () => {
  const { impliedDirectories } = await unpack(
    buildArchive(
      file("a/b/c", "x"),
      directory("a/b"),
      directory("d"),
      file("d/e/.wh.f", ""),
      file("g/.wh..wh..opq", ""),
      file("late/x", "x"),
      directory("late"),
    ),
    { whiteouts: "overlay" },
  );
  expect(impliedDirectories.map(String)).toEqual(["", "a", "d/e", "g"]);
  const whole = await unpack(buildArchive(directory("./"), directory("a"), file("a/x")));
  expect(whole.impliedDirectories).toEqual([]);
});

test("directories without an entry are open to all, whatever the umask", async () => {
  const archive = buildArchive(file("a/b/c"), file("d/.wh..wh..opq", ""), file(".wh.e", ""), file("e/f"));
  const umask = process.umask(0o077);
  try {
    const { root } = await unpack(archive, { whiteouts: "overlay" });
    for (const path of ["a", "a/b", "d", "e"]) expect(lstatSync(join(root, path)).mode & 0o7777, path).toBe(0o755);
  } finally {
    process.umask(umask);
  }
});

test("whiteouts are told, also the one of a name that is no text", async () => {
  const { root, whiteouts } = await unpack(
    buildArchive(
      file("a/.wh.x", ""),
      file(Buffer.from("\xff/.wh.\xfe", "latin1"), ""),
      file("b", "x"),
      file(".wh.b", ""),
      file("a/.wh.x", ""),
    ),
    { whiteouts: "overlay" },
  );
  expect(whiteouts.map((path) => path.toString("latin1"))).toEqual(["a/x", "\xff/\xfe"]);
  expect(lstatSync(join(root, "a/x")).isCharacterDevice()).toBe(true);
});

test.each(["overlay", "apply"] as const)(
  "aufs's own files serve the layer's links, and are gone then: %s",
  async (whiteouts) => {
    const { root, impliedDirectories } = await unpack(
      buildArchive(
        directory("./", { mtime: { seconds: 7, nanoseconds: 0 } }),
        directory(".wh..wh.aufs"),
        directory(".wh..wh.orph"),
        file(".wh..wh.orph/lost", "x"),
        directory(".wh..wh.plnk"),
        file(".wh..wh.plnk/1.2", "shared", { mode: 0o4711 }),
        file(".wh..wh.plnk/3.4", "unused"),
        hardLink("a", ".wh..wh.plnk/1.2"),
        hardLink("d/b", "/.wh..wh.plnk/1.2"),
      ),
      { whiteouts },
    );
    expect(readdirSync(root).sort()).toEqual(["a", "d"]);
    expect(lstatSync(join(root, "a"))).toMatchObject({ nlink: 2, ino: lstatSync(join(root, "d/b")).ino, size: 6 });
    expect(lstatSync(join(root, "a")).mode & 0o7777).toBe(0o4711);
    expect(lstatSync(root).mtimeMs).toBe(7000);
    expect(impliedDirectories.map(String)).toEqual(["d"]);
  },
);

test.each([
  ["overlay", ".wh.d", 30],
  ["apply", "d/.wh..wh..opq", 0],
] as const)("a whiteout finds all that was put in its place by way of a link: %s", async (whiteouts, path, left) => {
  const files = Array.from({ length: 30 }, (_, index) => file(`way/d/${index}`, "x"));
  const { root } = await unpack(buildArchive(symbolicLink("way", "."), ...files, file(path, "")), { whiteouts });
  expect(readdirSync(join(root, "d"))).toHaveLength(left);
});

test("a whiteout above others takes their place", async () => {
  const { root } = await unpack(buildArchive(file("a/b/.wh.x", ""), file("a/c/.wh..wh..opq", ""), file(".wh.a", "")), {
    whiteouts: "overlay",
  });
  expect(lstatSync(join(root, "a")).isCharacterDevice()).toBe(true);
});

describe("what a layer puts in place of a directory is not merged with it", () => {
  const orders = {
    "whiteout first": [file(".wh.d", ""), directory("d"), file("d/new", "x")],
    "whiteout last": [directory("d"), file("d/new", "x"), file(".wh.d", "")],
    "directory without an entry": [file(".wh.d", ""), file("d/new", "x")],
  };

  test.each(Object.entries(orders))("%s", async (_name, entries) => {
    const archive = buildArchive(...entries);
    const { root } = await unpack(archive, { whiteouts: "overlay" });
    expect(isOpaque(join(root, "d"))).toBe(true);
    expect(existsSync(join(root, "d/new"))).toBe(true);

    const merged = temporaryDirectory();
    put(merged, "d/old", "x");
    await unpackArchive({ rootHostPath: merged, source: pieces(archive), whiteouts: "apply" });
    expect(readdirSync(join(merged, "d"))).toEqual(["new"]);
  });

  test("whiteouts of what lay below a file hide nothing more", async () => {
    const { root } = await unpack(
      buildArchive(file("d", "x"), file("d/.wh.a", ""), file("d/.wh..wh..opq", ""), file("d/e/.wh..wh..opq", "")),
      {
        whiteouts: "overlay",
      },
    );
    expect(readdirSync(root)).toEqual(["d"]);
    expect(lstatSync(join(root, "d")).isFile()).toBe(true);
  });

  test("a file in its place needs nothing", async () => {
    const { root } = await unpack(buildArchive(file(".wh.d", ""), file("d", "x")), { whiteouts: "overlay" });
    expect(lstatSync(join(root, "d")).isFile()).toBe(true);
  });
});

test("skippable frames of zstd are skipped wherever they stand", async () => {
  const archive = buildArchive(file("a", "content"));
  const frame = (bytes: Uint8Array) => execFileSync("zstd", ["-q", "-c"], { input: bytes });
  const skippable = Buffer.concat([Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 4, 0, 0, 0]), Buffer.from("abcd")]);
  const parts = [skippable, frame(archive.subarray(0, 700)), skippable, frame(archive.subarray(700)), skippable];
  const { root } = await unpack(Buffer.concat(parts));
  expect(existsSync(join(root, "a"))).toBe(true);
});

test("a tree is removed also where its owner may neither read nor write", () => {
  const parent = temporaryDirectory();
  for (const path of ["t/locked/inside/x", "t/locked/y", "t/z"]) put(parent, path, "x");
  execFileSync("chmod", ["000", join(parent, "t/locked/inside")]);
  execFileSync("chmod", ["500", join(parent, "t/locked")]);
  execFileSync("chmod", ["500", join(parent, "t")]);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) execFileSync("chown", ["-R", "65534:65534", parent]);
  if (isRoot) process.seteuid?.(65534);
  try {
    const directory = RootDirectory.open(parent);
    expect(removeTree({ dirFd: directory.fd, path: "t" })).toBe("directory");
    directory.close();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
  expect(readdirSync(parent)).toEqual([]);
});
