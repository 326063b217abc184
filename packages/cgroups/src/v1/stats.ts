import { readTextIfExists } from "../cgroup-file.ts";
import { hugepageSizes, multiplyCount, nonZero, readCount, readCounts, readCpuset, toCount } from "../stat-file.ts";
import type { BlkioEntry, BlkioStats, CgroupStats, Count, CpuStats, HugetlbStats, MemoryEntry } from "../stats.ts";

/** Nanoseconds in a tick of `cpuacct.stat`: USER_HZ is 100 on every architecture that runlet supports. */
const tickNs = 10_000_000;

/** Reads the statistics of a v1 group. @param hostPaths - its directories by controller. */
export function readStats(hostPaths: Readonly<Record<string, string>>): CgroupStats {
  const { cpu, cpuacct, cpuset, memory, pids, blkio, hugetlb } = hostPaths;
  return {
    cpu: { usage: cpuUsage(cpuacct), throttling: cpuThrottling(cpu) },
    cpuset: readCpuset(cpuset ?? "", "cpuset.cpus", "cpuset.mems"),
    memory: memoryStats(memory ?? ""),
    pids: {
      ...nonZero("current", readCount(`${pids}/pids.current`)),
      ...nonZero("limit", pidsLimit(pids)),
    },
    blkio: blkio === undefined ? {} : blkioStats(blkio),
    hugetlb: hugetlb === undefined ? {} : hugetlbStats(hugetlb),
  };
}

function pidsLimit(hostPath: string | undefined): Count | undefined {
  const text = readTextIfExists(`${hostPath}/pids.max`);
  return text === undefined || text === "max" ? undefined : toCount(text);
}

function cpuUsage(hostPath: string | undefined): CpuStats["usage"] {
  const ticks = readCounts(`${hostPath}/cpuacct.stat`);
  const total = readCount(`${hostPath}/cpuacct.usage`);
  const percpu = (readTextIfExists(`${hostPath}/cpuacct.usage_percpu`) ?? "").split(" ").filter(Boolean).map(toCount);
  // `cpu user system`, a heading and a line for each.
  const all = (readTextIfExists(`${hostPath}/cpuacct.usage_all`) ?? "")
    .split("\n")
    .slice(1)
    .map((line) => line.split(" "));
  return {
    ...nonZero("total", total),
    ...(percpu.length > 0 && { percpu }),
    ...(all.length > 0 && {
      percpu_kernel: all.map(([, , system]) => toCount(system ?? "0")),
      percpu_user: all.map(([, user]) => toCount(user ?? "0")),
    }),
    kernel: multiplyCount(ticks.system ?? 0, tickNs),
    user: multiplyCount(ticks.user ?? 0, tickNs),
  };
}

function cpuThrottling(hostPath: string | undefined): CpuStats["throttling"] {
  const counts = readCounts(`${hostPath}/cpu.stat`);
  return {
    ...nonZero("periods", counts.nr_periods),
    ...nonZero("throttledPeriods", counts.nr_throttled),
    ...nonZero("throttledTime", counts.throttled_time),
  };
}

function memoryStats(hostPath: string): CgroupStats["memory"] {
  const raw = readCounts(`${hostPath}/memory.stat`);
  return {
    ...nonZero("cache", raw.cache),
    usage: memoryEntry(hostPath, "memory"),
    swap: memoryEntry(hostPath, "memory.memsw"),
    kernel: memoryEntry(hostPath, "memory.kmem"),
    kernelTCP: memoryEntry(hostPath, "memory.kmem.tcp"),
    ...(Object.keys(raw).length > 0 && { raw }),
  };
}

function memoryEntry(hostPath: string, prefix: string): MemoryEntry {
  const count = (name: string): Count | undefined => readCount(`${hostPath}/${prefix}.${name}`);
  return {
    limit: count("limit_in_bytes") ?? 0,
    ...nonZero("usage", count("usage_in_bytes")),
    ...nonZero("max", count("max_usage_in_bytes")),
    failcnt: count("failcnt") ?? 0,
  };
}

/** CFQ counts most, BFQ less, the throttling layer the least; the first that has counted speaks. */
function blkioStats(hostPath: string): BlkioStats {
  if (blkioEntries(`${hostPath}/blkio.io_serviced_recursive`).length > 0) {
    return blkioOf((name) => blkioEntries(`${hostPath}/blkio.${name}_recursive`));
  }
  if (blkioEntries(`${hostPath}/blkio.bfq.io_serviced_recursive`).length > 0) {
    return blkioOf((name) => blkioEntries(`${hostPath}/blkio.bfq.${name}_recursive`));
  }
  return blkioOf((name) =>
    name === "io_service_bytes" || name === "io_serviced"
      ? blkioEntries(`${hostPath}/blkio.throttle.${name}_recursive`)
      : [],
  );
}

function blkioOf(read: (name: string) => BlkioEntry[]): BlkioStats {
  const fields = [
    ["ioServiceBytesRecursive", "io_service_bytes"],
    ["ioServicedRecursive", "io_serviced"],
    ["ioQueueRecursive", "io_queued"],
    ["ioServiceTimeRecursive", "io_service_time"],
    ["ioWaitTimeRecursive", "io_wait_time"],
    ["ioMergedRecursive", "io_merged"],
    ["ioTimeRecursive", "time"],
    ["sectorsRecursive", "sectors"],
  ] as const;
  return Object.fromEntries(
    fields.map(([field, name]) => [field, read(name)] as const).filter(([, entries]) => entries.length > 0),
  );
}

/** Lines `8:0 Read 4096`; `8:0 12` has no operation, and `Total 4096` is of no device. */
function blkioEntries(hostPath: string): BlkioEntry[] {
  return (readTextIfExists(hostPath) ?? "").split("\n").flatMap((line) => {
    const match = /^(\d+):(\d+) (?:(\w+) )?(\d+)$/.exec(line);
    if (match === null) return [];
    const [, major, minor, op, value] = match;
    return [
      {
        ...nonZero("major", Number(major)),
        ...nonZero("minor", Number(minor)),
        ...(op !== undefined && { op }),
        ...nonZero("value", toCount(value ?? "0")),
      },
    ];
  });
}

function hugetlbStats(hostPath: string): Record<string, HugetlbStats> {
  return Object.fromEntries(
    hugepageSizes(hostPath, "limit_in_bytes").map((size) => [
      size,
      {
        ...nonZero("usage", readCount(`${hostPath}/hugetlb.${size}.usage_in_bytes`)),
        ...nonZero("max", readCount(`${hostPath}/hugetlb.${size}.max_usage_in_bytes`)),
        failcnt: readCount(`${hostPath}/hugetlb.${size}.failcnt`) ?? 0,
      },
    ]),
  );
}
