import type { LinuxResources } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { errorOf } from "../../test/errors.ts";
import { limitWrites } from "./limits.ts";

function written(resources: LinuxResources, hasBfq = false): string[] {
  return limitWrites(resources, { hasBfq }).map(({ controller, file, value }) => `${controller}/${file}=${value}`);
}

describe("memory", () => {
  it("writes limit, swap, reservation, OOM control and swappiness", () => {
    const memory = { limit: 1000, swap: 2000, reservation: 500, disableOOMKiller: true, swappiness: 0 };
    expect(written({ memory })).toEqual([
      "memory/memory.limit_in_bytes=1000",
      "memory/memory.memsw.limit_in_bytes=2000",
      "memory/memory.soft_limit_in_bytes=500",
      "memory/memory.oom_control=1",
      "memory/memory.swappiness=0",
    ]);
  });

  it("takes the limit off swap with the limit of memory, where the kernel counts swap", () => {
    const writes = limitWrites({ memory: { limit: -1 } }, { hasBfq: false });
    expect(writes.map(({ file, value, mayBeMissing }) => [file, value, mayBeMissing])).toEqual([
      ["memory.limit_in_bytes", "-1", undefined],
      ["memory.memsw.limit_in_bytes", "-1", true],
    ]);
  });

  it("leaves out zeros, kernel memory and an unset swappiness", () => {
    const memory = { limit: 0, swap: 0, reservation: 0, kernel: 5, kernelTCP: 5, swappiness: 2n ** 64n - 1n };
    expect(written({ memory })).toEqual([]);
  });

  it("keeps what does not fit a number", () => {
    expect(written({ memory: { limit: 9223372036854775807n } })).toEqual([
      "memory/memory.limit_in_bytes=9223372036854775807",
    ]);
  });

  it("refuses a swappiness above 100", () => {
    expect(errorOf(() => written({ memory: { swappiness: 101 } }))).toMatchObject({
      code: "ERR_RUNLET_CONFIG_INVALID",
      pointer: "/linux/resources/memory/swappiness",
      message: "invalid memory swappiness value: 101 (valid range is 0-100)",
    });
  });
});

describe("cpu", () => {
  it("writes in an order in which new groups take it", () => {
    const cpu = {
      shares: 512,
      quota: 50000,
      period: 100000,
      burst: 1000,
      idle: 0,
      realtimePeriod: 1000000,
      realtimeRuntime: 950000,
      cpus: "0-1",
      mems: "0",
    };
    expect(written({ cpu })).toEqual([
      "cpu/cpu.shares=512",
      "cpu/cpu.cfs_period_us=100000",
      "cpu/cpu.cfs_burst_us=1000",
      "cpu/cpu.cfs_quota_us=50000",
      "cpu/cpu.idle=0",
      "cpu/cpu.rt_period_us=1000000",
      "cpu/cpu.rt_runtime_us=950000",
      "cpuset/cpuset.cpus=0-1",
      "cpuset/cpuset.mems=0",
    ]);
  });

  it("takes zeros and empty lists for unset", () => {
    expect(
      written({ cpu: { shares: 0, quota: 0, period: 0, realtimePeriod: 0, realtimeRuntime: 0, cpus: "", mems: "" } }),
    ).toEqual([]);
  });

  it.each([
    [1, "the minimum allowed cpu-shares is 2"],
    [262145, "the maximum allowed cpu-shares is 262144"],
  ])("refuses %s shares, which the kernel would change in silence", (shares, message) => {
    expect(errorOf(() => written({ cpu: { shares } }))).toMatchObject({
      pointer: "/linux/resources/cpu/shares",
      message,
    });
  });
});

describe("pids", () => {
  it.each([
    [7, "7", undefined],
    [0, "1", "0"],
    [-1, "max", "-1"],
  ])("turns a limit of %s into %s", (limit, value, given) => {
    expect(limitWrites({ pids: { limit } }, { hasBfq: false })).toEqual([
      {
        from: "/linux/resources/pids/limit",
        controller: "pids",
        file: "pids.max",
        value,
        ...(given !== undefined && { given }),
      },
    ]);
  });
});

describe("blockIO", () => {
  const blockIO = {
    weight: 100,
    leafWeight: 0,
    weightDevice: [{ major: 8, minor: 0, weight: 200 }],
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1024 }],
    throttleWriteBpsDevice: [{ major: 8, minor: 1, rate: 18446744073709551615n }],
    throttleReadIOPSDevice: [{ major: 8, minor: 2, rate: 3 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 3, rate: 0 }],
  };

  it("writes weights and rates", () => {
    expect(written({ blockIO })).toEqual([
      "blkio/blkio.weight=100",
      "blkio/blkio.weight_device=8:0 200",
      "blkio/blkio.throttle.read_bps_device=8:0 1024",
      "blkio/blkio.throttle.write_bps_device=8:1 18446744073709551615",
      "blkio/blkio.throttle.read_iops_device=8:2 3",
      "blkio/blkio.throttle.write_iops_device=8:3 0",
    ]);
  });

  it("writes BFQ's files where these are the ones that there are", () => {
    expect(written({ blockIO }, true).slice(0, 2)).toEqual([
      "blkio/blkio.bfq.weight=100",
      "blkio/blkio.bfq.weight_device=8:0 200",
    ]);
  });

  it("names the throttle in its pointer", () => {
    const writes = limitWrites({ blockIO }, { hasBfq: false });
    expect(writes.at(-1)?.from).toBe("/linux/resources/blockIO/throttleWriteIOPSDevice/0");
  });
});

it("writes huge pages with their reservations, network and rdma", () => {
  const resources: LinuxResources = {
    hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }],
    network: { classID: 1048577, priorities: [{ name: "eth0", priority: 5 }] },
    rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10000 } },
  };
  expect(written(resources)).toEqual([
    "hugetlb/hugetlb.2MB.limit_in_bytes=4194304",
    "hugetlb/hugetlb.2MB.rsvd.limit_in_bytes=4194304",
    "net_cls/net_cls.classid=1048577",
    "net_prio/net_prio.ifpriomap=eth0 5",
    "rdma/rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
  ]);
});

it("refuses unified, a bad page size and an rdma device without limits", () => {
  expect(errorOf(() => written({ unified: { "memory.high": "1" } }))).toMatchObject({
    code: "ERR_RUNLET_UNSUPPORTED",
    pointer: "/linux/resources/unified",
  });
  expect(errorOf(() => written({ hugepageLimits: [{ pageSize: "../x", limit: 1 }] })).pointer).toBe(
    "/linux/resources/hugepageLimits/0/pageSize",
  );
  expect(errorOf(() => written({ rdma: { "a/b": {} } })).pointer).toBe("/linux/resources/rdma/a~1b");
});
