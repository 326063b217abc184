import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isRunletError } from "@runlet/errors";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  buildArchive,
  directory,
  file,
  hardLink,
  pieces,
  symbolicLink,
  type TestEntry,
  xattr,
} from "../test/archive.ts";
import { temporaryDirectory } from "../test/temporary.ts";
import { unpackArchive } from "./unpack.ts";
import type { UnpackOptions } from "./unpack-options.ts";

/**
 * Unpacks into `outer/root` beside a victim, and says afterwards that nothing but the root has changed.
 *
 * @returns the root's host path and what unpacking ended with.
 */
async function unpackBesideVictim(
  entries: (outer: string) => TestEntry[],
  options: Partial<UnpackOptions> = {},
): Promise<{ root: string; outer: string; error: unknown }> {
  const outer = temporaryDirectory();
  const root = join(outer, "root");
  mkdirSync(root);
  mkdirSync(join(outer, "victim-dir"));
  writeFileSync(join(outer, "victim"), "untouched", { mode: 0o600 });
  const before = snapshot(outer);
  let error: unknown;
  try {
    await unpackArchive({ rootHostPath: root, source: pieces(buildArchive(...entries(outer))), ...options });
  } catch (caught) {
    error = caught;
    if (!isRunletError(caught)) throw caught;
    expect(caught.code).toBe("ERR_RUNLET_ARCHIVE");
  }
  expect(snapshot(outer)).toEqual(before);
  return { root, outer, error };
}

/** Everything outside the root: names, modes, links, contents, number of names. */
function snapshot(outer: string): unknown {
  const look = (hostPath: string): unknown => {
    const status = lstatSync(hostPath);
    const facts = [status.mode, status.nlink, status.uid, status.mtimeMs];
    if (status.isDirectory())
      return [facts.slice(0, 1), readdirSync(hostPath).map((name) => [name, look(join(hostPath, name))])];
    return [facts, status.isFile() ? readFileSync(hostPath, "utf8") : ""];
  };
  return readdirSync(outer)
    .filter((name) => name !== "root")
    .map((name) => [name, look(join(outer, name))]);
}

describe("names that lead out", () => {
  test.each([
    ["../victim"],
    ["a/../../victim"],
    ["./../victim"],
    ["../../../../../../../../tmp/runlet-escaped"],
    [".."],
    ["dir/.."],
  ])("%s is refused", async (path) => {
    const { error } = await unpackBesideVictim(() => [file(path, "overwritten")]);
    expect(error).toMatchObject({ message: expect.stringContaining('its path holds ".."') });
  });

  test("an absolute name lies inside (CVE-2021-32803's sibling CVE-2021-32804, node-tar)", async () => {
    const { root, outer, error } = await unpackBesideVictim((outer) => [
      file(`${outer}/victim`, "overwritten"),
      file(`////${outer}/other`, "x"),
    ]);
    expect(error).toBeUndefined();
    expect(readFileSync(join(root, outer, "victim"), "utf8")).toBe("overwritten");
    expect(readFileSync(join(root, outer, "other"), "utf8")).toBe("x");
  });

  test("a name of a drive or with backslashes is a name (CVE-2021-37713, node-tar)", async () => {
    const { root } = await unpackBesideVictim(() => [file("C:..\\victim"), file("c:/x")]);
    expect(readdirSync(root).sort()).toEqual(["C:..\\victim", "c:"]);
  });
});

describe("links that lead out", () => {
  const targets: [string, (outer: string) => string][] = [
    ["absolute", (outer) => outer],
    ["relative", () => ".."],
    ["far", () => "../../../../../../../../../../tmp"],
  ];
  for (const [name, target] of targets) {
    test(`a file below a link to a directory outside: ${name} (CVE-2018-20834, CVE-2016-10543; CVE-2020-27833)`, async () => {
      const { root } = await unpackBesideVictim((outer) => [
        symbolicLink("link", target(outer)),
        file("link/victim", "overwritten"),
        file("link/new", "new"),
      ]);
      expect(lstatSync(join(root, "link")).isSymbolicLink()).toBe(true);
    });
  }

  test("a chain: link, directory over it, file (CVE-2021-32803, CVE-2021-37701, CVE-2021-37712, node-tar's cache)", async () => {
    const { root, error } = await unpackBesideVictim((outer) => [
      directory("a"),
      file("a/one"),
      symbolicLink("a", outer),
      file("a/victim", "overwritten"),
      directory("b"),
      symbolicLink("b/c", "../.."),
      directory("b/c"),
      file("b/c/victim", "inside"),
    ]);
    expect(error).toMatchObject({ code: "ERR_RUNLET_ARCHIVE" });
    expect(lstatSync(join(root, "a")).isSymbolicLink()).toBe(true);
  });

  test("a directory entry replaces a link, and files then lie in it", async () => {
    const { root, error } = await unpackBesideVictim((outer) => [
      symbolicLink("d", outer),
      directory("d"),
      file("d/victim", "inside"),
    ]);
    expect(error).toBeUndefined();
    expect(readFileSync(join(root, "d/victim"), "utf8")).toBe("inside");
  });

  test("with links to directories kept, one that leads out still does not", async () => {
    const { root } = await unpackBesideVictim(
      (outer) => [symbolicLink("d", `${outer}/victim-dir`), directory("d", { mode: 0o777 }), file("d/x")],
      { keepDirectoryLinks: true },
    );
    expect(existsSync(join(root, "d"))).toBe(true);
  });

  test("links through links (CVE-2021-37712; CVE-2025-4138, CVE-2025-4330 and CVE-2025-4517, Python's filter)", async () => {
    const long = "d".repeat(247);
    const chain = Array.from({ length: 14 }, (_, index) => String.fromCharCode(97 + index));
    await unpackBesideVictim(() => [
      ...chain.flatMap((letter, index) => {
        const at = Array.from({ length: index }, () => long).join("/");
        const prefix = at === "" ? "" : `${at}/`;
        return [directory(`${prefix}${long}`), symbolicLink(`${prefix}${letter}`, long)];
      }),
      symbolicLink(`${chain.join("/")}/${"l".repeat(254)}`, "../".repeat(chain.length)),
      symbolicLink("escape", `${chain.join("/")}/${"l".repeat(254)}/../victim`),
      file("escape", "overwritten"),
      hardLink("held", "escape"),
      file("held", "overwritten"),
    ]);
  });

  test("a file over a link replaces the link, not what it says (CVE-2019-14271's and docker cp's shape)", async () => {
    const { root, error } = await unpackBesideVictim((outer) => [
      symbolicLink("f", `${outer}/victim`),
      file("f", "overwritten"),
      symbolicLink("sparse", `${outer}/victim`),
      file("sparse", "overwritten", { xattrs: [xattr("user.a", "b")] }),
    ]);
    expect(error).toBeUndefined();
    expect(readFileSync(join(root, "f"), "utf8")).toBe("overwritten");
    expect(lstatSync(join(root, "sparse")).isFile()).toBe(true);
  });

  test("modes, owners and times of a link are not those of what it says (CVE-2021-32760, containerd)", async () => {
    const { error } = await unpackBesideVictim((outer) => [
      { ...symbolicLink("l", `${outer}/victim`), mode: 0o777, mtime: { seconds: 5, nanoseconds: 0 } },
    ]);
    expect(error).toBeUndefined();
  });

  test("a link that was there before is not followed either", async () => {
    const outer = temporaryDirectory();
    const root = join(outer, "root");
    mkdirSync(root);
    writeFileSync(join(outer, "victim"), "untouched");
    symlinkSync(join(outer, "victim"), join(root, "f"));
    symlinkSync(outer, join(root, "d"));
    await unpackArchive({ rootHostPath: root, source: pieces(buildArchive(file("f", "new"))) });
    const below = unpackArchive({ rootHostPath: root, source: pieces(buildArchive(file("d/victim", "overwritten"))) });
    await below.catch(() => {});
    expect(readFileSync(join(outer, "victim"), "utf8")).toBe("untouched");
    expect(readFileSync(join(root, "f"), "utf8")).toBe("new");
  });
});

describe("hard links", () => {
  test.each([
    ["absolute (CVE-2016-6321's and CVE-2026-24842's shape)", (outer: string) => `${outer}/victim`],
    ["relative (CVE-2026-23745, node-tar; CVE-2026-29786)", () => "../victim"],
    ["drive-relative (node-tar 7.5.10)", () => "C:../victim"],
  ])("to a file outside: %s", async (_name, target) => {
    const { root, error } = await unpackBesideVictim((outer) => [
      hardLink("h", target(outer)),
      file("h", "overwritten"),
    ]);
    expect(error).toBeDefined();
    expect(existsSync(join(root, "h"))).toBe(false);
  });

  test("through a link to a directory outside", async () => {
    const { error } = await unpackBesideVictim((outer) => [
      symbolicLink("l", outer),
      hardLink("h", "l/victim"),
      file("h", "overwritten"),
    ]);
    expect(error).toMatchObject({ message: expect.stringContaining("another name of a file that is not there") });
  });

  test("to a link that leads out: the link gets a second name, the file outside none", async () => {
    const { root, error } = await unpackBesideVictim((outer) => [
      symbolicLink("l", `${outer}/victim`),
      hardLink("h", "l"),
      file("h", "overwritten"),
    ]);
    expect(error).toBeUndefined();
    expect(readFileSync(join(root, "h"), "utf8")).toBe("overwritten");
    expect(lstatSync(join(root, "l")).isSymbolicLink()).toBe(true);
  });

  test("below a parent that was replaced by a link meanwhile (CVE-2019-10773's and CVE-2021-37701's shape)", async () => {
    await unpackBesideVictim((outer) => [
      directory("x"),
      file("x/y"),
      symbolicLink("x", outer),
      hardLink("x/z", "x/victim"),
    ]);
  });

  test("to a directory", async () => {
    const { error } = await unpackBesideVictim(() => [directory("d"), hardLink("h", "d")]);
    expect(error).toMatchObject({ message: expect.stringContaining("another name of a directory") });
  });

  test("to itself keeps the file", async () => {
    const { root, error } = await unpackBesideVictim(() => [file("f", "kept"), hardLink("f", "./f")]);
    expect(error).toBeUndefined();
    expect(readFileSync(join(root, "f"), "utf8")).toBe("kept");
  });
});

describe("whiteouts", () => {
  test.each([[".wh..."], ["a/.wh..."], [".wh.."], [".wh."]])("%s names nothing that could be removed", async (path) => {
    const { error } = await unpackBesideVictim(() => [file(path, "")], { whiteouts: "apply" });
    expect(error).toMatchObject({ message: expect.stringContaining("whiteout of nothing") });
  });

  test("through a link that leads out", async () => {
    for (const whiteouts of ["apply", "overlay"] as const) {
      await unpackBesideVictim(
        (outer) => [symbolicLink("l", outer), file("l/.wh.victim", ""), file("l/.wh..wh..opq", "")],
        {
          whiteouts,
          opaqueXattr: "user.overlay.opaque",
        },
      );
    }
  });

  test("overlayfs's own attributes are left out", async () => {
    const outer = temporaryDirectory();
    const attributes = ["trusted.overlay.redirect", "user.overlay.opaque"].map((name) => xattr(name, "/etc"));
    const { skipped } = await unpackArchive({
      rootHostPath: outer,
      source: pieces(buildArchive(directory("d", { xattrs: attributes }))),
    });
    expect(skipped).toEqual([
      { path: "d/", part: "trusted.overlay.redirect", reason: "policy" },
      { path: "d/", part: "user.overlay.opaque", reason: "policy" },
    ]);
  });
});

describe("limits", () => {
  test.each<[string, TestEntry[], Partial<UnpackOptions>, string]>([
    ["entries", [file("a"), file("b"), file("c")], { limits: { entries: 2 } }, "more than 2 entries"],
    [
      "bytes",
      [file("a", "x".repeat(100)), file("b", "x".repeat(100))],
      { limits: { totalBytes: 150 } },
      "more than 150 bytes",
    ],
    [
      "bytes, as a sparse file claims them",
      [{ path: "s", type: "file", sizeBytes: 2 ** 45, dataRanges: [] }],
      {},
      "more than 1099511627776 bytes",
    ],
    ["length of a path", [file("x/".repeat(200))], { limits: { pathBytes: 100 } }, "more than 100"],
    ["depth of a path", [file(`${"x/".repeat(600)}f`)], {}, "more than 512"],
    ["length of a name", [file("n".repeat(256))], {}, "the file system refuses it"],
    [
      "size of an attribute",
      [file("f", "x", { xattrs: [xattr("user.a", Buffer.alloc(70_000))] })],
      {},
      "the file system refuses it",
    ],
    [
      "length of an attribute's name",
      [file("f", "x", { xattrs: [xattr(`user.${"a".repeat(300)}`, "")] })],
      {},
      "the file system refuses it",
    ],
  ])("%s", async (_name, entries, options, message) => {
    const { error } = await unpackBesideVictim(() => entries, options);
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
  });

  test("an archive that grows a thousand times by decompression", async () => {
    const { gzipSync } = await import("node:zlib");
    const bomb = gzipSync(buildArchive(file("zeros", "\0".repeat(64 << 20))));
    const root = temporaryDirectory();
    await expect(unpackArchive({ rootHostPath: root, source: pieces(bomb) })).rejects.toMatchObject({
      code: "ERR_RUNLET_ARCHIVE",
      message: expect.stringContaining("1000 times larger"),
    });
  });

  test.each([
    ["apply", "way/d", "way/d/.wh..wh..opq"],
    ["overlay", "way/d", ".wh.d"],
  ] as const)(
    "whiteouts that have a large directory looked through again and again: %s",
    async (whiteouts, at, path) => {
      const files = Array.from({ length: 30 }, (_, index) => file(`${at}/${index}`));
      const entries = (count: number) => [
        symbolicLink("way", "."),
        ...files,
        ...Array.from({ length: count }, () => file(path, "")),
      ];
      const options = { whiteouts, opaqueXattr: "user.overlay.opaque", limits: { entries: 60 } } as const;
      const { error, root } = await unpackBesideVictim(() => entries(20), options);
      expect(error).toBeUndefined();
      expect(readdirSync(join(root, "d"))).toHaveLength(30);
      expect((await unpackBesideVictim(() => entries(21), options)).error).toMatchObject({
        message: expect.stringMatching(/d": too many whiteouts are about too many files$/),
      });
    },
  );

  test("an archive by xz that asks for 4 GiB of memory, whatever the caller's environment allows xz", async () => {
    const { crc32 } = await import("node:zlib");
    const archive = execFileSync("xz", ["-c"], { input: buildArchive(file("a")) });
    // The block's header: its size in words of 4 bytes, flags, filter (LZMA2), size of its properties, dictionary, checksum.
    const start = 12;
    const end = start + ((archive[start] ?? 0) + 1) * 4;
    const properties = archive.indexOf(Buffer.from([0x21, 0x01]), start);
    expect(properties).toBeLessThan(end);
    archive[properties + 2] = 40;
    archive.writeUInt32LE(crc32(archive.subarray(start, end - 4)), end - 4);
    vi.stubEnv("XZ_OPT", "--no-memlimit");
    onTestFinished(() => void vi.unstubAllEnvs());
    const root = temporaryDirectory();
    await expect(unpackArchive({ rootHostPath: root, source: pieces(archive) })).rejects.toMatchObject({
      code: "ERR_RUNLET_ARCHIVE",
      explanation: expect.stringContaining("emory usage limit"),
    });
  });

  test("a very long name from an archive does not flood an error", async () => {
    const { error } = await unpackBesideVictim(() => [file(`${"\u001b[2J".repeat(1000)}/../x`)]);
    expect((error as Error).message.length).toBeLessThan(2000);
    expect((error as Error).message).not.toContain("\u001b");
  });
});

test("a file below a file, and a file over a directory", async () => {
  const { root, error } = await unpackBesideVictim(() => [
    directory("d"),
    file("d/inner/deep"),
    file("d", "now a file"),
    file("d/x"),
  ]);
  expect(error).toMatchObject({ message: expect.stringContaining("it is no directory") });
  expect(readFileSync(join(root, "d"), "utf8")).toBe("now a file");
});

test("a link to nothing", async () => {
  const { error } = await unpackBesideVictim(() => [{ path: "l", type: "symbolic-link", linkTarget: "", mode: 0o777 }]);
  expect(error).toMatchObject({ message: expect.stringContaining("link to nothing") });
});

test("a link loop does not hang", async () => {
  const { root } = await unpackBesideVictim(() => [symbolicLink("a", "b"), symbolicLink("b", "a"), file("a/x")]);
  expect(readlinkSync(join(root, "a"))).toBe("b");
});
