import { readTextIfExists } from "../cgroup-file.ts";
import {
  addCounts,
  hugepageSizes,
  multiplyCount,
  nonZero,
  readCount,
  readCounts,
  readCpuset,
  readPressure,
  toCount,
} from "../stat-file.ts";
import type { BlkioEntry, BlkioStats, CgroupStats, Count, HugetlbStats, MemoryStats } from "../stats.ts";

/** Reads the statistics of a v2 group, in the units of v1. */
export function readStats(hostPath: string): CgroupStats {
  return {
    cpu: cpuStats(hostPath),
    cpuset: readCpuset(hostPath, "cpuset.cpus.effective", "cpuset.mems.effective"),
    memory: memoryStats(hostPath),
    pids: {
      ...nonZero("current", readCount(`${hostPath}/pids.current`)),
      ...nonZero("limit", pidsLimit(hostPath)),
    },
    blkio: { ...blkioStats(hostPath), ...readPressure(`${hostPath}/io.pressure`) },
    hugetlb: hugetlbStats(hostPath),
  };
}

function pidsLimit(hostPath: string): Count | undefined {
  const text = readTextIfExists(`${hostPath}/pids.max`);
  return text === undefined || text === "max" ? undefined : toCount(text);
}

function cpuStats(hostPath: string): CgroupStats["cpu"] {
  const counts = readCounts(`${hostPath}/cpu.stat`);
  return {
    usage: {
      ...nonZero("total", multiplyCount(counts.usage_usec ?? 0, 1000)),
      kernel: multiplyCount(counts.system_usec ?? 0, 1000),
      user: multiplyCount(counts.user_usec ?? 0, 1000),
    },
    throttling: {
      ...nonZero("periods", counts.nr_periods),
      ...nonZero("throttledPeriods", counts.nr_throttled),
      ...nonZero("throttledTime", multiplyCount(counts.throttled_usec ?? 0, 1000)),
    },
    ...readPressure(`${hostPath}/cpu.pressure`),
  };
}

function memoryStats(hostPath: string): MemoryStats {
  const raw = readCounts(`${hostPath}/memory.stat`);
  const usage = readCount(`${hostPath}/memory.current`) ?? 0;
  const limit = readCount(`${hostPath}/memory.max`) ?? 0;
  const swapUsage = readCount(`${hostPath}/memory.swap.current`) ?? 0;
  const swapLimit = readCount(`${hostPath}/memory.swap.max`) ?? 0;
  const isUnlimited = typeof swapLimit === "bigint" || typeof limit === "bigint";
  return {
    ...nonZero("cache", raw.file),
    usage: {
      limit,
      ...nonZero("usage", usage),
      ...nonZero("max", readCount(`${hostPath}/memory.peak`)),
      failcnt: readCounts(`${hostPath}/memory.events`).max ?? 0,
    },
    swap: {
      limit: isUnlimited ? 2n ** 64n - 1n : addCounts(limit, swapLimit),
      ...nonZero("usage", addCounts(usage, swapUsage)),
      failcnt: readCounts(`${hostPath}/memory.swap.events`).max ?? 0,
    },
    kernel: { limit: 0, failcnt: 0 },
    kernelTCP: { limit: 0, failcnt: 0 },
    ...(Object.keys(raw).length > 0 && { raw }),
    ...readPressure(`${hostPath}/memory.pressure`),
  };
}

const ioFields = {
  rbytes: ["ioServiceBytesRecursive", "Read"],
  wbytes: ["ioServiceBytesRecursive", "Write"],
  dbytes: ["ioServiceBytesRecursive", "Discard"],
  rios: ["ioServicedRecursive", "Read"],
  wios: ["ioServicedRecursive", "Write"],
  dios: ["ioServicedRecursive", "Discard"],
} as const;

/** Lines `8:0 rbytes=4096 wbytes=0 rios=1 …` of `io.stat`. */
function blkioStats(hostPath: string): BlkioStats {
  const entries: { ioServiceBytesRecursive: BlkioEntry[]; ioServicedRecursive: BlkioEntry[] } = {
    ioServiceBytesRecursive: [],
    ioServicedRecursive: [],
  };
  for (const line of (readTextIfExists(`${hostPath}/io.stat`) ?? "").split("\n")) {
    const [device, ...pairs] = line.split(" ");
    const [major, minor] = (device ?? "").split(":");
    for (const pair of pairs) {
      const [key, value] = pair.split("=");
      if (key === undefined || !(key in ioFields)) continue;
      const [field, op] = ioFields[key as keyof typeof ioFields];
      entries[field].push({
        ...nonZero("major", Number(major)),
        ...nonZero("minor", Number(minor)),
        op,
        ...nonZero("value", toCount(value ?? "0")),
      });
    }
  }
  return Object.fromEntries(Object.entries(entries).filter(([, list]) => list.length > 0));
}

function hugetlbStats(hostPath: string): Record<string, HugetlbStats> {
  return Object.fromEntries(
    hugepageSizes(hostPath, "max").map((size) => [
      size,
      {
        ...nonZero("usage", readCount(`${hostPath}/hugetlb.${size}.current`)),
        failcnt: readCounts(`${hostPath}/hugetlb.${size}.events`).max ?? 0,
      },
    ]),
  );
}
