import { describe, expect, it } from "vitest";
import { errorOf } from "../../test/errors.ts";
import { annotatedProperties, toBusProperties } from "./property.ts";

function propertyOf(name: string, text: string) {
  return annotatedProperties({ [`org.systemd.property.${name}`]: text });
}

describe("annotatedProperties", () => {
  it.each([
    ["CollectMode", "'inactive-or-failed'", "s", "inactive-or-failed"],
    ["Description", String.raw`"it\"s"`, "s", 'it"s'],
    ["IPAccounting", "true", "b", true],
    ["TimeoutStopUSec", "uint64 5000000", "t", 5000000n],
    ["OOMScoreAdjust", "-5", "i", -5n],
    ["CPUWeight", "uint64 0x10", "t", 16n],
    ["Weight", "2.5", "d", 2.5],
    ["Before", "['a.service', 'b,c']", "as", ["a.service", "b,c"]],
    ["Before", "@as []", "as", []],
  ])("reads %s: %s", (name, text, signature, value) => {
    expect(propertyOf(name, text)).toEqual([{ name, signature, value }]);
  });

  it("turns seconds into microseconds", () => {
    expect(propertyOf("TimeoutStopSec", "uint64 7")).toEqual([
      { name: "TimeoutStopUSec", signature: "t", value: 7000000n },
    ]);
    expect(propertyOf("RuntimeMaxSec", "0.5")).toEqual([{ name: "RuntimeMaxUSec", signature: "t", value: 500000n }]);
  });

  it("leaves other annotations alone", () => {
    expect(annotatedProperties({ "org.example.property.X": "1", "org.systemd": "2" })).toEqual([]);
  });

  it.each([
    ["CollectMode", "inactive"],
    ["CollectMode", "'a' 'b'"],
    ["Before", "['a'"],
    ["TimeoutStopSec", "'soon'"],
    ["OOMScoreAdjust", "byte 300"],
    ["x", "1"],
    ["Bad Name", "1"],
  ])("refuses %s: %s", (name, text) => {
    expect(errorOf(() => propertyOf(name, text))).toMatchObject({
      code: "ERR_RUNLET_CONFIG_INVALID",
      pointer: `/annotations/org.systemd.property.${name}`,
    });
  });
});

it("packs properties as D-Bus takes them", () => {
  expect(toBusProperties([{ name: "TasksMax", signature: "t", value: 5n }])).toEqual([["TasksMax", ["t", 5n]]]);
});
