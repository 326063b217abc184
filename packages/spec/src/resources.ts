import type { Int64, Uint16, Uint32, Uint64 } from "./integer.ts";

/**
 * Limits of a container's control group.
 *
 * @see config-linux.md#control-groups
 */
export interface LinuxResources {
  /** Which devices may be used; applied in order. (config-linux.md#allowed-device-list) */
  devices?: LinuxDeviceCgroup[];
  /** Memory. (config-linux.md#memory) */
  memory?: LinuxMemory;
  /** Processor time. (config-linux.md#cpu) */
  cpu?: LinuxCPU;
  /** Number of tasks. (config-linux.md#pids) */
  pids?: LinuxPids;
  /** Block devices. (config-linux.md#block-io) */
  blockIO?: LinuxBlockIO;
  /** Huge pages, by their size. (config-linux.md#huge-page-limits) */
  hugepageLimits?: LinuxHugepageLimit[];
  /** Class and priorities of network packets, cgroup v1. (config-linux.md#network) */
  network?: LinuxNetwork;
  /** Remote direct memory access, by the device's name. (config-linux.md#rdma) */
  rdma?: Record<string, LinuxRdma>;
  /** Files of cgroup v2 and what is written to them. Keys MUST NOT hold a slash. (config-linux.md#unified) */
  unified?: Record<string, string>;
}

/** Types of a device rule; `a` is every device. (config-linux.md#allowed-device-list) */
export const deviceRuleTypes = ["a", "c", "b"] as const;

/** A type of a device rule. */
export type DeviceRuleType = (typeof deviceRuleTypes)[number];

/**
 * A rule of the device controller.
 *
 * @see config-linux.md#allowed-device-list
 */
export interface LinuxDeviceCgroup {
  /** Whether the rule allows or denies. */
  allow: boolean;
  /** Type of the device; unset is `a`. */
  type?: DeviceRuleType;
  /** Major number; unset or -1 is every one. */
  major?: Int64;
  /** Minor number; unset or -1 is every one. */
  minor?: Int64;
  /**
   * Any of `r` read, `w` write and `m` mknod, in any order.
   *
   * @pattern ^[rwm]*$
   */
  access?: string;
}

/**
 * Memory limits, in bytes. -1 removes a limit.
 *
 * @see config-linux.md#memory
 */
export interface LinuxMemory {
  /** Limit of memory use. */
  limit?: Int64;
  /** Soft limit, which holds under memory pressure. */
  reservation?: Int64;
  /** Limit of memory and swap use together. */
  swap?: Int64;
  /**
   * Limit of kernel memory.
   *
   * @deprecated Kernels since 5.4 do not honour it.
   */
  kernel?: Int64;
  /**
   * Limit of kernel memory for TCP buffers, cgroup v1.
   *
   * @deprecated The specification says not to use it.
   */
  kernelTCP?: Int64;
  /** How eagerly the kernel swaps: 0 to 100, cgroup v1. */
  swappiness?: Uint64;
  /** Whether a task that needs more than the limit is paused instead of killed, cgroup v1. */
  disableOOMKiller?: boolean;
  /** Whether memory is accounted hierarchically, cgroup v1. */
  useHierarchy?: boolean;
  /** Whether a new limit below the current use is refused by the runtime. */
  checkBeforeUpdate?: boolean;
}

/**
 * Processor limits.
 *
 * @see config-linux.md#cpu
 */
export interface LinuxCPU {
  /** Share of processor time relative to other groups; the kernel takes 2 to 262144, 0 is unset. */
  shares?: Uint64;
  /** Time in each period, in microseconds; -1 is no limit. */
  quota?: Int64;
  /** Unused quota that may be used later on top, in microseconds. */
  burst?: Uint64;
  /** Length of a period, in microseconds; the kernel takes 1000 to 1000000, 0 is unset. */
  period?: Uint64;
  /** Time for realtime tasks in each realtime period, in microseconds, cgroup v1; -1 is no limit. */
  realtimeRuntime?: Int64;
  /** Length of a realtime period, in microseconds, cgroup v1. */
  realtimePeriod?: Uint64;
  /** CPUs that may be used, cpuset(7) list format: `0-3,7`. */
  cpus?: string;
  /** Memory nodes that may be used, cpuset(7) list format. */
  mems?: string;
  /** 1 makes the group `SCHED_IDLE`, 0 does not. */
  idle?: Int64;
}

/**
 * Limit of tasks.
 *
 * @see config-linux.md#pids
 */
export interface LinuxPids {
  /** Most tasks in the group; -1 is no limit. */
  limit?: Int64;
}

/**
 * Limits of block devices.
 *
 * @see config-linux.md#block-io
 */
export interface LinuxBlockIO {
  /** Weight of the group: 10 to 1000, 0 is unset. */
  weight?: Uint16;
  /** Weight of the group's own tasks against its child groups, cgroup v1 with CFQ: 10 to 1000, 0 is unset. */
  leafWeight?: Uint16;
  /** Weights by device. */
  weightDevice?: LinuxWeightDevice[];
  /** Bytes read per second, by device. */
  throttleReadBpsDevice?: LinuxThrottleDevice[];
  /** Bytes written per second, by device. */
  throttleWriteBpsDevice?: LinuxThrottleDevice[];
  /** Reads per second, by device. */
  throttleReadIOPSDevice?: LinuxThrottleDevice[];
  /** Writes per second, by device. */
  throttleWriteIOPSDevice?: LinuxThrottleDevice[];
}

/** A block device. */
export interface LinuxBlockIODevice {
  /** Major number. */
  major: Int64;
  /** Minor number. */
  minor: Int64;
}

/** Weight of a block device. At least one of the weights MUST be given. */
export interface LinuxWeightDevice extends LinuxBlockIODevice {
  /** Weight: 10 to 1000, 0 is unset. */
  weight?: Uint16;
  /** Weight of the group's own tasks, cgroup v1 with CFQ: 10 to 1000, 0 is unset. */
  leafWeight?: Uint16;
}

/** Rate of a block device. */
export interface LinuxThrottleDevice extends LinuxBlockIODevice {
  /** Bytes or operations per second. */
  rate: Uint64;
}

/**
 * Limit of huge pages of one size.
 *
 * @see config-linux.md#huge-page-limits
 */
export interface LinuxHugepageLimit {
  /**
   * Size of the page with its unit, powers of 1024: `64KB`, `2MB`, `1GB`.
   *
   * @pattern ^[1-9][0-9]*[KMG]B$
   */
  pageSize: string;
  /** Limit in bytes. */
  limit: Uint64;
}

/**
 * Class and priorities of network packets, cgroup v1.
 *
 * @see config-linux.md#network
 */
export interface LinuxNetwork {
  /** Class of packets for traffic control. */
  classID?: Uint32;
  /** Priorities by interface. */
  priorities?: LinuxInterfacePriority[];
}

/** Priority of traffic through an interface. */
export interface LinuxInterfacePriority {
  /** Name of the interface in the runtime's network namespace. */
  name: string;
  /** The priority. */
  priority: Uint32;
}

/**
 * Limits of an RDMA device. At least one MUST be given.
 *
 * @see config-linux.md#rdma
 */
export interface LinuxRdma {
  /** Most handles of the host channel adapter. */
  hcaHandles?: Uint32;
  /** Most objects of the host channel adapter. */
  hcaObjects?: Uint32;
}
