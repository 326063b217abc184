import { describe, expect, test } from "vitest";
import { endBlocks, filled, rawEntry, rawHeader, rawPax, readAll } from "../test/archive-builder.ts";
import { readArchive } from "./read-archive.ts";

const archive = (...parts: Uint8Array[]) => Buffer.concat([...parts, endBlocks]);
const fault = (offset: number, message: string | RegExp) =>
  expect.objectContaining({
    code: "ERR_RUNLET_ARCHIVE",
    details: { offset },
    message: expect.stringMatching(message),
  });

describe("headers", () => {
  test("a ustar file, whatever the size of the pieces", () => {
    const bytes = archive(
      rawEntry({ name: "name", prefix: "some/prefix", uid: "0001750", mtime: "00000000017", uname: "me" }, "hello"),
      rawEntry({ name: "dir/", flag: "5", mode: "0001777" }),
    );
    for (const pieceBytes of [1, 7, 511, 512, 513, 4096]) {
      const entries = readAll(bytes, { pieceBytes });
      expect(entries).toMatchObject([
        {
          type: "file",
          path: Buffer.from("some/prefix/name"),
          mode: 0o644,
          uid: 1000,
          userName: Buffer.from("me"),
          mtime: { seconds: 15, nanoseconds: 0 },
          sizeBytes: 5,
          archiveOffset: 0,
          content: Buffer.from("hello"),
        },
        { type: "directory", path: Buffer.from("dir/"), mode: 0o1777, archiveOffset: 1024 },
      ]);
    }
  });

  test("names of 100 bytes without a NUL, and bytes that are no UTF-8", () => {
    const name = Buffer.alloc(100, 0xe9);
    expect(readAll(archive(rawEntry({ name })))[0]?.path).toEqual(name);
  });

  test("V7: no names of owners, a directory by its slash, a NUL for the type", () => {
    const [entry] = readAll(
      archive(rawEntry({ name: "dir/", magic: "\0\0\0\0\0\0\0\0", flag: "\0", uname: "garbage" })),
    );
    expect(entry).toMatchObject({ type: "directory", userName: Buffer.alloc(0) });
  });

  test("star's shorter prefix", () => {
    const block = rawEntry({
      name: "n",
      prefix: "p",
      patch: [
        [476, "00000000001"],
        [508, "tar\0"],
      ],
    });
    expect(readAll(archive(block))[0]?.path.toString()).toBe("p/n");
  });

  test("GNU's times at the place of the prefix are no name", () => {
    const block = rawEntry({ name: "n", magic: "ustar  \0", prefix: "14000000000" });
    expect(readAll(archive(block))[0]?.path.toString()).toBe("n");
  });

  test("links, devices and FIFOs have no content, whatever their size says", () => {
    const entries = readAll(
      archive(
        rawHeader({ flag: "1", linkname: "target", size: 5000 }),
        rawHeader({ flag: "2", linkname: "../x", size: 512 }),
        rawHeader({ flag: "3", devmajor: "0000001", devminor: "0000003" }),
        rawHeader({ flag: "4", devmajor: "0000010", devminor: "0000001" }),
        rawHeader({ flag: "6" }),
      ),
    );
    expect(
      entries.map(({ type, linkTarget, sizeBytes, deviceMajor, deviceMinor }) => [
        type,
        linkTarget.toString(),
        sizeBytes,
        deviceMajor,
        deviceMinor,
      ]),
    ).toEqual([
      ["hard-link", "target", 0, 0, 0],
      ["symbolic-link", "../x", 0, 0, 0],
      ["character-device", "", 0, 1, 3],
      ["block-device", "", 0, 8, 1],
      ["fifo", "", 0, 0, 0],
    ]);
  });

  test("base-256: large, and before 1970", () => {
    const uid = Buffer.from([0x80, 0, 0, 0, 0x80, 0, 0, 1]);
    const mtime = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
    expect(readAll(archive(rawEntry({ uid, mtime })))[0]).toMatchObject({
      uid: 0x80000001,
      mtime: { seconds: -2, nanoseconds: 0 },
    });
  });

  test("a checksum that was summed over signed bytes", () => {
    expect(readAll(archive(rawEntry({ name: Buffer.from([0xff, 0xfe]), signedChecksum: true })))).toHaveLength(1);
  });

  test("GNU long names and links", () => {
    const long = "d/".repeat(300);
    const [entry] = readAll(
      archive(
        rawEntry({ name: "././@LongLink", flag: "K", magic: "ustar  \0" }, `${long}target\0`),
        rawEntry({ name: "././@LongLink", flag: "L", magic: "ustar  \0" }, `${long}name\0`),
        rawEntry({ name: "cut", flag: "2", linkname: "cut", magic: "ustar  \0" }),
      ),
    );
    expect(entry?.path.toString()).toBe(`${long}name`);
    expect(entry?.linkTarget.toString()).toBe(`${long}target`);
  });

  test("a volume label and GNU's list of a directory are no files", () => {
    const entries = readAll(
      archive(
        rawHeader({ flag: "V", name: "label" }),
        rawEntry({ flag: "D", name: "d/" }, "Yfile\0\0"),
        rawEntry({ name: "f" }, "x"),
      ),
    );
    expect(entries.map(({ type, path }) => [type, path.toString()])).toEqual([
      ["directory", "d/"],
      ["file", "f"],
    ]);
  });
});

describe("PAX", () => {
  test("records take the place of the header's fields", () => {
    const [entry] = readAll(
      archive(
        rawPax([
          ["path", Buffer.from([0x61, 0xff])],
          ["size", "5"],
          ["uid", "4294967295"],
          ["gid", "3000000"],
          ["uname", "ü"],
          ["mtime", "-1.25"],
          ["atime", "1.5"],
          ["ctime", "2.1234567891"],
        ]),
        rawHeader({ name: "short", size: 0 }),
        filled("hello"),
      ),
    );
    expect(entry).toMatchObject({
      path: Buffer.from([0x61, 0xff]),
      sizeBytes: 5,
      uid: 4294967295,
      gid: 3000000,
      userName: Buffer.from("ü"),
      mtime: { seconds: -2, nanoseconds: 750_000_000 },
      atime: { seconds: 1, nanoseconds: 500_000_000 },
      ctime: { seconds: 2, nanoseconds: 123_456_789 },
      content: Buffer.from("hello"),
    });
  });

  test("global records hold until they are taken back or overridden", () => {
    const entries = readAll(
      archive(
        rawPax(
          [
            ["uid", "7"],
            ["comment", "c"],
          ],
          "g",
        ),
        rawEntry({ name: "a" }),
        rawPax([["uid", "8"]]),
        rawEntry({ name: "b" }),
        rawPax([["uid", ""]], "g"),
        rawEntry({ name: "c" }),
      ),
    );
    expect(entries.map(({ uid, pax }) => [uid, pax.get("comment")?.toString()])).toEqual([
      [7, "c"],
      [8, "c"],
      [0, "c"],
    ]);
  });

  test("extended attributes byte for byte, in both forms, empty ones too", () => {
    const capability = Buffer.from([1, 0, 0, 2, 0, 0x0a, 0x3d, 0xff, 0xfe, 0]);
    const [entry] = readAll(
      archive(
        rawPax([
          ["SCHILY.xattr.security.capability", capability],
          ["SCHILY.xattr.user.empty", ""],
          ["SCHILY.xattr.user.a%3Db", "escaped"],
          ["LIBARCHIVE.xattr.user.%C3%BC", capability.toString("base64").replace(/=+$/, "")],
        ]),
        rawEntry({}),
      ),
    );
    expect(entry?.xattrs).toEqual([
      { name: Buffer.from("security.capability"), value: capability },
      { name: Buffer.from("user.empty"), value: Buffer.alloc(0) },
      { name: Buffer.from("user.a=b"), value: Buffer.from("escaped") },
      { name: Buffer.from("user.ü"), value: capability },
    ]);
  });

  test("the size of the record, not of the header, says where the next header is (CVE-2025-62518, TARmageddon)", () => {
    const inner = archive(rawEntry({ name: "smuggled" }, "x"));
    const entries = readAll(
      archive(
        rawPax([["size", String(inner.length)]]),
        rawHeader({ name: "inner.tar", size: 0 }),
        filled(inner),
        rawEntry({ name: "last" }),
      ),
    );
    expect(entries.map(({ path }) => path.toString())).toEqual(["inner.tar", "last"]);
  });
});

describe("sparse files", () => {
  const expected = Buffer.concat([
    Buffer.alloc(1000),
    Buffer.from("abc"),
    Buffer.alloc(2000),
    Buffer.from("de"),
    Buffer.alloc(95),
  ]);
  const dataRanges = [
    { offset: 1000, lengthBytes: 3 },
    { offset: 3003, lengthBytes: 2 },
  ];

  test("GNU.sparse 0.0: a pair of records for each range", () => {
    const header = rawPax([
      ["GNU.sparse.size", "3100"],
      ["GNU.sparse.numblocks", "2"],
      ["GNU.sparse.offset", "1000"],
      ["GNU.sparse.numbytes", "3"],
      ["GNU.sparse.offset", "3003"],
      ["GNU.sparse.numbytes", "2"],
    ]);
    const [entry] = readAll(archive(header, rawEntry({}, "abcde")), { pieceBytes: 3 });
    expect(entry).toMatchObject({ sizeBytes: 3100, dataRanges, content: expected });
  });

  test("GNU.sparse 0.1: a list", () => {
    const header = rawPax([
      ["GNU.sparse.size", "3100"],
      ["GNU.sparse.name", "real"],
      ["GNU.sparse.map", "1000,3,3003,2"],
    ]);
    const [entry] = readAll(archive(header, rawEntry({ name: "GNUSparseFile.0/real" }, "abcde")));
    expect(entry).toMatchObject({ path: Buffer.from("real"), sizeBytes: 3100, dataRanges, content: expected });
  });

  test("GNU.sparse 1.0: a map before the content, here of more than one block", () => {
    const ranges = Array.from({ length: 200 }, (_, index) => [index * 1000, 1]);
    const map = filled(`200\n${ranges.flat().join("\n")}\n`);
    const header = rawPax([
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.name", "real"],
      ["GNU.sparse.realsize", "200000"],
    ]);
    expect(map.length).toBeGreaterThan(512);
    const content = Buffer.concat([map, Buffer.alloc(200, "x")]);
    for (const pieceBytes of [1, 100, 100_000]) {
      const [entry, next] = readAll(archive(header, rawEntry({}, content), rawEntry({ name: "next" })), { pieceBytes });
      expect(entry?.path.toString()).toBe("real");
      expect(entry?.content.filter((byte) => byte !== 0).length).toBe(200);
      expect(entry?.content[199_000]).toBe(0x78);
      expect(next?.path.toString()).toBe("next");
    }
  });

  const field = (value: number) => value.toString(8).padStart(11, "0");
  const pairs = (list: number[][]) =>
    list.map(([offset = 0, length = 0]) => `${field(offset)}\0${field(length)}\0`).join("");

  test("GNU's S header, with blocks that continue its map", () => {
    const ranges = Array.from({ length: 30 }, (_, index) => [index * 1000, 2]);
    const extension = (list: number[][], more: boolean) => {
      const block = Buffer.alloc(512);
      block.write(pairs(list), "latin1");
      block[504] = more ? 1 : 0;
      return block;
    };
    const header = rawHeader({
      flag: "S",
      magic: "ustar  \0",
      size: 60,
      patch: [
        [386, pairs(ranges.slice(0, 4))],
        [482, "\x01"],
        [483, field(30000)],
      ],
    });
    const blocks = [extension(ranges.slice(4, 25), true), extension(ranges.slice(25), false)];
    const [entry, next] = readAll(archive(header, ...blocks, filled("xy".repeat(30)), rawEntry({ name: "next" })), {
      pieceBytes: 77,
    });
    expect(entry).toMatchObject({ type: "file", sizeBytes: 30000 });
    expect(entry?.dataRanges).toHaveLength(30);
    expect(entry?.content.toString("latin1", 29000, 29002)).toBe("xy");
    expect(next?.path.toString()).toBe("next");
  });

  test("a file that is one hole", () => {
    const header = rawHeader({
      flag: "S",
      magic: "ustar  \0",
      size: 0,
      patch: [
        [386, pairs([[100000, 0]])],
        [483, field(100000)],
      ],
    });
    expect(readAll(archive(header))[0]).toMatchObject({ sizeBytes: 100000, dataRanges: [] });
  });

  const sparse = (map: string, size: string, content: string) =>
    archive(
      rawPax([
        ["GNU.sparse.size", size],
        ["GNU.sparse.map", map],
      ]),
      rawEntry({}, content),
    );
  test.each([
    ["overlap", sparse("0,3,2,2", "10", "abcde"), /overlap/],
    ["beyond the end", sparse("8,5", "10", "abcde"), /pass its end/],
    ["less than stored", sparse("0,3", "10", "abcde"), /do not hold what is stored/],
    ["no pair", sparse("0,3,5", "10", "abc"), /ends within a pair/],
    ["no number", sparse("0,x", "10", "abc"), /no list of numbers/],
  ])("a map that is wrong: %s", (_name, bytes, message) => {
    expect(() => readAll(bytes)).toThrow(fault(1024, message));
  });
});

describe("ends", () => {
  const one = rawEntry({ name: "one" }, "1");
  const two = rawEntry({ name: "two" }, "2");

  test("what follows the end is ignored, or read if archives are concatenated", () => {
    const bytes = Buffer.concat([one, endBlocks, Buffer.alloc(512 * 7), two, endBlocks]);
    expect(readAll(bytes).map(({ path }) => path.toString())).toEqual(["one"]);
    expect(readAll(bytes, { isConcatenated: true }).map(({ path }) => path.toString())).toEqual(["one", "two"]);
    expect(readAll(Buffer.concat([one, endBlocks, Buffer.from("garbage")]))).toHaveLength(1);
  });

  test("an archive without end blocks, and an empty one", () => {
    expect(readAll(one)).toHaveLength(1);
    expect(readAll(Buffer.concat([one, Buffer.alloc(512)]))).toHaveLength(1);
    expect(readAll(Buffer.alloc(0))).toEqual([]);
    expect(readAll(endBlocks)).toEqual([]);
  });

  test("an end within anything is an error with its place", () => {
    const bytes = Buffer.concat([rawPax([["path", "p"]]), one]);
    for (let length = 1; length < bytes.length; length++) {
      expect(() => readAll(bytes.subarray(0, length)), `${length} bytes`).toThrow(fault(length, "ends too early"));
    }
  });
});

describe("damage", () => {
  test.each([
    ["checksum", Buffer.concat([rawEntry({}), Buffer.alloc(512, "x")]), 512, "checksum of a header"],
    ["size that is no number", rawHeader({ size: "12x" }), 0, "field size of a header is no number"],
    ["negative size", rawHeader({ size: Buffer.alloc(12, 0xff) }), 0, "field size of a header is negative"],
    ["size beyond 2^53", rawHeader({ size: Buffer.from([0x80, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0]) }), 0, "no number"],
    ["device that is no number", rawHeader({ flag: "3", devmajor: "zzz" }), 0, "field devmajor"],
    ["unknown type", rawHeader({ flag: "Z" }), 0, 'type "Z"'],
    ["continued volume", rawHeader({ flag: "M" }), 0, 'type "M"'],
    ["single zero block", Buffer.concat([Buffer.alloc(512), rawEntry({})]), 512, "single block of zeros"],
    ["PAX without entry", archive(rawPax([["a", "b"]])), 1024, "without its entry"],
    ["PAX length", Buffer.concat([rawEntry({ flag: "x" }, "99 path=a\n"), rawEntry({})]), 0, "records of a PAX header"],
    ["PAX without =", Buffer.concat([rawEntry({ flag: "x" }, "7 path\n"), rawEntry({})]), 0, "records of a PAX header"],
    ["PAX number", Buffer.concat([rawPax([["uid", "-1"]]), rawEntry({})]), 1024, "record uid is no number"],
    ["PAX time", Buffer.concat([rawPax([["mtime", "soon"]]), rawEntry({})]), 1024, "record mtime is no time"],
    ["NUL in a name", Buffer.concat([rawPax([["path", "a\0b"]]), rawEntry({})]), 1024, "a name holds a NUL"],
    ["NUL in a link", Buffer.concat([rawPax([["linkpath", "a\0b"]]), rawEntry({ flag: "2" })]), 1024, "holds a NUL"],
    [
      "xattr without a name",
      Buffer.concat([rawPax([["SCHILY.xattr.", "b"]]), rawEntry({})]),
      1024,
      "extended attribute",
    ],
    ["large extension", rawHeader({ flag: "x", size: 5 << 20 }), 0, "extended header of 5242880 bytes"],
  ])("%s", (_name, bytes, offset, message) => {
    expect(() => readAll(bytes)).toThrow(fault(offset, message));
  });

  test("global headers cannot grow without end", () => {
    const headers = Array.from({ length: 10 }, (_, index) => rawPax([[`key${index}`, "v".repeat(500_000)]], "g"));
    expect(() => readAll(archive(...headers))).toThrow(expect.objectContaining({ code: "ERR_RUNLET_ARCHIVE" }));
    const records = (count: number) =>
      Array.from({ length: count }, (_, index): [string, string] => [`k${index}`, "v"]);
    expect(readAll(archive(rawPax(records(100), "g")))).toEqual([]);
    expect(() => readAll(archive(rawPax(records(101), "g")))).toThrow("too much in global PAX headers");
  });
});

describe("readArchive", () => {
  const bytes = archive(
    rawEntry({ name: "a" }, "x".repeat(3000)),
    rawEntry({ name: "b" }, "second"),
    rawEntry({ name: "c" }),
  );

  function* pieces(size: number) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  test("entries one by one, contents read or left", async () => {
    const seen: [string, string | undefined][] = [];
    for await (const entry of readArchive(pieces(300))) {
      const isRead = entry.path.toString() !== "a";
      seen.push([entry.path.toString(), isRead ? (await entry.readAll()).toString() : undefined]);
    }
    expect(seen).toEqual([
      ["a", undefined],
      ["b", "second"],
      ["c", ""],
    ]);
  });

  test("content comes in views of the pieces", async () => {
    let total = 0;
    for await (const entry of readArchive([bytes])) {
      for await (const part of entry.content()) {
        expect(part.bytes.buffer).toBe(bytes.buffer);
        total += part.bytes.length;
      }
    }
    expect(total).toBe(3006);
  });

  test("a consumer that stops early closes the source", async () => {
    let isClosed = false;
    async function* source() {
      try {
        yield* pieces(100);
      } finally {
        isClosed = true;
      }
    }
    for await (const _entry of readArchive(source())) break;
    expect(isClosed).toBe(true);
  });

  test("more than a limit is not read into memory", async () => {
    for await (const entry of readArchive([bytes])) {
      await expect(entry.readAll(100)).rejects.toThrow(RangeError);
      break;
    }
  });
});
