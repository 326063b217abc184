import { readFileSync, readlinkSync } from "node:fs";
import type { LinuxTimeOffset } from "@runlet/spec";
import { describe, expect } from "vitest";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;
const offsets = "read=/proc/self/timens_offsets";
const day = 86_400;

type Clock = "monotonic" | "boottime";

function bundleWith(timeOffsets: Partial<Record<Clock, LinuxTimeOffset>>) {
  return e2e.bundle((config) => {
    config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "time" }];
    config.linux.timeOffsets = timeOffsets;
  });
}

/** Seconds since the machine was booted. */
function uptime(): number {
  return Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
}

/** Seconds and nanoseconds by clock, of /proc/PID/timens_offsets. */
function offsetsOf(text: unknown): Record<string, readonly number[]> {
  const lines = String(text).trimEnd().split("\n");
  return Object.fromEntries(
    lines.map((line) => line.trim().split(/\s+/)).map(([name, ...rest]) => [name, rest.map(Number)]),
  );
}

// runc 1.1 and crun 1.8.1 know of no time namespace.
describe("[/linux/timeOffsets/**] a new time namespace", () => {
  test("[/linux/timeOffsets] moves both clocks of the container, and none of the host's", {
    runtime: ["runlet"],
  }, async () => {
    const bundle = bundleWith({ monotonic: { secs: 7 * day, nanosecs: 5 }, boottime: { secs: 30 * day } });
    const before = uptime();
    const seen = await e2e.observe(bundle, offsets, "clock=monotonic", "clock=boottime", "readlink=/proc/self/ns/time");
    const after = uptime();
    expect(offsetsOf(seen.of(offsets))).toEqual({ monotonic: [7 * day, 5], boottime: [30 * day, 0] });
    for (const [clock, days] of [
      ["monotonic", 7],
      ["boottime", 30],
    ] as const) {
      const moved = seen.of<number>(`clock=${clock}`) - days * day;
      expect(moved).toBeGreaterThanOrEqual(Math.floor(before) - 2);
      expect(moved).toBeLessThanOrEqual(after + 2);
    }
    expect(seen.of("readlink=/proc/self/ns/time")).not.toBe(readlinkSync("/proc/self/ns/time"));
    expect(after - before).toBeLessThan(60);
  });

  test("[/linux/timeOffsets] can be below zero, as far as the clock has come", { runtime: ["runlet"] }, async () => {
    const seen = await e2e.observe(bundleWith({ boottime: { secs: -10, nanosecs: 999_999_999 } }), offsets);
    expect(offsetsOf(seen.of(offsets))).toEqual({ monotonic: [0, 0], boottime: [-10, 999_999_999] });
  });

  test("[/linux/namespaces] is another than the host's also without offsets", { runtime: ["runlet"] }, async () => {
    const bundle = bundleWith({});
    const seen = await e2e.observe(bundle, "readlink=/proc/self/ns/time", "pid");
    expect(seen.of("readlink=/proc/self/ns/time")).not.toBe(readlinkSync("/proc/self/ns/time"));
    expect(seen.of("pid")).toBe(1);
  });

  test("[/linux/timeOffsets] works in a user namespace too", { runtime: ["runlet"] }, async () => {
    const bundle = bundleWith({ monotonic: { secs: day } });
    const mappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
    bundle.config.linux.namespaces?.push({ type: "user" });
    bundle.config.linux.uidMappings = mappings;
    bundle.config.linux.gidMappings = mappings;
    const seen = await e2e.observe(bundle, offsets);
    expect(offsetsOf(seen.of(offsets))).toEqual({ monotonic: [day, 0], boottime: [0, 0] });
  });

  test("[/linux/timeOffsets] works without a pid namespace", { runtime: ["runlet"] }, async () => {
    const bundle = bundleWith({ monotonic: { secs: day } });
    bundle.config.linux.namespaces = bundle.config.linux.namespaces?.filter(({ type }) => type !== "pid") ?? [];
    const seen = await e2e.observe(bundle, offsets, "pid");
    expect(offsetsOf(seen.of(offsets))).toEqual({ monotonic: [day, 0], boottime: [0, 0] });
    expect(seen.of<number>("pid")).toBeGreaterThan(1);
  });

  test("[/linux/timeOffsets] that would take a clock below zero are refused, with the clock", {
    runtime: ["runlet"],
  }, async () => {
    const result = await e2e.run(bundleWith({ boottime: { secs: -100 * 365 * day } }).probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    expect(result.stderr).toContain("/linux/timeOffsets/boottime");
    expect(result.stderr).toContain("ERANGE");
  });

  test("[/linux/timeOffsets] without a time namespace are refused", { runtime: ["runlet"] }, async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.timeOffsets = { monotonic: { secs: 1 } };
    });
    const result = await e2e.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/linux/timeOffsets");
  });
});

test("[/linux/namespaces] joins a time namespace by path, with its offsets", { runtime: ["runlet"] }, async () => {
  const ownerId = e2e.id();
  const owner = bundleWith({ monotonic: { secs: 3 * day }, boottime: { secs: 4 * day } }).probing("wait");
  const call = e2e.runtime.start(["run", "--detach", "--bundle", owner.hostPath, ownerId]);
  expect(await call.ended).toMatchObject({ status: 0 });
  const { pid } = await e2e.runtime.state(ownerId);
  const path = `/proc/${pid}/ns/time`;
  const bundle = e2e.bundle((config) => {
    config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "time", path }];
  });
  const seen = await e2e.observe(bundle, offsets, "clock=boottime", "readlink=/proc/self/ns/time");
  expect(seen.of("readlink=/proc/self/ns/time")).toBe(readlinkSync(path));
  expect(offsetsOf(seen.of(offsets))).toEqual({ monotonic: [3 * day, 0], boottime: [4 * day, 0] });
  expect(seen.of<number>("clock=boottime")).toBeGreaterThan(4 * day);
});

test("[/linux/timeOffsets] of a namespace that is joined are refused: it has its own", {
  runtime: ["runlet"],
}, async () => {
  const bundle = bundleWith({ monotonic: { secs: 1 } });
  bundle.config.linux.namespaces =
    bundle.config.linux.namespaces?.map((namespace) =>
      namespace.type === "time" ? { type: "time", path: "/proc/self/ns/time" } : namespace,
    ) ?? [];
  const result = await e2e.run(bundle.probing("ids"));
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("/linux/timeOffsets");
});
