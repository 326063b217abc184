import type { LinuxResources } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { limitWrites as v1Writes } from "../v1/limits.ts";
import { limitWrites as v2Writes } from "../v2/limits.ts";
import { bitMask, limitProperties } from "./resource-properties.ts";

const infinity = 2n ** 64n - 1n;

function onV2(resources: LinuxResources): Record<string, unknown> {
  return named(v2Writes(resources, { hasBfq: false }));
}

function named(writes: ReturnType<typeof v2Writes>): Record<string, unknown> {
  return Object.fromEntries(limitProperties(writes).map(({ name, value }) => [name, value]));
}

describe("limitProperties", () => {
  it("has a property for each file of v2 that systemd manages", () => {
    const resources: LinuxResources = {
      memory: { limit: 1000, swap: 1500, reservation: 10 },
      cpu: { shares: 1024, cpus: "0,9", mems: "0" },
      pids: { limit: -1 },
      blockIO: { weight: 500, weightDevice: [{ major: 8, minor: 0, weight: 10 }] },
      unified: { "memory.high": "900", "memory.min": "1", "memory.oom.group": "1" },
    };
    expect(onV2(resources)).toEqual({
      MemoryMax: 1000n,
      MemorySwapMax: 500n,
      MemoryLow: 10n,
      MemoryHigh: 900n,
      MemoryMin: 1n,
      CPUWeight: 100n,
      AllowedCPUs: new Uint8Array([1, 2]),
      AllowedMemoryNodes: new Uint8Array([1]),
      TasksMax: infinity,
      IOWeight: 4950n,
    });
  });

  it.each<[LinuxResources["cpu"], Record<string, bigint>]>([
    [
      { quota: 50000, period: 200000 },
      { CPUQuotaPeriodUSec: 200000n, CPUQuotaPerSecUSec: 250000n },
    ],
    // A third of a processor is 333 333 µs: 34 whole percents.
    [
      { quota: 100000, period: 300000 },
      { CPUQuotaPeriodUSec: 300000n, CPUQuotaPerSecUSec: 340000n },
    ],
    [{ quota: -1 }, { CPUQuotaPeriodUSec: 100000n, CPUQuotaPerSecUSec: infinity }],
  ])("counts the quota for each second: %j", (cpu = {}, properties) => {
    expect(onV2({ cpu })).toEqual(properties);
  });

  it("has the properties of v1 for its files, and none for cpusets", () => {
    const resources: LinuxResources = {
      memory: { limit: 1000 },
      cpu: { shares: 512, quota: 50000, cpus: "0" },
      pids: { limit: 7 },
    };
    expect(named(v1Writes(resources, { hasBfq: false }))).toEqual({
      MemoryLimit: 1000n,
      CPUShares: 512n,
      CPUQuotaPerSecUSec: 500000n,
      TasksMax: 7n,
    });
  });
});

it("sets a bit for each CPU", () => {
  expect(bitMask([])).toEqual(new Uint8Array([]));
  expect(bitMask([0, 7, 8, 23])).toEqual(new Uint8Array([0x81, 0x01, 0x80]));
});
