import { expect, test } from "vitest";
import { formatEntry, type WritableEntry, writeArchive } from "./writer.ts";

const file: WritableEntry = { type: "file", path: "a", mode: 0o644 };

test("what ustar can say needs one block, what it cannot a PAX header", () => {
  expect(formatEntry(file)).toHaveLength(512);
  expect(formatEntry({ ...file, path: `${"p".repeat(155)}/${"n".repeat(100)}` })).toHaveLength(512);
  expect(formatEntry({ ...file, path: `${"p".repeat(156)}/n` })).toHaveLength(1536);
  expect(formatEntry({ ...file, mtime: { seconds: 0, nanoseconds: 1 } })).toHaveLength(1536);
  expect(formatEntry({ ...file, uid: 0o7777777 })).toHaveLength(512);
  expect(formatEntry({ ...file, uid: 0o10000000 })).toHaveLength(1536);
});

test("the same entry gives the same bytes", () => {
  const entry = { ...file, mtime: { seconds: 1, nanoseconds: 1 } };
  expect(formatEntry(entry)).toEqual(formatEntry({ ...entry }));
});

test.each<[string, Partial<WritableEntry>, string]>([
  ["no name", { path: "" }, "an entry without a name"],
  ["a NUL", { path: "a\0b" }, "a name with a NUL"],
  ["a negative id", { uid: -1 }, "a number that is negative"],
  ["a fraction of a byte", { sizeBytes: 1.5 }, "fractional"],
  ["a type in the mode", { mode: 0o100644 }, "permission bits"],
  ["too many nanoseconds", { mtime: { seconds: 0, nanoseconds: 1e9 } }, "a time"],
  [
    "an attribute without a name",
    { xattrs: [{ name: Buffer.alloc(0), value: Buffer.alloc(0) }] },
    "extended attribute",
  ],
  ["a device number of more than 32 bits", { deviceMajor: 2 ** 32 }, "device number"],
  [
    "overlapping ranges",
    {
      sizeBytes: 4096,
      dataRanges: [
        { offset: 0, lengthBytes: 1024 },
        { offset: 512, lengthBytes: 512 },
      ],
    },
    "overlap",
  ],
  ["ranges within a block", { sizeBytes: 4096, dataRanges: [{ offset: 0, lengthBytes: 3 }] }, "within a block"],
])("what no archive can hold: %s", (_name, change, message) => {
  expect(() => formatEntry({ ...file, ...change })).toThrow(
    expect.objectContaining({ code: "ERR_RUNLET_ARCHIVE", message: expect.stringContaining(message) }),
  );
});

test.each([
  ["more", "abcdef"],
  ["fewer", "abc"],
])("content of %s bytes than announced", async (_name, content) => {
  const archive = writeArchive([{ entry: { ...file, sizeBytes: 5 }, content: [Buffer.from(content)] }]);
  const drain = async () => {
    for await (const _part of archive);
  };
  await expect(drain()).rejects.toMatchObject({
    code: "ERR_RUNLET_ARCHIVE",
    message: expect.stringContaining("5 were announced"),
  });
});
