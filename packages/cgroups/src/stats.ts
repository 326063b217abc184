/**
 * A counter or limit of the kernel: a `number` as long as that is exact, else a `bigint`. Limits that are not set are close to
 * 2^63 (v1) or 2^64 (v2).
 */
export type Count = number | bigint;

/** Share of time that tasks waited, for one kind. @see Documentation/accounting/psi.rst */
export interface PressureLine {
  /** Percent of the last 10 seconds. */
  readonly avg10: number;
  /** Percent of the last 60 seconds. */
  readonly avg60: number;
  /** Percent of the last 300 seconds. */
  readonly avg300: number;
  /** Microseconds. */
  readonly total: Count;
}

/** Pressure stall information: `some` or all (`full`) tasks waited. */
export interface Pressure {
  readonly some?: PressureLine;
  readonly full?: PressureLine;
}

/** Processor time, in nanoseconds. */
export interface CpuStats {
  readonly usage: {
    readonly total?: Count;
    readonly percpu?: readonly Count[];
    readonly percpu_kernel?: readonly Count[];
    readonly percpu_user?: readonly Count[];
    readonly kernel: Count;
    readonly user: Count;
  };
  readonly throttling: {
    readonly periods?: Count;
    readonly throttledPeriods?: Count;
    /** Nanoseconds. */
    readonly throttledTime?: Count;
  };
  readonly psi?: Pressure;
}

/** The cpuset controller; the numbers are v1's flags. */
export interface CpusetStats {
  readonly cpus?: readonly number[];
  readonly cpu_exclusive: Count;
  readonly mems?: readonly number[];
  readonly mem_hardwall: Count;
  readonly mem_exclusive: Count;
  readonly memory_migrate: Count;
  readonly memory_spread_page: Count;
  readonly memory_spread_slab: Count;
  readonly memory_pressure: Count;
  readonly sched_load_balance: Count;
  readonly sched_relax_domain_level: Count;
}

/** One kind of memory, in bytes. */
export interface MemoryEntry {
  readonly limit: Count;
  readonly usage?: Count;
  readonly max?: Count;
  /** How often the limit was hit. */
  readonly failcnt: Count;
}

/** The memory controller. `swap` is memory and swap together, on v2 as on v1. */
export interface MemoryStats {
  /** Bytes of page cache. */
  readonly cache?: Count;
  readonly usage: MemoryEntry;
  readonly swap: MemoryEntry;
  readonly kernel: MemoryEntry;
  readonly kernelTCP: MemoryEntry;
  /** `memory.stat`. */
  readonly raw?: Readonly<Record<string, Count>>;
  readonly psi?: Pressure;
}

/** One device and operation of the blkio or io controller. */
export interface BlkioEntry {
  readonly major?: Count;
  readonly minor?: Count;
  readonly op?: string;
  readonly value?: Count;
}

/** The blkio or io controller. */
export interface BlkioStats {
  readonly ioServiceBytesRecursive?: readonly BlkioEntry[];
  readonly ioServicedRecursive?: readonly BlkioEntry[];
  readonly ioQueueRecursive?: readonly BlkioEntry[];
  readonly ioServiceTimeRecursive?: readonly BlkioEntry[];
  readonly ioWaitTimeRecursive?: readonly BlkioEntry[];
  readonly ioMergedRecursive?: readonly BlkioEntry[];
  readonly ioTimeRecursive?: readonly BlkioEntry[];
  readonly sectorsRecursive?: readonly BlkioEntry[];
  readonly psi?: Pressure;
}

/** Huge pages of one size. */
export interface HugetlbStats {
  readonly usage?: Count;
  readonly max?: Count;
  readonly failcnt: Count;
}

/**
 * Usage and limits of a control group, named and nested as runc's `events --stats` prints them under `data`. As there, a 0 is
 * left out where it says nothing. `intel_rdt` and `network_interfaces` are not of control groups: the caller fills them in.
 */
export interface CgroupStats {
  readonly cpu: CpuStats;
  readonly cpuset: CpusetStats;
  readonly memory: MemoryStats;
  readonly pids: { readonly current?: Count; readonly limit?: Count };
  readonly blkio: BlkioStats;
  /** By size of page: `2MB`. */
  readonly hugetlb: Readonly<Record<string, HugetlbStats>>;
}

/** JSON of stats, or of an object that holds them; a `bigint` is printed as the number that it is. */
export function formatStats(value: unknown): string {
  const exact: bigint[] = [];
  const text = JSON.stringify(value, (_, part: unknown) => {
    // A NUL marks a place for a number; a string that begins with one is marked as such.
    if (typeof part === "string") return part.startsWith("\0") ? `\0s${part}` : part;
    if (typeof part !== "bigint") return part;
    exact.push(part);
    return `\0${exact.length - 1}`;
  });
  return text.replace(/"\\u0000(?:(\d+)"|s)/g, (_, index?: string) =>
    index === undefined ? '"' : String(exact[Number(index)]),
  );
}
