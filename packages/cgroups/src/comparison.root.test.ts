import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { LinuxResources } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { dispose, isV2, newGroup } from "../test/member.ts";
import { canRun, peerContainer } from "../test/peer.ts";

/** Whatever the host's kernel has controllers for. */
const resources: LinuxResources = {
  devices: [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
    { allow: true, type: "b", major: 8, access: "r" },
  ],
  memory: { limit: 67108864, reservation: 33554432, swap: 100663296, ...(!isV2 && { swappiness: 10 }) },
  cpu: { shares: 512, quota: 50000, period: 200000, cpus: "0", mems: "0" },
  pids: { limit: 50 },
};

const filesOfV1 = {
  memory: ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "memory.swappiness"],
  cpu: ["cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us"],
  cpuset: ["cpuset.cpus", "cpuset.mems"],
  pids: ["pids.max"],
  devices: ["devices.list"],
};
const filesOfV2 = {
  "": [
    "memory.max",
    "memory.swap.max",
    "memory.low",
    "cpu.max",
    "cpuset.cpus",
    "cpuset.mems",
    "pids.max",
    "cgroup.controllers",
  ],
};
const files: Readonly<Record<string, readonly string[]>> = isV2 ? filesOfV2 : filesOfV1;

/** Default devices in which the two differ: runc has tun, crun the console. Ours are runc's. */
const disputed = ["c 10:200 rwm", "c 5:1 rwm"];

describe.each(["runc", "crun"] as const)("%s", (runtime) => {
  it("writes the same values", async ({ task, skip }) => {
    if (!canRun(runtime)) {
      task.meta.skipReason = `${runtime} is not installed, or refuses this host's layout`;
      skip();
    }
    const cgroup = newGroup("cgroupfs");
    using peer = peerContainer(runtime, resources);
    await cgroup.create();
    try {
      await cgroup.apply(resources);
      const read = (directoryOf: (controller: string) => string): Record<string, string[]> =>
        Object.fromEntries(
          Object.entries(files).flatMap(([controller, names]) =>
            names.map((name) => [name, sortedLines(readFileSync(`${directoryOf(controller)}/${name}`, "utf8"))]),
          ),
        );
      expect(read((controller) => cgroup.hostPaths[controller] ?? "")).toEqual(read(peer.hostPath));
    } finally {
      await dispose(cgroup);
    }
  });
});

it("takes the same default path as runc", ({ task, skip }) => {
  if (!canRun("runc")) {
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
