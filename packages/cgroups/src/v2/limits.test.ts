import type { LinuxResources } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { errorOf } from "../../test/errors.ts";
import { limitWrites, type V2Facts } from "./limits.ts";

function written(resources: LinuxResources, facts: Partial<V2Facts> = {}): string[] {
  return limitWrites(resources, { hasBfq: false, ...facts }).map(({ file, value }) => `${file}=${value}`);
}

describe("memory", () => {
  it("limits swap apart from memory", () => {
    expect(limitWrites({ memory: { limit: 1000, swap: 2500, reservation: 10 } }, { hasBfq: false })).toEqual([
      { from: "/linux/resources/memory/swap", controller: "", file: "memory.swap.max", value: "1500", given: "2500" },
      { from: "/linux/resources/memory/limit", controller: "", file: "memory.max", value: "1000" },
      { from: "/linux/resources/memory/reservation", controller: "", file: "memory.low", value: "10" },
    ]);
  });

  it.each<[LinuxResources["memory"], string[]]>([
    [{ limit: -1 }, ["memory.swap.max=max", "memory.max=max"]],
    [{ limit: 1000, swap: -1 }, ["memory.swap.max=max", "memory.max=1000"]],
    [{ limit: 1000, swap: 1000 }, ["memory.swap.max=0", "memory.max=1000"]],
    [{ limit: -1, swap: 77 }, ["memory.swap.max=77", "memory.max=max"]],
    [{ limit: 1000, swap: 0 }, ["memory.max=1000"]],
    [{ swap: -1 }, ["memory.swap.max=max"]],
    [{ limit: 0, kernel: 4 }, []],
  ])("turns %j into %j", (memory = {}, files) => {
    expect(written({ memory })).toEqual(files);
  });

  it("takes the 64-bit form of -1 for no swappiness, as Docker sends it", () => {
    expect(written({ memory: { swappiness: 2n ** 64n - 1n } })).toEqual([]);
  });

  it("counts a new swap limit from the memory limit that is there", () => {
    expect(written({ memory: { swap: 2500 } }, { memoryMax: "1000" })).toEqual(["memory.swap.max=1500"]);
    expect(written({ memory: { swap: 2500 } }, { memoryMax: "max" })).toEqual(["memory.swap.max=2500"]);
  });

  it.each<[LinuxResources["memory"], string, string]>([
    [{ swap: 5 }, "swap", "unable to set swap limit without memory limit"],
    [{ limit: 10, swap: 5 }, "swap", "memory+swap limit should be >= memory limit"],
    [{ disableOOMKiller: true }, "disableOOMKiller", "cgroup v2 cannot disable the OOM killer"],
    [{ swappiness: 60 }, "swappiness", "cgroup v2 has no swappiness of its own for each group"],
  ])("refuses %j", (memory = {}, field, message) => {
    expect(errorOf(() => written({ memory }))).toMatchObject({ pointer: `/linux/resources/memory/${field}`, message });
  });
});

describe("cpu", () => {
  it("converts shares and says what was given", () => {
    expect(limitWrites({ cpu: { shares: 1024 } }, { hasBfq: false })).toEqual([
      { from: "/linux/resources/cpu/shares", controller: "", file: "cpu.weight", value: "100", given: "1024" },
    ]);
  });

  it.each<[LinuxResources["cpu"], string | undefined, string[]]>([
    [{ quota: 50000, period: 200000 }, undefined, ["cpu.max=50000 200000"]],
    [{ quota: 50000 }, undefined, ["cpu.max=50000 100000"]],
    [{ quota: -1 }, undefined, ["cpu.max=max 100000"]],
    [{ period: 200000 }, undefined, ["cpu.max=max 200000"]],
    [{ period: 200000 }, "50000 100000", ["cpu.max=50000 200000"]],
    [{ quota: 7000 }, "max 200000", ["cpu.max=7000 200000"]],
    [{ quota: 0, period: 0, shares: 0, cpus: "", mems: "" }, undefined, []],
    [
      { idle: 1, burst: 100, cpus: "0", mems: "0-1" },
      undefined,
      ["cpu.idle=1", "cpu.max.burst=100", "cpuset.cpus=0", "cpuset.mems=0-1"],
    ],
  ])("turns %j beside %j into %j", (cpu = {}, cpuMax, files) => {
    expect(written({ cpu }, { cpuMax })).toEqual(files);
  });

  it.each(["realtimeRuntime", "realtimePeriod"])("refuses %s", (field) => {
    expect(errorOf(() => written({ cpu: { [field]: 1 } }))).toMatchObject({
      code: "ERR_RUNLET_UNSUPPORTED",
      pointer: `/linux/resources/cpu/${field}`,
    });
    expect(written({ cpu: { [field]: 0 } })).toEqual([]);
  });
});

describe("blockIO", () => {
  it("converts weights, unless they are BFQ's", () => {
    const blockIO = { weight: 100, weightDevice: [{ major: 8, minor: 0, weight: 1000 }] };
    expect(written({ blockIO })).toEqual(["io.weight=910", "io.weight=8:0 10000"]);
    expect(written({ blockIO }, { hasBfq: true })).toEqual(["io.bfq.weight=100", "io.bfq.weight=8:0 1000"]);
  });

  it("writes one key of io.max for each rate", () => {
    const blockIO = {
      throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1024 }],
      throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 2048 }],
      throttleReadIOPSDevice: [{ major: 8, minor: 0, rate: 3 }],
      throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 0 }],
    };
    expect(written({ blockIO })).toEqual([
      "io.max=8:0 rbps=1024",
      "io.max=8:0 wbps=2048",
      "io.max=8:0 riops=3",
      "io.max=8:0 wiops=max",
    ]);
  });

  it.each([
    [{ leafWeight: 10 }, "leafWeight"],
    [{ weightDevice: [{ major: 8, minor: 0, leafWeight: 10 }] }, "weightDevice/0/leafWeight"],
    [{ weight: 5 }, "weight"],
    [{ throttleReadBpsDevice: [{ major: -1, minor: 0, rate: 1 }] }, "throttleReadBpsDevice/0"],
  ])("refuses %j", (blockIO, field) => {
    expect(errorOf(() => written({ blockIO })).pointer).toBe(`/linux/resources/blockIO/${field}`);
  });
});

describe("unified", () => {
  it("writes each line by itself, after the converted fields", () => {
    const unified = { "memory.high": "100", "io.max": "8:0 rbps=1\n8:16 wbps=2\n" };
    expect(written({ pids: { limit: 5 }, unified })).toEqual([
      "pids.max=5",
      "memory.high=100",
      "io.max=8:0 rbps=1",
      "io.max=8:16 wbps=2",
    ]);
  });

  it("empties a file for an empty value", () => {
    expect(written({ unified: { "cpuset.cpus": "" } })).toEqual(["cpuset.cpus=\n"]);
  });

  it.each([
    ["../memory.max", "..~1memory.max", "must be a file name (no slashes)"],
    ["a/b.c", "a~1b.c", "must be a file name (no slashes)"],
    ["memory", "memory", "must be in the form CONTROLLER.PARAMETER"],
    ["..", "..", "must be in the form CONTROLLER.PARAMETER"],
  ])("refuses the key %j", (key, pointed, words) => {
    const error = errorOf(() => written({ unified: { [key]: "1" } }));
    expect(error.pointer).toBe(`/linux/resources/unified/${pointed}`);
    expect(error.message).toContain(words);
  });
});

it("refuses network classes and priorities, and bears their zeros", () => {
  expect(errorOf(() => written({ network: { classID: 1 } })).pointer).toBe("/linux/resources/network/classID");
  expect(errorOf(() => written({ network: { priorities: [{ name: "lo", priority: 1 }] } })).pointer).toBe(
    "/linux/resources/network/priorities",
  );
  expect(written({ network: { classID: 0, priorities: [] } })).toEqual([]);
});

it("writes huge pages with their reservations, pids and rdma", () => {
  const resources: LinuxResources = {
    hugepageLimits: [{ pageSize: "1GB", limit: 0 }],
    pids: { limit: 0 },
    rdma: { mlx5_1: { hcaObjects: 7 } },
  };
  expect(written(resources)).toEqual([
    "pids.max=1",
    "hugetlb.1GB.max=0",
    "hugetlb.1GB.rsvd.max=0",
    "rdma.max=mlx5_1 hca_object=7",
  ]);
});
