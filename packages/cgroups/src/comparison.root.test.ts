import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { LinuxResources } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { openWritableDisk } from "../test/disk.ts";
import { dispose, isV2, newGroup } from "../test/member.ts";
import { canRun, peerContainer } from "../test/peer.ts";

type Runtime = "runc" | "crun";

/** A field with what two runtimes are told of it, and the files in which they have to agree. */
interface Comparison {
  readonly field: string;
  readonly resources: LinuxResources;
  /** Controller of v1, and file. */
  readonly v1?: readonly (readonly [controller: string, file: string])[];
  readonly v2?: readonly string[];
  /** Those whose releases that distributions have know the field, and write what the newest do. Default: both. */
  readonly peers?: readonly Runtime[];
}

const comparisons: readonly Comparison[] = [
  {
    field: "memory.limit, memory.reservation, memory.swap",
    resources: { memory: { limit: 67108864, reservation: 33554432, swap: 100663296 } },
    v1: [
      ["memory", "memory.limit_in_bytes"],
      ["memory", "memory.memsw.limit_in_bytes"],
      ["memory", "memory.soft_limit_in_bytes"],
    ],
    v2: ["memory.max", "memory.swap.max", "memory.low"],
  },
  {
    field: "memory without a limit",
    resources: { memory: { limit: -1, swap: -1 } },
    v1: [
      ["memory", "memory.limit_in_bytes"],
      ["memory", "memory.memsw.limit_in_bytes"],
    ],
    v2: ["memory.max", "memory.swap.max"],
  },
  { field: "memory.swappiness", resources: { memory: { swappiness: 10 } }, v1: [["memory", "memory.swappiness"]] },
  {
    field: "memory.disableOOMKiller",
    resources: { memory: { limit: 67108864, disableOOMKiller: true } },
    v1: [["memory", "memory.oom_control"]],
  },
  {
    field: "cpu.quota, cpu.period",
    resources: { cpu: { quota: 50000, period: 200000 } },
    v1: [
      ["cpu", "cpu.cfs_quota_us"],
      ["cpu", "cpu.cfs_period_us"],
    ],
    v2: ["cpu.max"],
  },
  { field: "cpu.quota without a limit", resources: { cpu: { quota: -1, period: 50000 } }, v2: ["cpu.max"] },
  // On v2 the peers of today's distributions convert by the formula of before, which runc left with 1.3.2 and crun with 1.23.
  { field: "cpu.shares", resources: { cpu: { shares: 512 } }, v1: [["cpu", "cpu.shares"]] },
  {
    field: "cpu.cpus, cpu.mems",
    resources: { cpu: { cpus: "0", mems: "0" } },
    v1: [
      ["cpuset", "cpuset.cpus"],
      ["cpuset", "cpuset.mems"],
    ],
    v2: ["cpuset.cpus", "cpuset.mems"],
  },
  {
    field: "cpu.idle",
    resources: { cpu: { idle: 1 } },
    v1: [["cpu", "cpu.idle"]],
    v2: ["cpu.idle", "cpu.weight"],
    peers: ["crun"],
  },
  {
    field: "cpu.burst",
    resources: { cpu: { quota: 50000, period: 100000, burst: 20000 } },
    v1: [["cpu", "cpu.cfs_burst_us"]],
    v2: ["cpu.max.burst"],
    peers: [],
  },
  {
    field: "cpu.realtimeRuntime, cpu.realtimePeriod",
    resources: { cpu: { realtimeRuntime: 1000, realtimePeriod: 500000 } },
    v1: [
      ["cpu", "cpu.rt_runtime_us"],
      ["cpu", "cpu.rt_period_us"],
    ],
  },
  { field: "pids.limit", resources: { pids: { limit: 50 } }, v1: [["pids", "pids.max"]], v2: ["pids.max"] },
  {
    field: "pids without a limit",
    resources: { pids: { limit: -1 } },
    v1: [["pids", "pids.max"]],
    v2: ["pids.max"],
    // crun writes the -1 itself, which the kernel does not take.
    peers: ["runc"],
  },
  {
    field: "devices",
    resources: {
      devices: [
        { allow: false, access: "rwm" },
        { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
        { allow: true, type: "b", major: 8, access: "r" },
      ],
    },
    v1: [["devices", "devices.list"]],
  },
  {
    field: "blockIO.weight",
    resources: { blockIO: { weight: 500 } },
    v1: [["blkio", "blkio.bfq.weight"]],
    v2: ["io.weight"],
    // crun writes the file of a scheduler that kernels have had no more since 5.0.
    peers: isV2 ? ["runc", "crun"] : ["runc"],
  },
  {
    field: "hugepageLimits",
    resources: { hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }] },
    v2: ["hugetlb.2MB.max"],
  },
  {
    field: "unified",
    resources: { unified: { "memory.high": "33554432", "pids.max": "7", "cpu.weight": "42" } },
    v2: ["memory.high", "pids.max", "cpu.weight"],
  },
];

/** Throttles of a disk: of the one that the tests write to. */
function throttlesOf({ major, minor }: { major: number; minor: number }): Comparison {
  const devices = (rate: number) => [{ major, minor, rate }];
  return {
    field: "blockIO.throttle*",
    resources: {
      blockIO: {
        throttleReadBpsDevice: devices(1048576),
        throttleWriteBpsDevice: devices(2097152),
        throttleReadIOPSDevice: devices(100),
        throttleWriteIOPSDevice: devices(200),
      },
    },
    v1: ["read_bps", "write_bps", "read_iops", "write_iops"].map((kind) => ["blkio", `blkio.throttle.${kind}_device`]),
    v2: ["io.max"],
  };
}

/** Default devices in which the two differ: runc has tun, crun the console. Ours are runc's. */
const disputed = ["c 10:200 rwm", "c 5:1 rwm"];

const runnable: Readonly<Record<Runtime, boolean>> = { runc: canRun("runc"), crun: canRun("crun") };

/** What both hold in the files of a field. */
async function compare(runtime: Runtime, comparison: Comparison): Promise<void> {
  const files = isV2 ? comparison.v2?.map((file) => ["", file] as const) : comparison.v1;
  if (files === undefined) throw new Error("there is nothing to compare on this layout");
  const cgroup = newGroup("cgroupfs");
  using peer = peerContainer(runtime, comparison.resources);
  await cgroup.create();
  try {
    await cgroup.apply(comparison.resources);
    const read = (directoryOf: (controller: string) => string): Record<string, string[]> =>
      Object.fromEntries(
        files.map(([controller, file]) => [
          file,
          sortedLines(readFileSync(`${directoryOf(controller)}/${file}`, "utf8")),
        ]),
      );
    expect(read((controller) => cgroup.hostPaths[controller] ?? "")).toEqual(read(peer.hostPath));
  } finally {
    await dispose(cgroup);
  }
}

/** Why two runtimes cannot be compared here in a field, or undefined when they can. */
function obstacle(runtime: Runtime, { field, v1, v2, peers = ["runc", "crun"] }: Comparison): string | undefined {
  if (!runnable[runtime]) return `${runtime} is not installed, or refuses this host's layout`;
  if ((isV2 ? v2 : v1) === undefined) return `${field} is of the other version of control groups`;
  if (!peers.includes(runtime)) return `the ${runtime} of distributions does not write ${field} as the newest does`;
  if (field.includes("realtime") && !existsSync("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")) {
    return "needs a kernel with CONFIG_RT_GROUP_SCHED";
  }
  return undefined;
}

describe.each(["runc", "crun"] as const)("writes the same values as %s:", (runtime) => {
  for (const comparison of comparisons) {
    it(comparison.field, async ({ task, skip }) => {
      const reason = obstacle(runtime, comparison);
      if (reason !== undefined) {
        task.meta.skipReason = reason;
        skip();
      }
      await compare(runtime, comparison);
    });
  }

  it("blockIO.throttle*", async ({ task, skip }) => {
    using disk = openWritableDisk();
    const comparison = throttlesOf(disk);
    const reason = obstacle(runtime, comparison);
    if (reason !== undefined) {
      task.meta.skipReason = reason;
      skip();
    }
    await compare(runtime, comparison);
  });
});

it("takes the same default path as runc", ({ task, skip }) => {
  if (!runnable.runc) {
    task.meta.skipReason = "runc is not installed";
    skip();
  }
  using peer = peerContainer("runc", {});
  const cgroup = newGroup("cgroupfs");
  const controller = isV2 ? "" : "memory";
  expect(dirname(cgroup.hostPaths[controller] ?? "")).toBe(dirname(peer.hostPath(controller)));
});

/** The kernel keeps no order of a device list. */
function sortedLines(text: string): string[] {
  return text
    .trim()
    .split("\n")
    .filter((line) => !disputed.includes(line))
    .sort();
}
