import fc from "fast-check";
import { expect, test } from "vitest";
import { buildElf } from "../test/elf-builder.ts";
import { parseElf } from "./elf.ts";
import { parseLdCache } from "./ld-cache.ts";

test("a damaged ELF file never throws", () => {
  const base = buildElf({ interpreter: "/i", needed: ["a", "b"], runpath: "/r" });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }), (changes) => {
      const bytes = Buffer.from(base);
      for (const [offset, value] of changes) bytes[offset] = value;
      const result = parseElf((offset, length) => bytes.subarray(offset, offset + length));
      expect(["object", "string"]).toContain(typeof result);
    }),
    { numRuns: 2000 },
  );
});

test("a damaged ld.so.cache never throws", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("glibc-ld.so.cache1.1", "ld.so-1.7.0\0"),
      fc.uint8Array({ maxLength: 200 }),
      (magic, rest) => {
        expect(Array.isArray(parseLdCache(Buffer.concat([Buffer.from(magic), rest])))).toBe(true);
      },
    ),
    { numRuns: 2000 },
  );
});
