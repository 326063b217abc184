import { describe, expect, test } from "vitest";
import { buildElf, type ElfClaims } from "../test/elf-builder.ts";
import { parseElf } from "./elf.ts";

function parseBytes(bytes: Uint8Array) {
  return parseElf((offset, length) => bytes.subarray(offset, offset + length));
}

const claims: ElfClaims = {
  interpreter: "/lib64/ld.so",
  needed: ["libb.so.1", "libc.so.6"],
  soname: "liba.so.1",
  rpath: "/old",
  runpath: "$ORIGIN/../lib:/new",
  flags1: 0x800,
};

describe("parseElf", () => {
  for (const bits of [32, 64] as const) {
    for (const byteOrder of ["little", "big"] as const) {
      test(`reads a dynamic file, ${bits} bits, ${byteOrder} endian`, () => {
        expect(parseBytes(buildElf({ ...claims, bits, byteOrder, machine: 22 }))).toEqual({
          bits,
          byteOrder,
          machine: 22,
          interpreter: "/lib64/ld.so",
          needed: ["libb.so.1", "libc.so.6"],
          soname: "liba.so.1",
          rpath: "/old",
          runpath: "$ORIGIN/../lib:/new",
          isWithoutDefaultDirectories: true,
        });
      });
    }
  }

  test("a static file has neither interpreter nor libraries", () => {
    expect(parseBytes(buildElf())).toMatchObject({ interpreter: undefined, needed: [], soname: undefined });
  });

  test("another format", () => {
    expect(parseBytes(Buffer.from("MZ this is for another system"))).toBe("not-elf");
    expect(parseBytes(Buffer.alloc(0))).toBe("not-elf");
  });

  test("a relocatable object is no executable", () => {
    expect(parseBytes(buildElf({ type: 1 }))).toBe("malformed");
  });

  test("a file that ends anywhere before its last byte is a fault or smaller, never an exception", () => {
    const whole = buildElf(claims);
    for (let length = 4; length < whole.length; length++) {
      expect(parseBytes(whole.subarray(0, length)), `${length} bytes`).toBe("truncated");
    }
  });

  test("sizes that a hostile file claims are not allocated", () => {
    const bytes = buildElf(claims);
    // Second program header: PT_INTERP, its file size.
    bytes.writeBigUInt64LE(2n ** 62n, 64 + 56 + 32);
    let largest = 0;
    const result = parseElf((offset, length) => {
      largest = Math.max(largest, length);
      return bytes.subarray(offset, offset + length);
    });
    expect(result).toBe("malformed");
    expect(largest).toBeLessThan(65536);
  });
});
