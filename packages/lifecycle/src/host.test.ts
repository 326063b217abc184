import { describe, expect, it } from "vitest";
import { hostFacts, isInUserNamespace } from "./host.ts";

describe("isInUserNamespace", () => {
  it.each([
    ["         0          0 4294967295\n", false],
    ["         0       1000          1\n", true],
    ["0 100000 65536", true],
    ["0 0 4294967295\n1 5 1", true],
    ["", false],
  ])("reads %j as %s", (map, expected) => {
    expect(isInUserNamespace(map)).toBe(expected);
  });
});

describe("hostFacts", () => {
  it("knows this kernel", () => {
    const facts = hostFacts();
    expect(facts.kernel.major).toBeGreaterThanOrEqual(5);
    expect(facts.lastCapability).toBeGreaterThanOrEqual(37);
    expect(hostFacts()).toBe(facts);
  });
});
