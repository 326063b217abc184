import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editDistance, nearest } from "./suggestion.ts";

describe("editDistance", () => {
  it.each([
    ["", "", 0],
    ["kitten", "sitting", 3],
    ["mounts", "muonts", 1],
    ["rlimits", "rlimit", 1],
    ["abc", "", 3],
  ])("of %j and %j is %i", (left, right, distance) => {
    expect(editDistance(left, right)).toBe(distance);
  });

  it("is symmetric, and zero for equals alone", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (left, right) => {
        expect(editDistance(left, right)).toBe(editDistance(right, left));
        expect(editDistance(left, right) === 0).toBe(left === right);
      }),
    );
  });
});

describe("nearest", () => {
  const names = ["hostname", "domainname", "mounts", "hooks", "root"];

  it.each([
    ["Hostname", "hostname"],
    ["hostnme", "hostname"],
    ["mount", "mounts"],
    ["hoks", "hooks"],
    ["rooot", "root"],
    ["dom", "domainname"],
    ["entirely", undefined],
    ["x", undefined],
  ])("of %j is %j", (name, found) => {
    expect(nearest(name, names)).toBe(found);
  });
});
