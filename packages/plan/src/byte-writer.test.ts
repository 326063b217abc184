import { expect, test } from "vitest";
import { ByteWriter } from "./byte-writer.ts";

test.each(["", "a", "é", "a😀", "a".repeat(64), "a".repeat(65), `${"a".repeat(63)}é`, "é".repeat(5000)])(
  "a text has its length in bytes before it and NUL behind it: %s",
  (value) => {
    const writer = new ByteWriter();
    writer.u32(7).text(value).u32(9);
    const bytes = Buffer.from(writer.copyFrom(0));
    const length = Buffer.byteLength(value);
    expect(bytes.length).toBe(4 + 4 + length + 1 + 4);
    expect(bytes.readUInt32LE(4)).toBe(length);
    expect(bytes.toString("utf8", 8, 8 + length)).toBe(value);
    expect([bytes[8 + length], bytes.readUInt32LE(9 + length)]).toEqual([0, 9]);
  },
);

test("a NUL inside is refused", () => {
  expect(() => new ByteWriter().text("a\0b")).toThrow("NUL");
});
