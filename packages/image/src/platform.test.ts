import type { Descriptor, Platform } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { sha256 } from "../test/layout-builder.ts";
import { choosePlatform, formatPlatform, hostPlatform, parsePlatform, rankPlatform } from "./platform.ts";

const of = (text: string): Platform => parsePlatform(text);

function listed(...platforms: (string | undefined)[]): Descriptor[] {
  return platforms.map((text, index) => ({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: sha256(String(index)),
    size: 1,
    ...(text === undefined ? {} : { platform: of(text) }),
  }));
}

/** Which of a list is chosen. */
function choose(platform: string, ...platforms: (string | undefined)[]): number {
  const manifests = listed(...platforms);
  return manifests.indexOf(choosePlatform({ manifests, platform: of(platform), name: "name" }));
}

describe("texts", () => {
  test.each([
    ["linux/amd64", "linux/amd64"],
    ["amd64", "linux/amd64"],
    ["x86_64", "linux/amd64"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm/7", "linux/arm/v7"],
    ["linux/armhf", "linux/arm/v7"],
    ["Linux/AMD64/v3", "linux/amd64/v3"],
    ["windows/amd64", "windows/amd64"],
  ])("%s", (text, formatted) => {
    expect(formatPlatform(of(text))).toBe(formatted);
  });

  test.each(["", "a/b/c/d", "linux/", "/", "linux/am d64", "linux/../x"])("%j is refused", (text) => {
    expect(() => of(text)).toThrow(expect.objectContaining({ code: "ERR_RUNLET_USAGE" }));
  });
});

describe("what a processor runs", () => {
  test.each([
    ["linux/arm/v7", "linux/arm/v7", 0],
    ["linux/arm/v6", "linux/arm/v7", 1],
    ["linux/arm/v5", "linux/arm/v7", 2],
    ["linux/arm/v8", "linux/arm/v7", undefined],
    ["linux/arm", "linux/arm/v7", 0],
    ["linux/arm", "linux/arm/v6", undefined],
    ["linux/arm64", "linux/arm64/v8", 0],
    ["linux/arm64/v8.2", "linux/arm64/v9", 3],
    ["linux/arm64/v9", "linux/arm64/v8", undefined],
    ["linux/arm/v7", "linux/arm64", undefined],
    ["linux/amd64", "linux/amd64/v3", 2],
    ["linux/amd64/v3", "linux/amd64/v3", 0],
    ["linux/amd64/v4", "linux/amd64/v3", undefined],
    ["linux/amd64/v2", "linux/amd64", undefined],
    ["linux/386", "linux/amd64", undefined],
    ["windows/amd64", "linux/amd64", undefined],
    ["linux/riscv64", "linux/riscv64", 0],
    ["linux/ppc64le/power9", "linux/ppc64le", undefined],
  ])("%s on %s", (image, machine, rank) => {
    expect(rankPlatform(of(image), of(machine))).toBe(rank);
  });
});

describe("the choice from an index", () => {
  test("is the best, and of equals the first", () => {
    expect(choose("linux/arm/v7", "linux/amd64", "linux/arm/v5", "linux/arm/v7", "linux/arm/v6")).toBe(2);
    expect(choose("linux/arm/v6", "linux/amd64", "linux/arm/v5", "linux/arm/v7", "linux/arm/v6")).toBe(3);
    expect(choose("linux/amd64/v4", "linux/amd64", "linux/amd64/v2", "linux/amd64/v3")).toBe(2);
    expect(choose("linux/amd64", "linux/arm64", "linux/amd64", "linux/amd64")).toBe(1);
  });

  test("is the only one without a platform where none suits", () => {
    expect(choose("linux/amd64", "linux/arm64", undefined)).toBe(1);
    expect(choose("linux/amd64", undefined, "linux/amd64")).toBe(1);
    expect(() => choose("linux/amd64", undefined, undefined)).toThrow(/has no image for linux\/amd64/);
  });

  test("is never an attestation; what there is, is said", () => {
    expect(() => choose("linux/amd64", "unknown/unknown", "linux/arm64/v8", "linux/arm64/v8")).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_IMAGE", hint: "choose one that it has: linux/arm64/v8" }),
    );
    expect(() => choose("linux/amd64")).toThrow(/has no image for/);
  });
});

test("this machine", () => {
  const platform = hostPlatform();
  expect(platform.os).toBe("linux");
  expect(rankPlatform(platform, platform)).toBe(0);
  const { variant: _, ...plain } = platform;
  expect(rankPlatform(plain, platform)).not.toBeUndefined();
});
