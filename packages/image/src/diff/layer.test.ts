import { chmodSync, closeSync, mkdirSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type ArchiveEntry, readArchive } from "@runlet/tar";
import { describe, expect, test } from "vitest";
import { temporaryDirectory } from "../../test/temporary.ts";
import { copyTree, type Files, makeFiles, setTimes, setXattr } from "../../test/tree.ts";
import { type LayerOptions, writeLayer } from "./layer.ts";

async function layerOf(options: LayerOptions): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of writeLayer(options)) parts.push(part);
  return Buffer.concat(parts);
}

async function entriesOf(layer: Buffer): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  for await (const entry of readArchive([layer])) entries.push(entry);
  return entries;
}

function words({ type, path, linkTarget }: ArchiveEntry): string {
  return `${type} ${path}${linkTarget.length === 0 ? "" : ` ${linkTarget}`}`;
}

/** The options for an upper layer over a lower one. */
function over(lower: Files, upper: Files): LayerOptions & { readonly upper: string } {
  const [base, top] = [makeFiles(temporaryDirectory(), lower), makeFiles(temporaryDirectory(), upper)];
  return { from: { layers: [base], form: "overlay" }, to: { layers: [base, top], form: "overlay" }, upper: top };
}

describe("a layer", () => {
  test("holds what changed, the directories that lead to it, and whiteouts, sorted", async () => {
    const lower = { "etc/a": "1", "etc/b": "2", "opt/old/x": "", "usr/lib/x": "", "usr/share/y": "" };
    const upper = { "etc/a": "changed", "etc/b": "whiteout", "etc/c": "-> a", opt: "whiteout", "usr/lib/new": "n" };
    const entries = await entriesOf(await layerOf(over(lower, upper)));
    expect(entries.map(words)).toEqual([
      "directory ./",
      "directory etc/",
      "file etc/a",
      "file etc/.wh.b",
      "symbolic-link etc/c a",
      "file .wh.opt",
      "directory usr/",
      "directory usr/lib/",
      "file usr/lib/new",
    ]);
    expect(entries.every(({ userName, atime, ctime }) => userName.length === 0 && !atime && !ctime)).toBe(true);
  });

  test("of no changes holds nothing", async () => {
    expect(await layerOf(over({ a: "1" }, {}))).toEqual(Buffer.alloc(1024));
    expect(await layerOf({ ...over({}, { "proc/": "", "dev/pts/": "" }), mountPoints: ["/proc", "/dev/pts"] })).toEqual(
      Buffer.alloc(1024),
    );
  });

  test("says it where the root itself changed", async () => {
    const options = over({ a: "1" }, {});
    chmodSync(options.upper, 0o755);
    expect((await entriesOf(await layerOf(options))).map(words)).toEqual(["directory ./"]);
  });

  test("is the same, byte for byte, however the changes came about", async () => {
    const options = over({ "etc/a": "1" }, { "etc/b": "2", "etc/c": "3", z: "= etc/b" });
    const other = over({ "etc/a": "1" }, { z: "2", "etc/c": "3", "etc/b": "= z", "etc/a": "1" });
    expect(await layerOf(options)).toEqual(await layerOf(other));
  });

  test("has each content once", async () => {
    const entries = await entriesOf(await layerOf(over({}, { b: "content", a: "= b", "d/c": "= b" })));
    expect(entries.map(words)).toEqual(["directory ./", "file a", "hard-link b a", "directory d/", "hard-link d/c a"]);
  });

  test("keeps holes that are worth it", async () => {
    const options = over({}, {});
    const fd = openSync(join(options.upper, "sparse"), "w");
    writeSync(fd, "begin", 0);
    writeSync(fd, "middle", 8 << 20);
    closeSync(fd);
    truncateSync(join(options.upper, "sparse"), 64 << 20);
    setTimes(options.upper, 1_000_000);
    const layer = await layerOf(options);
    expect(layer.length).toBeLessThan(100_000);
    for await (const entry of readArchive([layer])) {
      if (entry.type === "directory") continue;
      const content = await entry.readAll(100 << 20);
      expect(content.length).toBe(64 << 20);
      expect(content.indexOf("middle")).toBe(8 << 20);
      expect(content.toString("latin1", 0, 6)).toBe("begin\0");
    }
  });

  test("keeps attributes of files and directories, but for overlayfs's", async () => {
    const options = over({ "d/a": "1" }, { "d/a": "1" });
    setXattr(join(options.upper, "d/a"), "user.note", "x");
    setXattr(join(options.upper, "d/a"), "user.overlay.origin", "x");
    setXattr(join(options.upper, "d"), "user.of.directory", "y");
    const entries = await entriesOf(await layerOf(options));
    const texts = entries.map(({ path, xattrs }) => `${path} ${xattrs.map(({ name, value }) => `${name}=${value}`)}`);
    expect(texts).toEqual(["./ ", "d/ user.of.directory=y", "d/a user.note=x"]);
  });

  test("has the owners and the latest time that the caller wants", async () => {
    const options = over({}, { a: "1" });
    const latestTime = { seconds: 5, nanoseconds: 0 };
    const [, entry] = await entriesOf(await layerOf({ ...options, latestTime, owner: () => ({ uid: 7, gid: 8 }) }));
    expect(entry).toMatchObject({ uid: 7, gid: 8, mtime: latestTime });
  });

  test("leaves sockets out", async () => {
    const options = over({}, { a: "1" });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(options.upper, "socket"), resolve));
    setTimes(options.upper, 1_000_000);
    try {
      expect((await entriesOf(await layerOf(options))).map(words)).toEqual(["directory ./", "file a"]);
    } finally {
      server.close();
    }
  });

  test("cannot hold a file whose name means a removal", async () => {
    await expect(layerOf(over({}, { "d/.wh.x": "1" }))).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining("/d/.wh.x"),
    });
  });

  test("is not written of a file that shrinks meanwhile", async () => {
    const options = over({}, { a: "long content", b: "x" });
    const writing = writeLayer(options);
    await writing.next();
    truncateSync(join(options.upper, "a"), 2);
    const rest = async () => {
      for await (const _ of writing);
    };
    await expect(rest()).rejects.toMatchObject({ code: "ERR_RUNLET_ARCHIVE" });
  });
});

test("two plain trees make a layer too", async () => {
  const from = makeFiles(temporaryDirectory(), { a: "1", "d/b": "2" });
  const to = copyTree(from, join(temporaryDirectory(), "to"));
  mkdirSync(join(to, "new"));
  writeFileSync(join(to, "d/b"), "3");
  setTimes(to, 1_000_000);
  const options: LayerOptions = { from: { layers: [from], form: "plain" }, to: { layers: [to], form: "plain" } };
  expect((await entriesOf(await layerOf(options))).map(words)).toEqual([
    "directory ./",
    "directory d/",
    "file d/b",
    "directory new/",
  ]);
});
