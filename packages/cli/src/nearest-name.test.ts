import { describe, expect, it } from "vitest";
import { nearestName } from "./nearest-name.ts";

describe("nearestName", () => {
  it.each([
    ["strat", "start"],
    ["lst", "list"],
    ["deleet", "delete"],
    ["excc", "exec"],
    ["spec", "spec"],
    ["frobnicate", undefined],
    ["", undefined],
  ])("takes %j for %s", (written, meant) => {
    expect(nearestName(written, ["start", "state", "list", "delete", "exec", "spec", "ps"])).toBe(meant);
  });
});
