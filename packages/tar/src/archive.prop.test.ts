import { isRunletError } from "@runlet/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { endBlocks, rawEntry, rawPax, readAll } from "../test/archive-builder.ts";
import type { EntryType } from "./entry.ts";
import { formatTime, parseTime } from "./pax.ts";
import { ArchiveReader } from "./reader.ts";
import { formatEnd, formatEntry, formatFilling, storedBytesOf, type WritableEntry } from "./writer.ts";

const bytesWithoutNul = (maxLength: number, minLength = 0) =>
  fc.uint8Array({ minLength, maxLength, min: 1 }).map((bytes) => Buffer.from(bytes));
const time = fc.record({
  seconds: fc.oneof(fc.integer({ min: -5e9, max: 5e9 }), fc.constantFrom(0, 8 ** 11 - 1, 8 ** 11, -1)),
  nanoseconds: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
});
const id = fc.oneof(fc.nat(70000), fc.constantFrom(2097151, 2097152, 4294967294));
const ranges = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 3 })), { maxLength: 40 })
  .map((gaps) => {
    let at = 0;
    return gaps.map(([gap, blocks]) => {
      const lengthBytes = blocks * 512;
      const offset = at + gap * 512;
      at = offset + lengthBytes;
      return { offset, lengthBytes };
    });
  });

const entry: fc.Arbitrary<{ entry: WritableEntry; content: Buffer }> = fc
  .record({
    type: fc.constantFrom<EntryType>(
      "file",
      "hard-link",
      "symbolic-link",
      "character-device",
      "block-device",
      "directory",
      "fifo",
    ),
    path: fc
      .oneof(
        bytesWithoutNul(90, 1),
        bytesWithoutNul(400, 1),
        fc.stringMatching(/^([a-z]{1,60}\/){1,6}[a-z]{1,100}$/).map((text) => Buffer.from(text)),
      )
      .map((path) => Buffer.concat([path, Buffer.from("x")])),
    linkTarget: bytesWithoutNul(300, 1),
    mode: fc.nat(0o7777),
    uid: id,
    gid: id,
    userName: bytesWithoutNul(60),
    groupName: bytesWithoutNul(31),
    mtime: time,
    atime: fc.option(time, { nil: undefined }),
    ctime: fc.option(time, { nil: undefined }),
    deviceMajor: fc.oneof(fc.nat(300), fc.constantFrom(4294967295)),
    deviceMinor: fc.nat(2 ** 20),
    xattrs: fc.uniqueArray(
      fc.record({
        name: bytesWithoutNul(30, 1),
        value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      }),
      { maxLength: 3, selector: ({ name }) => name.toString("latin1") },
    ),
    content: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    dataRanges: fc.option(ranges, { nil: undefined }),
  })
  .map(({ content, dataRanges, linkTarget, deviceMajor, deviceMinor, ...rest }) => {
    const isLink = rest.type === "hard-link" || rest.type === "symbolic-link";
    const isDevice = rest.type === "character-device" || rest.type === "block-device";
    const base = {
      ...rest,
      ...(isLink ? { linkTarget } : {}),
      ...(isDevice ? { deviceMajor, deviceMinor } : {}),
    };
    if (rest.type !== "file") return { entry: base, content: Buffer.alloc(0) };
    if (dataRanges === undefined) return { entry: { ...base, sizeBytes: content.length }, content };
    const last = dataRanges.at(-1);
    const sizeBytes = (last === undefined ? 0 : last.offset + last.lengthBytes) + 10;
    const whole = Buffer.alloc(sizeBytes);
    for (const { offset, lengthBytes } of dataRanges) whole.fill(0x61 + (offset % 26), offset, offset + lengthBytes);
    return { entry: { ...base, sizeBytes, dataRanges }, content: whole };
  });

function write(list: readonly { entry: WritableEntry; content: Buffer }[]): Buffer {
  const parts: Buffer[] = [];
  for (const { entry, content } of list) {
    parts.push(formatEntry(entry));
    if (entry.dataRanges === undefined) parts.push(content);
    else
      for (const { offset, lengthBytes } of entry.dataRanges)
        parts.push(content.subarray(offset, offset + lengthBytes));
    parts.push(formatFilling(storedBytesOf(entry)));
  }
  return Buffer.concat([...parts, formatEnd()]);
}

test("what is written is read", () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), fc.integer({ min: 1, max: 3000 }), (list, pieceBytes) => {
      const archive = write(list);
      expect(archive.length % 512).toBe(0);
      const read = readAll(archive, { pieceBytes });
      expect(read).toHaveLength(list.length);
      for (const [index, { entry, content }] of list.entries()) {
        const path = Buffer.from(entry.path);
        const { content: readContent, path: readPath, ...readEntry } = read[index] ?? fail();
        const end = entry.type === "directory" && path.at(-1) !== 0x2f ? "/" : "";
        expect(readContent.equals(content)).toBe(true);
        expect(readPath.toString("hex")).toBe(Buffer.concat([path, Buffer.from(end)]).toString("hex"));
        const { path: _path, ...rest } = entry;
        expect(JSON.stringify(pick(readEntry, rest))).toBe(JSON.stringify(rest));
      }
    }),
    { numRuns: 300 },
  );
});

test("any bytes: nothing but an archive error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 700 }), (bytes, pieceBytes) => {
      expectOnlyArchiveErrors(() => readAll(bytes, { pieceBytes }));
    }),
  );
});

test("a sound archive with some bytes changed and its checksums mended: nothing but an archive error", () => {
  const base = Buffer.concat([
    rawPax([
      ["GNU.sparse.size", "3100"],
      ["GNU.sparse.map", "1000,3,3003,2"],
      ["SCHILY.xattr.user.a", "b"],
    ]),
    rawEntry({ name: "sparse" }, "abcde"),
    rawEntry({ name: "././@LongLink", flag: "L" }, "long".repeat(200)),
    rawEntry(
      {
        name: "x",
        flag: "S",
        size: 2,
        patch: [
          [386, "00000000001\x0000000000002\0"],
          [483, "00000000009\0"],
        ],
      },
      "ab",
    ),
    endBlocks,
  ]);
  const headers = [0, 1024, 2048, 3584];
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.nat(base.length - 1), fc.oneof(fc.nat(255), fc.constantFrom(0x30, 0x31, 0x37, 0x80, 0xff))),
        { maxLength: 6 },
      ),
      (changes) => {
        const bytes = Buffer.from(base);
        for (const [at, value] of changes) bytes[at] = value;
        for (const start of headers) {
          let sum = 256;
          for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += bytes[start + at] ?? 0;
          bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, start + 148, "latin1");
        }
        expectOnlyArchiveErrors(() => {
          // Contents are counted, not kept: a changed size may announce a petabyte.
          countBytes(bytes);
        });
      },
    ),
    { numRuns: 3000 },
  );
});

test("times keep their value", () => {
  fc.assert(
    fc.property(time, (value) => {
      expect(parseTime(Buffer.from(formatTime(value)))).toEqual(value);
    }),
  );
});

function countBytes(archive: Uint8Array): void {
  const reader = new ArchiveReader({ entry: () => {}, data: () => {}, end: () => {} });
  reader.push(archive);
  reader.finish();
}

function expectOnlyArchiveErrors(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!isRunletError(error)) throw error;
    expect(error.code).toBe("ERR_RUNLET_ARCHIVE");
  }
}

function fail(): never {
  throw new Error("an entry is missing");
}

/** The properties of one object that another has. */
function pick(from: object, like: object): object {
  return Object.fromEntries(Object.keys(like).map((key) => [key, (from as Record<string, unknown>)[key]]));
}
