import { expect, test } from "vitest";
import { checksumField, checksumOf, isChecksumRight } from "./header-field.ts";

const { start, length } = checksumField;

/** As POSIX has it: byte by byte, its own field taken as blanks. */
const sumByByte = (block: Uint8Array) =>
  block.reduce((sum, byte, at) => sum + (at >= start && at < start + length ? 0x20 : byte), 0);

test.each([0, 1, 2, 3, 4, 515])("the checksum of a block that lies at byte %i of a chunk", (offset) => {
  const chunk = Buffer.alloc(2048);
  for (let at = 0; at < chunk.length; at++) chunk[at] = (at * 167 + (at >> 3)) & 0xff;
  const block = chunk.subarray(offset, offset + 512);
  expect(checksumOf(block)).toBe(sumByByte(block));
  block.write(`${sumByByte(block).toString(8).padStart(6, "0")}\0 `, start, "latin1");
  expect(isChecksumRight(block)).toBe(true);
  block[511] = (block[511] ?? 0) ^ 1;
  expect(isChecksumRight(block)).toBe(false);
});

test("the checksum of the largest bytes does not overflow", () => {
  expect(checksumOf(Buffer.alloc(512, 0xff))).toBe(504 * 0xff + 8 * 0x20);
  expect(checksumOf(Buffer.alloc(512))).toBe(8 * 0x20);
});
