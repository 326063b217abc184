import { describe, expect, it } from "vitest";
import { errorOf } from "../test/errors.ts";
import { defaultDeviceRules, deviceRules, formatDeviceRule } from "./device-rule.ts";

const denyAll = { allow: false, access: "rwm" };

describe("deviceRules", () => {
  it("adds the default devices after the config's list", () => {
    const rules = deviceRules([denyAll]);
    expect(rules).toHaveLength(1 + defaultDeviceRules.length);
    expect(rules.map(formatDeviceRule)).toEqual([
      "a *:* rwm",
      "c *:* m",
      "b *:* m",
      "c 1:3 rwm",
      "c 1:5 rwm",
      "c 1:7 rwm",
      "c 1:8 rwm",
      "c 1:9 rwm",
      "c 5:0 rwm",
      "c 5:2 rwm",
      "c 136:* rwm",
      "c 10:200 rwm",
    ]);
  });

  it("denies first what a list without a rule for everything says nothing of", () => {
    expect(deviceRules(undefined)[0]).toMatchObject({ allow: false, type: "a" });
    expect(deviceRules([{ allow: true, type: "c", major: 10, minor: 229, access: "rw" }]).slice(0, 2)).toMatchObject([
      { allow: false, type: "a", from: "spec:config-linux.md#default-devices" },
      { allow: true, type: "c", from: "/linux/resources/devices/0" },
    ]);
    expect(deviceRules([{ allow: true, access: "rwm" }])[0]).toMatchObject({ allow: true, type: "a" });
  });

  it("takes -1 and an absent number for every one, and access in any order", () => {
    expect(deviceRules([denyAll, { allow: true, type: "b", major: 8, minor: -1, access: "mwr" }])[1]).toMatchObject({
      major: 8,
      minor: null,
      access: 7,
    });
  });

  it.each([
    [{ allow: true, type: "a" as const, major: 1, access: "rwm" }, "", "contradicts itself"],
    [{ allow: false, access: "m" }, "", "contradicts itself"],
    [{ allow: true, type: "c" as const, major: 1, minor: 3 }, "", "device access cannot be empty"],
    [
      { allow: true, type: "c" as const, major: 1, minor: 3, access: "rx" },
      "/access",
      "another letter than r, w and m",
    ],
    [{ allow: true, type: "c" as const, major: -2, minor: 3, access: "r" }, "/major", "out of range"],
    [{ allow: true, type: "p" as "c", major: 1, minor: 3, access: "r" }, "/type", "unknown type"],
  ])("refuses %j", (rule, field, words) => {
    const error = errorOf(() => deviceRules([denyAll, rule]));
    expect(error).toMatchObject({ code: "ERR_RUNLET_CONFIG_INVALID", pointer: `/linux/resources/devices/1${field}` });
    expect(error.message).toContain(words);
  });
});
