import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { atFlags } from "@runlet/syscall";
import { expect, onTestFinished, test } from "vitest";
import { buildArchive, directory, file, hardLink, pieces, symbolicLink } from "../test/archive.ts";
import { put, temporaryDirectory } from "../test/temporary.ts";
import { removeTree } from "./remove-tree.ts";
import { unpackArchive } from "./unpack.ts";
import type { UnpackOptions } from "./unpack-options.ts";

const mtime = { seconds: 1234567890, nanoseconds: 123456789 };

async function unpack(archive: Uint8Array, options: Partial<UnpackOptions> = {}, pieceBytes = 1000) {
  const root = options.rootHostPath ?? temporaryDirectory();
  const result = await unpackArchive({ rootHostPath: root, source: pieces(archive, pieceBytes), ...options });
  return { root, ...result };
}

const large = Buffer.alloc(300_000, "0123456789");
const sample = () =>
  buildArchive(
    directory("./", { mode: 0o750, mtime }),
    directory("usr", { mode: 0o555, mtime }),
    file("usr/bin/tool", "tool", { mode: 0o4755, mtime }),
    symbolicLink("bin", "usr/bin"),
    file("bin/other", "through the link"),
    hardLink("tool", "bin/tool"),
    file("large", large.toString(), { mtime }),
    file("empty", ""),
    { path: "fifo", type: "fifo", mode: 0o622 },
    {
      path: "holes",
      type: "file",
      mode: 0o600,
      sizeBytes: 1 << 20,
      dataRanges: [{ offset: 4096, lengthBytes: 512 }],
      content: "d".repeat(512),
    },
  );

for (const pieceBytes of [13, 512, 1 << 20]) {
  test(`everything arrives, from pieces of ${pieceBytes} bytes`, async () => {
    const { root, entries, totalBytes, skipped } = await unpack(sample(), {}, pieceBytes);
    const at = (name: string) => join(root, name);
    expect({ entries, totalBytes, skipped }).toEqual({
      entries: 10,
      totalBytes: 4 + 16 + 300_000 + (1 << 20),
      skipped: [],
    });
    expect(statSync(root).mode & 0o7777).toBe(0o750);
    expect(statSync(at("usr")).mode & 0o7777).toBe(0o555);
    expect(statSync(at("usr"), { bigint: true }).mtimeNs).toBe(1234567890123456789n);
    expect(statSync(at("usr/bin/tool")).mode & 0o7777).toBe(0o4755);
    expect(statSync(at("usr/bin/tool"), { bigint: true }).mtimeNs).toBe(1234567890123456789n);
    expect(statSync(at("large"), { bigint: true }).mtimeNs).toBe(1234567890123456789n);
    expect(readdirSync(at("usr/bin")).sort()).toEqual(["other", "tool"]);
    expect(statSync(at("tool")).ino).toBe(statSync(at("usr/bin/tool")).ino);
    expect(readFileSync(at("large")).equals(large)).toBe(true);
    expect(statSync(at("empty")).size).toBe(0);
    expect(statSync(at("fifo")).isFIFO()).toBe(true);
    expect(statSync(at("fifo")).mode & 0o777).toBe(0o622);
    const holes = readFileSync(at("holes"));
    expect(holes.length).toBe(1 << 20);
    expect(holes.toString("latin1", 4095, 4610)).toBe(`\0${"d".repeat(512)}\0\0`);
    expect(statSync(at("holes")).blocks * 512).toBeLessThan(1 << 19);
    execFileSync("chmod", ["755", at("usr")]);
  });
}

test("the last of several entries of one name stays", async () => {
  const { root } = await unpack(
    buildArchive(
      file("a", "first"),
      file("a", "second"),
      directory("b"),
      file("b/x"),
      symbolicLink("b", "elsewhere"),
      symbolicLink("c", "x"),
      directory("c"),
      file("d"),
      directory("d", { mode: 0o700 }),
      directory("d", { mode: 0o711 }),
    ),
  );
  expect(readFileSync(join(root, "a"), "utf8")).toBe("second");
  expect(readlinkSync(join(root, "b"))).toBe("elsewhere");
  expect(statSync(join(root, "c")).isDirectory()).toBe(true);
  expect(statSync(join(root, "d")).mode & 0o777).toBe(0o711);
});

test("a link to a directory is replaced by a directory, or kept if asked for", async () => {
  const archive = buildArchive(directory("usr/lib"), symbolicLink("lib", "usr/lib"), directory("lib"), file("lib/x"));
  const { root } = await unpack(archive);
  expect(readdirSync(join(root, "usr/lib"))).toEqual([]);
  const kept = await unpack(archive, { keepDirectoryLinks: true });
  expect(readdirSync(join(kept.root, "usr/lib"))).toEqual(["x"]);
});

for (const [how, ...entries] of [
  ["by a file", file("way")],
  ["by another link", symbolicLink("way", "elsewhere")],
  ["with the directory that it lies in", file("outer")],
] as const) {
  test(`a directory whose path leads through a link carries what is said of it when the link is replaced ${how}`, async () => {
    const { root } = await unpack(
      buildArchive(
        file("real/child/x"),
        directory("outer"),
        symbolicLink("outer/way", "../real"),
        symbolicLink("way", "real"),
        directory(how.endsWith("lies in") ? "outer/way/child" : "way/child", { mode: 0o710, mtime }),
        ...entries,
      ),
    );
    const status = statSync(join(root, "real/child"), { bigint: true });
    expect(status.mode & 0o777n).toBe(0o710n);
    expect(status.mtimeNs).toBe(1234567890123456789n);
  });
}

test("a directory whose whole path is longer than procfs can tell carries what is said of it", async () => {
  const rootHostPath = temporaryDirectory();
  const [first, rest] = ["x".repeat(250), `${"x".repeat(250)}/`.repeat(15)];
  onTestFinished(() => void removeTree({ dirFd: atFlags.AT_FDCWD, path: join(rootHostPath, first) }));
  const path = `${first}/${rest}${"y".repeat(70)}`;
  const entries = [directory(path, { mode: 0o710, mtime }), symbolicLink("way", "elsewhere"), file("way", "x")];
  await unpack(buildArchive(...entries), { rootHostPath });
  expect(readFileSync(join(rootHostPath, "way"), "utf8")).toBe("x");
  const fd = openSync(join(rootHostPath, first), "r");
  expect(statSync(`/proc/self/fd/${fd}/${path.slice(first.length + 1)}`).mode & 0o777).toBe(0o710);
  closeSync(fd);
});

test("names that are no UTF-8", async () => {
  const { root } = await unpack(buildArchive(file(Buffer.from([0x64, 0x2f, 0xff, 0xfe]), "x")));
  expect(readdirSync(join(root, "d"), { encoding: "buffer" })).toEqual([Buffer.from([0xff, 0xfe])]);
});

test("devices are left out and named, or refused", async () => {
  const archive = buildArchive({ path: "null", type: "character-device", deviceMajor: 1, deviceMinor: 3, mode: 0o666 });
  const { root, skipped } = await unpack(archive);
  expect(readdirSync(root)).toEqual([]);
  expect(skipped).toEqual([{ path: "null", part: "character-device 1:3", reason: "policy" }]);
  await expect(unpack(archive, { devices: "refuse" })).rejects.toMatchObject({
    code: "ERR_RUNLET_ARCHIVE",
    message: 'cannot unpack "null": it is a device',
  });
});

test("whiteouts take away what lies below, not what the layer brings", async () => {
  const root = temporaryDirectory();
  put(root, "a/old", "");
  put(root, "b/old/deep", "");
  put(root, "b/both", "below");
  put(root, "c", "below");
  const layer = buildArchive(
    file("b/both", "above"),
    file("b/new/deep", "above"),
    file("b/.wh..wh..opq", ""),
    file("a/.wh.old", ""),
    file("c", "above"),
    file(".wh.c", ""),
    file(".wh.absent", ""),
    file(".wh.gone/1.2", ""),
  );
  await expect(unpack(layer, { rootHostPath: root, whiteouts: "apply" })).rejects.toMatchObject({
    message: expect.stringContaining("below a whiteout"),
  });
  expect(readdirSync(join(root, "a"))).toEqual([]);
  expect(readdirSync(join(root, "b")).sort()).toEqual(["both", "new"]);
  expect(readFileSync(join(root, "b/both"), "utf8")).toBe("above");
  expect(readFileSync(join(root, "c"), "utf8")).toBe("above");
});

test("an opaque entry before the directory's files", async () => {
  const root = temporaryDirectory();
  put(root, "d/old", "");
  await unpack(buildArchive(directory("d"), file("d/.wh..wh..opq", ""), file("d/new", "")), {
    rootHostPath: root,
    whiteouts: "apply",
  });
  expect(readdirSync(join(root, "d"))).toEqual(["new"]);
});

const compressors: [string, (bytes: Buffer) => Buffer][] = [
  ["gzip", (bytes) => gzipSync(bytes)],
  ["gzip in two members", (bytes) => Buffer.concat([gzipSync(bytes.subarray(0, 700)), gzipSync(bytes.subarray(700))])],
  ["zstd", (bytes) => execFileSync("zstd", ["-q", "-c"], { input: bytes })],
  ["xz", (bytes) => execFileSync("xz", ["-c"], { input: bytes })],
];
for (const [name, compress] of compressors) {
  test(`${name}: whole, truncated and corrupted`, async () => {
    const compressed = compress(buildArchive(file("a", large.toString()), file("b", "end")));
    const { root } = await unpack(compressed);
    expect(readFileSync(join(root, "a")).equals(large)).toBe(true);
    expect(readFileSync(join(root, "b"), "utf8")).toBe("end");
    await expect(unpack(compressed.subarray(0, compressed.length - 20))).rejects.toMatchObject({
      code: "ERR_RUNLET_ARCHIVE",
    });
    const corrupted = Buffer.from(compressed);
    for (let at = 30; at < 60; at++) corrupted[at] = (corrupted[at] ?? 0) ^ 0x55;
    await expect(unpack(corrupted)).rejects.toMatchObject({ code: "ERR_RUNLET_ARCHIVE" });
  });

  test(`${name}: from a file, which is read ahead`, async () => {
    const hostPath = put(
      temporaryDirectory(),
      "archive",
      compress(buildArchive(file("a", large.toString().repeat(20)))),
    );
    const { root } = await unpack(Buffer.alloc(0), { source: hostPath });
    expect(readFileSync(join(root, "a")).equals(Buffer.from(large.toString().repeat(20)))).toBe(true);
  });
}

test("the digest of the file as it is", async () => {
  const archive = gzipSync(sample());
  const sha256 = createHash("sha256").update(archive).digest("hex");
  await unpack(archive, { sha256: sha256.toUpperCase() });
  await expect(unpack(archive, { sha256: "0".repeat(64) })).rejects.toMatchObject({
    code: "ERR_RUNLET_ARCHIVE",
    details: { expected: "0".repeat(64), actual: sha256 },
  });
  await expect(unpack(archive, { sha256: "short" })).rejects.toMatchObject({ code: "ERR_RUNLET_USAGE" });
});

test("what cannot be read or written to, and what is no archive", async () => {
  await expect(unpack(Buffer.alloc(0), { source: "/nowhere/archive.tar" })).rejects.toMatchObject({
    code: "ERR_RUNLET_ARCHIVE",
    errno: "ENOENT",
  });
  await expect(unpack(sample(), { rootHostPath: "/nowhere" })).rejects.toMatchObject({
    code: "ERR_RUNLET_ROOTFS",
    errno: "ENOENT",
  });
  await expect(unpack(Buffer.alloc(2000, "no archive"))).rejects.toMatchObject({
    code: "ERR_RUNLET_ARCHIVE",
    message: "damaged archive at byte 0: the checksum of a header does not match",
  });
  await expect(unpack(sample().subarray(0, 2000))).rejects.toMatchObject({
    message: expect.stringContaining("ends too early"),
  });
});

test("a source's own error passes through", async () => {
  async function* failing() {
    yield gzipSync(sample()).subarray(0, 100);
    throw new Error("connection lost");
  }
  await expect(unpackArchive({ rootHostPath: temporaryDirectory(), source: failing() })).rejects.toThrow(
    "connection lost",
  );
});

test("an abort stops between two pieces", async () => {
  const controller = new AbortController();
  async function* source() {
    yield* pieces(buildArchive(file("a")), 600);
    controller.abort();
    yield Buffer.alloc(512);
  }
  await expect(
    unpackArchive({ rootHostPath: temporaryDirectory(), source: source(), signal: controller.signal }),
  ).rejects.toMatchObject({ code: "ERR_RUNLET_ABORTED" });
});

test("no descriptor is left open, after success and after an error", async () => {
  const count = () => readdirSync("/proc/self/fd").length;
  await unpack(sample());
  const before = count();
  await unpack(sample());
  await unpack(buildArchive(...Array.from({ length: 100 }, (_, index) => file(`d${index}/f`)), file("../x"))).catch(
    () => {},
  );
  await unpack(buildArchive({ path: "f", type: "file", mode: 0o600, sizeBytes: 5000 })).catch(() => {});
  expect(count()).toBe(before);
});

test("many directories: parents are opened again after others", async () => {
  const names = Array.from({ length: 200 }, (_, index) => `d${index}`);
  const { root } = await unpack(
    buildArchive(...names.map((name) => file(`${name}/a`)), ...names.map((name) => file(`${name}/b`))),
  );
  expect(readdirSync(root)).toHaveLength(200);
  for (const name of names) expect(readdirSync(join(root, name)).sort()).toEqual(["a", "b"]);
});

test("into a directory that has content", async () => {
  const root = temporaryDirectory();
  mkdirSync(join(root, "d"));
  writeFileSync(join(root, "d/kept"), "");
  await unpack(buildArchive(directory("d"), file("d/new")), { rootHostPath: root });
  expect(readdirSync(join(root, "d")).sort()).toEqual(["kept", "new"]);
  expect(existsSync(join(root, "d/kept"))).toBe(true);
});
