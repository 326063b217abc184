import { describe, expect, it } from "vitest";
import { errorOf } from "../test/errors.ts";
import { parseFilePath, parseUnitPath, slicePath, unitName } from "./cgroups-path.ts";

describe("parseFilePath", () => {
  it.each([
    [undefined, false, ["web"]],
    ["", false, ["web"]],
    ["foo/bar", false, ["foo", "bar"]],
    ["/pod//a/./b/", true, ["pod", "a", "b"]],
    // BuildKit sends it without --systemd-cgroup; runc makes a directory of that name.
    ["system.slice:docker:abc", false, ["system.slice:docker:abc"]],
  ])("reads %j", (cgroupsPath, isAbsolute, names) => {
    expect(parseFilePath(cgroupsPath, "web")).toEqual({ isAbsolute, names });
  });

  it.each(["..", "../x", "/a/../../b", "a/b/.."])("refuses %j, which climbs out", (cgroupsPath) => {
    const error = errorOf(() => parseFilePath(cgroupsPath, "web"));
    expect(error).toMatchObject({ code: "ERR_RUNLET_CONFIG_INVALID", pointer: "/linux/cgroupsPath" });
    expect(error.message).toContain("climbs out");
  });

  it.each(["/", "./", "/a\nb", "a\0b", `/${"x".repeat(256)}`])("refuses %j", (cgroupsPath) => {
    expect(errorOf(() => parseFilePath(cgroupsPath, "web"))).toMatchObject({
      code: "ERR_RUNLET_CONFIG_INVALID",
      pointer: "/linux/cgroupsPath",
    });
  });
});

describe("parseUnitPath", () => {
  it("reads slice, prefix and name, and has a default", () => {
    expect(parseUnitPath("machine.slice:libpod:abc", "x")).toEqual({
      slice: "machine.slice",
      prefix: "libpod",
      name: "abc",
    });
    expect(parseUnitPath("", "abc")).toEqual({ slice: "", prefix: "runlet", name: "abc" });
  });

  it.each([
    "/a/b",
    "a:b",
    "a.slice:b:c:d",
    "a.slice:b:",
    "a.slice:b:c.slice",
    "nope:b:c",
    "a--b.slice:b:c",
    "a.slice:b:c/d",
  ])("refuses %j", (cgroupsPath) => {
    expect(errorOf(() => parseUnitPath(cgroupsPath, "x"))).toMatchObject({
      code: "ERR_RUNLET_CONFIG_INVALID",
      pointer: "/linux/cgroupsPath",
    });
  });

  it("names scopes and finds slices", () => {
    expect(unitName({ slice: "", prefix: "libpod", name: "abc" })).toBe("libpod-abc.scope");
    expect(unitName({ slice: "", prefix: "", name: "abc" })).toBe("abc.scope");
    expect(slicePath("-.slice")).toBe("/");
    expect(slicePath("a-b-c.slice")).toBe("/a.slice/a-b.slice/a-b-c.slice");
  });
});
