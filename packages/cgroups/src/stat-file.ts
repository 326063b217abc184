import { readdirSync } from "node:fs";
import { isGone, readTextIfExists } from "./cgroup-file.ts";
import type { Count, CpusetStats, Pressure, PressureLine } from "./stats.ts";

/** A number of the kernel as a {@link Count}. `max` stands for no limit and is 2^64 - 1, as runc has it. */
export function toCount(text: string): Count {
  const number = Number(text);
  if (Number.isSafeInteger(number)) return number;
  return text === "max" ? 2n ** 64n - 1n : BigInt(text);
}

/** The sum, exact. */
export function addCounts(one: Count, other: Count): Count {
  const sum = BigInt(one) + BigInt(other);
  return sum <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(sum) : sum;
}

/** The product with a whole number, exact. */
export function multiplyCount(count: Count, factor: number): Count {
  const product = BigInt(count) * BigInt(factor);
  return product <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(product) : product;
}

/** The number that a file holds, or undefined when there is none. */
export function readCount(hostPath: string): Count | undefined {
  const text = readTextIfExists(hostPath);
  return text === undefined || text === "" ? undefined : toCount(text);
}

/** The lines `name number` of a file, by name. Empty when there is none. */
export function readCounts(hostPath: string): Record<string, Count> {
  const counts: Record<string, Count> = {};
  for (const line of (readTextIfExists(hostPath) ?? "").split("\n")) {
    const [name, value] = line.split(" ");
    if (name !== undefined && value !== undefined && /^-?\d+$/.test(value)) counts[name] = toCount(value);
  }
  return counts;
}

/** A count under a name, or nothing for 0 and undefined: runc leaves these out. */
export function nonZero<Name extends string>(name: Name, count: Count | undefined): { [Key in Name]?: Count } {
  return count === undefined || BigInt(count) === 0n ? {} : ({ [name]: count } as { [Key in Name]?: Count });
}

/** Reads a pressure file. Undefined where the kernel does not count: CONFIG_PSI, `psi=1`, `cgroup.pressure`. */
export function readPressure(hostPath: string): { psi?: Pressure } {
  const text = readTextIfExists(hostPath);
  return text === undefined ? {} : parsePressure(text);
}

/** Reads the text of a pressure file: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`. */
export function parsePressure(text: string): { psi?: Pressure } {
  const psi: { some?: PressureLine; full?: PressureLine } = {};
  for (const line of text.split("\n")) {
    const match = /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/.exec(line);
    if (match === null) continue;
    const [, kind, avg10, avg60, avg300, total] = match;
    psi[kind as "some" | "full"] = {
      avg10: Number(avg10),
      avg60: Number(avg60),
      avg300: Number(avg300),
      total: toCount(total ?? "0"),
    };
  }
  return psi.some === undefined && psi.full === undefined ? {} : { psi };
}

/** The numbers of a list in cpuset(7) format: `0-2,7` is 0, 1, 2 and 7. */
export function parseList(text: string): number[] {
  return text
    .split(",")
    .filter((range) => range !== "")
    .flatMap((range) => {
      const [first, last] = range.split("-");
      const start = Number(first);
      return Array.from({ length: Number(last ?? first) - start + 1 }, (_, index) => start + index);
    });
}

/** The cpuset controller's files; v2 has only the lists. */
export function readCpuset(hostPath: string, cpusFile: string, memsFile: string): CpusetStats {
  const flag = (name: string): Count => readCount(`${hostPath}/cpuset.${name}`) ?? 0;
  const cpus = parseList(readTextIfExists(`${hostPath}/${cpusFile}`) ?? "");
  const mems = parseList(readTextIfExists(`${hostPath}/${memsFile}`) ?? "");
  return {
    ...(cpus.length > 0 && { cpus }),
    cpu_exclusive: flag("cpu_exclusive"),
    ...(mems.length > 0 && { mems }),
    mem_hardwall: flag("mem_hardwall"),
    mem_exclusive: flag("mem_exclusive"),
    memory_migrate: flag("memory_migrate"),
    memory_spread_page: flag("memory_spread_page"),
    memory_spread_slab: flag("memory_spread_slab"),
    memory_pressure: flag("memory_pressure"),
    sched_load_balance: flag("sched_load_balance"),
    sched_relax_domain_level: flag("sched_relax_domain_level"),
  };
}

/** Sizes of huge pages for which a group has files: `2MB` of `hugetlb.2MB.max`. */
export function hugepageSizes(hostPath: string, limitFile: string): string[] {
  try {
    return readdirSync(hostPath)
      .map((name) => /^hugetlb\.(\d+[KMG]B)\.(.+)$/.exec(name))
      .filter((match) => match?.[2] === limitFile)
      .map((match) => match?.[1] ?? "");
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}
