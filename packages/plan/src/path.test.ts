import { expect, test } from "vitest";
import { baseName, cleanPath, hostPathFrom, isWithin } from "./path.ts";

test.each([
  ["/", "/"],
  ["", "/"],
  ["dev/pts/", "/dev/pts"],
  ["//a/./b//c", "/a/b/c"],
  ["/a/../../b", "/b"],
  ["/..", "/"],
])("%j cleaned is %j", (path, clean) => {
  expect(cleanPath(path)).toBe(clean);
});

test("a relative path of the config belongs to the bundle", () => {
  expect(hostPathFrom("/bundle", "rootfs")).toBe("/bundle/rootfs");
  expect(hostPathFrom("/bundle", "../data")).toBe("/data");
  expect(hostPathFrom("/bundle", "/srv/data/")).toBe("/srv/data");
});

test("within counts components, not characters", () => {
  expect(isWithin("/proc", "/proc")).toBe(true);
  expect(isWithin("/proc/sys", "/proc")).toBe(true);
  expect(isWithin("/processes", "/proc")).toBe(false);
  expect(isWithin("/a", "/")).toBe(true);
});

test("the base name is the last component", () => {
  expect(baseName("/sys/fs/cgroup/cpu,cpuacct")).toBe("cpu,cpuacct");
});
