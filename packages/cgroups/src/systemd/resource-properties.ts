import type { CgroupWrite } from "../cgroup.ts";
import { parseList } from "../stat-file.ts";
import type { UnitProperty } from "./property.ts";

/** A property that a limit becomes, with the write that it stands for. */
export interface LimitProperty extends UnitProperty {
  readonly write: CgroupWrite;
  /** The first version of systemd that knows it. */
  readonly since: number;
}

const infinity = 2n ** 64n - 1n;
const defaultPeriodUs = 100_000n;

/**
 * What systemd is told of a container's limits, so that it does not write others over them: each file that systemd manages as
 * its property. Files without a property stay with the file system driver.
 *
 * @param writes - the file system driver's.
 */
export function limitProperties(writes: readonly CgroupWrite[]): LimitProperty[] {
  return [...writes.flatMap(simpleProperty), ...quotaProperties(writes)];
}

/** Properties of one number, by the file of v2 or v1. */
const numberProperties: Readonly<Record<string, readonly [name: string, since: number]>> = {
  "memory.max": ["MemoryMax", 231],
  "memory.high": ["MemoryHigh", 231],
  "memory.low": ["MemoryLow", 231],
  "memory.min": ["MemoryMin", 240],
  "memory.swap.max": ["MemorySwapMax", 232],
  "memory.limit_in_bytes": ["MemoryLimit", 230],
  "cpu.weight": ["CPUWeight", 231],
  "cpu.shares": ["CPUShares", 230],
  "pids.max": ["TasksMax", 230],
  "io.weight": ["IOWeight", 231],
  "blkio.weight": ["BlockIOWeight", 230],
};

const listProperties: Readonly<Record<string, string>> = {
  "cpuset.cpus": "AllowedCPUs",
  "cpuset.mems": "AllowedMemoryNodes",
};

function simpleProperty(write: CgroupWrite): LimitProperty[] {
  const number = numberProperties[write.file];
  if (number !== undefined && /^(max|-?\d+)$/.test(write.value)) {
    const value = write.value === "max" || write.value.startsWith("-") ? infinity : BigInt(write.value);
    return [{ name: number[0], since: number[1], signature: "t", value, write }];
  }
  const list = listProperties[write.file];
  // systemd manages cpusets on v2 only, where a write has no controller.
  if (list === undefined || write.controller !== "") return [];
  return [{ name: list, since: 244, signature: "ay", value: bitMask(parseList(write.value)), write }];
}

/** Bit n of the mask is CPU or node n, byte 0 first. */
export function bitMask(numbers: readonly number[]): Uint8Array {
  const mask = new Uint8Array(Math.floor(Math.max(-1, ...numbers) / 8) + 1);
  for (const number of numbers) mask[number >> 3] = (mask[number >> 3] ?? 0) | (1 << (number & 7));
  return mask;
}

/** systemd has a quota for each second; it keeps whole percents, so that a fraction is rounded up to leave room for the file. */
function quotaProperties(writes: readonly CgroupWrite[]): LimitProperty[] {
  const v2 = writes.find((write) => write.file === "cpu.max");
  const quotaWrite = v2 ?? writes.find((write) => write.file === "cpu.cfs_quota_us");
  const periodWrite = v2 ?? writes.find((write) => write.file === "cpu.cfs_period_us");
  const [quotaWord, periodWord] = v2 === undefined ? [quotaWrite?.value, periodWrite?.value] : v2.value.split(" ");
  const properties: LimitProperty[] = [];
  if (periodWord !== undefined && periodWrite !== undefined) {
    const value = BigInt(periodWord);
    properties.push({ name: "CPUQuotaPeriodUSec", since: 242, signature: "t", value, write: periodWrite });
  }
  if (quotaWord !== undefined && quotaWrite !== undefined) {
    const value = quotaPerSecond(quotaWord, BigInt(periodWord ?? defaultPeriodUs));
    properties.push({ name: "CPUQuotaPerSecUSec", since: 213, signature: "t", value, write: quotaWrite });
  }
  return properties;
}

function quotaPerSecond(quotaWord: string, periodUs: bigint): bigint {
  if (quotaWord === "max" || quotaWord.startsWith("-")) return infinity;
  const perSecondUs = (BigInt(quotaWord) * 1_000_000n) / periodUs;
  const percentUs = 10_000n;
  return ((perSecondUs + percentUs - 1n) / percentUs) * percentUs;
}
