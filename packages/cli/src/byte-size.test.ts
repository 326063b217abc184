import { describe, expect, it } from "vitest";
import { parseBytes } from "./byte-size.ts";

describe("parseBytes", () => {
  it.each([
    ["0", 0],
    ["268435456", 268435456],
    ["256m", 268435456],
    ["256M", 268435456],
    ["1k", 1024],
    ["2gb", 2147483648],
    ["1 GiB", 1073741824],
    ["1.5M", 1572864],
    ["0.3k", 307],
    ["1t", 1099511627776],
    ["2p", 2251799813685248],
  ])("reads %s as %d", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each(["", "m", "-1", "1.", ".5g", "1x", "1  k", "9007199254740993", "9000000t"])("refuses %j", (text) => {
    expect(() => parseBytes(text)).toThrow(expect.objectContaining({ code: "ERR_RUNLET_USAGE" }));
  });
});
