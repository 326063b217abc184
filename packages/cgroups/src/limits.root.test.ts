import { readFileSync } from "node:fs";
import type { LinuxResources } from "@runlet/spec";
import { afterEach, describe, expect, it } from "vitest";
import { openWritableDisk } from "../test/disk.ts";
import { rejectionOf } from "../test/errors.ts";
import { dispose, drivers, isV2, newGroup, startMember, until } from "../test/member.ts";
import type { Cgroup } from "./index.ts";

const made: Cgroup[] = [];

function make(driver: (typeof drivers)[number]): Cgroup {
  const cgroup = newGroup(driver);
  made.push(cgroup);
  return cgroup;
}

afterEach(async () => {
  for (const cgroup of made.splice(0)) await dispose(cgroup);
});

function read(cgroup: Cgroup, controller: string, file: string): string {
  return readFileSync(`${cgroup.hostPaths[isV2 ? "" : controller]}/${file}`, "utf8").trim();
}

describe.each(drivers)("%s", (driver) => {
  it("kills a process that passes its memory limit, counts it and tells", async () => {
    const cgroup = make(driver);
    const limit = 32 << 20;
    const { exit } = await startMember({
      cgroup,
      resources: { memory: { limit, swap: limit } },
      // The shell stays, so that the group does.
      script: "sleep 0.3; tail /dev/zero; echo $?; sleep 1",
    });
    const events = cgroup.events()[Symbol.asyncIterator]();
    const first = await events.next();
    await events.return?.();
    expect(first.value).toMatchObject({ type: "oom", oomKillCount: 1 });
    expect(cgroup.oomKillCount()).toBe(1);
    await exit;
  });

  it("stops a fork bomb at its limit", async () => {
    const cgroup = make(driver);
    const { exit, output } = await startMember({
      cgroup,
      resources: { pids: { limit: 10 } },
      script: "i=0; while [ $i -lt 50 ]; do sleep 100 > /dev/null & i=$((i+1)); done 2>/dev/null; echo survived",
    });
    await exit;
    expect(output()).toBe("");
    expect(cgroup.processes()).toHaveLength(9);
    expect(cgroup.stats().pids).toEqual({ current: 9, limit: 10 });
  });

  it("gives a busy loop its quota", async () => {
    const cgroup = make(driver);
    await startMember({ cgroup, resources: { cpu: { quota: 20000, period: 100000 } }, script: "while :; do :; done" });
    const look = (): { usageMs: number; throttledPeriods: number; nowMs: number } => {
      const { usage, throttling } = cgroup.stats().cpu;
      const throttledPeriods = Number(throttling.throttledPeriods ?? 0);
      return { usageMs: Number(usage.total ?? 0) / 1e6, throttledPeriods, nowMs: performance.now() };
    };
    // A period that has begun counts whole: measure from one throttling to another.
    await until(() => look().throttledPeriods > 2);
    const start = look();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const end = look();
    const usageMs = end.usageMs - start.usageMs;
    expect(usageMs / (end.nowMs - start.nowMs)).toBeLessThan(0.2 * 1.1);
    // Not against the clock: on a busy machine a period can pass without the loop getting a processor.
    const throttledPeriods = end.throttledPeriods - start.throttledPeriods;
    expect(throttledPeriods).toBeGreaterThan(10);
    expect(usageMs / throttledPeriods).toBeGreaterThan(20 * 0.9);
  });

  it("keeps a process to its CPUs", async () => {
    const cgroup = make(driver);
    const { child } = await startMember({ cgroup, resources: { cpu: { cpus: "0" } }, script: "sleep 100" });
    expect(readFileSync(`/proc/${child.pid}/status`, "utf8")).toMatch(/^Cpus_allowed_list:\t0$/m);
    expect(cgroup.stats().cpuset.cpus).toEqual([0]);
  });

  it("denies devices that are not in the list, and each update holds", async () => {
    const cgroup = make(driver);
    const denyAll = { allow: false, access: "rwm" };
    const kmsg = { allow: true, type: "c", major: 1, minor: 11, access: "w" } as const;
    const { output, exit } = await startMember({
      cgroup,
      resources: { devices: [denyAll] },
      script: `
        try() { if (: > /dev/kmsg) 2>/dev/null; then echo yes; else echo no; fi; }
        echo "null" > /dev/null && head -c 1 /dev/zero | wc -c
        try; kill -STOP $$; try; kill -STOP $$; try`,
    });
    await until(() => output() === "1\nno\n");
    await cgroup.update({ devices: [denyAll, kmsg] });
    await untilStopped(cgroup);
    await cgroup.kill(18);
    await until(() => output() === "1\nno\nyes\n");
    await cgroup.update({ devices: [denyAll] });
    await untilStopped(cgroup);
    await cgroup.kill(18);
    await exit;
    expect(output()).toBe("1\nno\nyes\nno\n");
  });

  it("throttles writes to their rate", async () => {
    using target = openWritableDisk();
    const { major, minor } = target;
    const cgroup = make(driver);
    const { exit } = await startMember({
      cgroup,
      resources: {
        blockIO: { throttleWriteBpsDevice: [{ major, minor, rate: 1 << 20 }] },
        devices: [{ allow: true, type: "b", major, minor, access: "rw" }],
      },
      script: `dd if=/dev/zero of=${target.path} bs=64k count=48 oflag=direct 2>/dev/null`,
    });
    const started = performance.now();
    expect((await exit).code).toBe(0);
    const seconds = (performance.now() - started) / 1000;
    // 3 MiB at 1 MiB a second; the kernel lets the first slice through at once.
    expect(seconds).toBeGreaterThan(2.5);
    expect(seconds).toBeLessThan(4.5);
  });

  it("changes limits that bound each other in both directions", async () => {
    const cgroup = make(driver);
    await startMember({
      cgroup,
      resources: { memory: { limit: 64 << 20, swap: 64 << 20 }, cpu: { quota: 50000, period: 100000 } },
      script: "sleep 100",
    });
    for (const size of [256 << 20, 32 << 20]) {
      await cgroup.update({ memory: { limit: size, swap: 2 * size }, cpu: { quota: size >> 10, period: size >> 9 } });
      expect(read(cgroup, "memory", isV2 ? "memory.max" : "memory.limit_in_bytes")).toBe(String(size));
      const swap = read(cgroup, "memory", isV2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes");
      expect(swap).toBe(String(isV2 ? size : 2 * size));
      const quota = isV2
        ? read(cgroup, "cpu", "cpu.max")
        : `${read(cgroup, "cpu", "cpu.cfs_quota_us")} ${read(cgroup, "cpu", "cpu.cfs_period_us")}`;
      expect(quota).toBe(`${size >> 10} ${size >> 9}`);
    }
    await cgroup.update({ memory: { limit: -1 } });
    expect(Number(cgroup.stats().memory.usage.limit)).toBeGreaterThan(2 ** 60);
    expect(Number(cgroup.stats().memory.swap.limit)).toBeGreaterThan(2 ** 60);
  });

  it("refuses a limit below the use, where it is asked to look", async () => {
    const cgroup = make(driver);
    const { output } = await startMember({
      cgroup,
      script: "x=$(head -c 8000000 /dev/zero | tr '\\0' x); echo; sleep 100",
    });
    await until(() => output() === "\n");
    const error = await rejectionOf(cgroup.update({ memory: { limit: 1 << 20, checkBeforeUpdate: true } }));
    expect(error).toMatchObject({ code: "ERR_RUNLET_CGROUP", pointer: "/linux/resources/memory/limit" });
    expect(error.message).toMatch(/^rejecting memory limit 1048576 <= usage \d+$/);
  });

  it("names the field whose value the kernel refuses", async () => {
    const cgroup = make(driver);
    await startMember({ cgroup, script: "sleep 100" });
    const error = await rejectionOf(cgroup.update({ pids: { limit: 1n << 62n } }));
    expect(error).toMatchObject({ code: "ERR_RUNLET_CGROUP", pointer: "/linux/resources/pids/limit", errno: "EINVAL" });
    const hugepages = await rejectionOf(cgroup.update({ hugepageLimits: [{ pageSize: "3KB", limit: 1 }] }));
    expect(hugepages).toMatchObject({ code: "ERR_RUNLET_CGROUP", pointer: "/linux/resources/hugepageLimits/0" });
  });
});

describe.each(drivers)("%s: an update of which one limit is refused", (driver) => {
  const before: LinuxResources = {
    memory: { limit: 64 << 20, swap: 96 << 20, reservation: 16 << 20 },
    cpu: { shares: 512, quota: 50000, period: 100000, cpus: "0", mems: "0" },
    pids: { limit: 50 },
  };
  const change: LinuxResources = {
    memory: { limit: 128 << 20, swap: 256 << 20, reservation: 32 << 20 },
    cpu: { shares: 2048, quota: 400000, period: 200000, burst: 20000, idle: 1 },
    devices: [{ allow: true, access: "rwm" }],
  };

  it("changes nothing", async () => {
    const cgroup = make(driver);
    await startMember({ cgroup, resources: before, script: "sleep 100" });
    const held = limitFiles(cgroup);
    const error = await rejectionOf(cgroup.update({ ...change, pids: { limit: 1n << 62n } }));
    expect(error).toMatchObject({ pointer: "/linux/resources/pids/limit", errno: "EINVAL" });
    expect(error.explanation ?? "").not.toContain("could not be set back");
    expect(limitFiles(cgroup)).toEqual(held);
    await cgroup.update(change);
    expect(limitFiles(cgroup)).not.toEqual(held);
  });
});

/** What the files hold that the tests change. */
function limitFiles(cgroup: Cgroup): Record<string, string> {
  const files = isV2
    ? [
        "memory.max",
        "memory.swap.max",
        "memory.low",
        "cpu.weight",
        "cpu.max",
        "cpu.max.burst",
        "cpu.idle",
        "pids.max",
      ].map((file) => ["", file] as const)
    : ([
        ["memory", "memory.limit_in_bytes"],
        ["memory", "memory.memsw.limit_in_bytes"],
        ["memory", "memory.soft_limit_in_bytes"],
        ["cpu", "cpu.shares"],
        ["cpu", "cpu.cfs_quota_us"],
        ["cpu", "cpu.cfs_period_us"],
        ["cpu", "cpu.cfs_burst_us"],
        ["cpu", "cpu.idle"],
        ["pids", "pids.max"],
        ["devices", "devices.list"],
      ] as const);
  return Object.fromEntries(files.map(([controller, file]) => [file, read(cgroup, controller, file)]));
}

it("names the unified key of a controller that the host does not have", async ({ task, skip }) => {
  if (!isV2) {
    task.meta.skipReason = "needs cgroup v2";
    skip();
  }
  const cgroup = make("cgroupfs");
  await cgroup.create();
  const error = await rejectionOf(cgroup.apply({ unified: { "nosuch.max": "1" } }));
  expect(error).toMatchObject({ code: "ERR_RUNLET_CGROUP", pointer: "/linux/resources/unified/nosuch.max" });
  expect(error.message).toContain('controller "nosuch" is not available');
});

it("says what is in use when the kernel cannot reclaim enough", async ({ task, skip }) => {
  if (isV2) {
    task.meta.skipReason = "needs cgroup v1";
    skip();
  }
  const cgroup = make("cgroupfs");
  const { output } = await startMember({
    cgroup,
    resources: { memory: { limit: 64 << 20, swap: 64 << 20 } },
    script: "x=$(head -c 8000000 /dev/zero | tr '\\0' x); echo; sleep 100",
  });
  await until(() => output() === "\n");
  const error = await rejectionOf(cgroup.update({ memory: { limit: 1 << 20 } }));
  expect(error).toMatchObject({ pointer: "/linux/resources/memory/limit", errno: "EBUSY" });
  expect(error.message).toMatch(/^unable to set memory limit to 1048576 \(current usage: \d+, peak usage: \d+\)$/);
});

async function untilStopped(cgroup: Cgroup): Promise<void> {
  await until(() => cgroup.processes().some((pid) => / T /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))));
}
