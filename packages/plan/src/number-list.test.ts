import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseNumberList } from "./number-list.ts";

test("numbers and ranges, the lowest word first", () => {
  expect(parseNumberList("0-3,7", "/p")).toEqual([0b1000_1111n]);
  expect(parseNumberList("64", "/p")).toEqual([0n, 1n]);
  expect(parseNumberList(" 1 , 2\n", "/p")).toEqual([0b110n]);
});

test("the bits are exactly the numbers", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(300), { minLength: 1 }), (numbers) => {
      const words = parseNumberList(numbers.join(","), "/p");
      const set = words.flatMap((word, index) =>
        Array.from({ length: 64 }, (_, bit) => index * 64 + bit).filter((number) => (word >> BigInt(number % 64)) & 1n),
      );
      expect(set).toEqual([...numbers].sort((a, b) => a - b));
    }),
  );
});

describe("refused", () => {
  test.each(["", "a", "1-", "3-1", "0,,1", "8192", "-1", "1.5", "0x1"])("%j", (list) => {
    expect(() => parseNumberList(list, "/linux/memoryPolicy/nodes")).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_PROCESS", pointer: "/linux/memoryPolicy/nodes" }),
    );
  });
});
