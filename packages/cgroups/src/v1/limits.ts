import type { LinuxBlockIO, LinuxCPU, LinuxMemory, LinuxResources } from "@runlet/spec";
import { blockDevice, hugepageSize, pidsValue, rdmaValue } from "../limit-value.ts";
import {
  given,
  invalidResource,
  isText,
  type PlannedWrite,
  resourcesPointer,
  unsupportedResource,
} from "../resource-value.ts";

/** What {@link limitWrites} has to know of the host. */
export interface V1Facts {
  /** Whether weights of block devices are BFQ's, `blkio.bfq.weight`. */
  readonly hasBfq: boolean;
}

/**
 * The files of cgroup v1 that hold a config's limits, in the order in which they are written. Devices are apart, see
 * `device-list.ts`.
 *
 * @throws RunletError with the pointer of a field that cannot hold.
 */
export function limitWrites(resources: LinuxResources, facts: V1Facts): PlannedWrite[] {
  if (resources.unified !== undefined && Object.keys(resources.unified).length > 0) {
    throw unsupportedResource(
      `${resourcesPointer}/unified`,
      "cannot use unified on cgroup v1",
      "use the fields of v1, or a host with cgroup v2",
    );
  }
  const writes: PlannedWrite[] = [];
  if (resources.memory !== undefined) writes.push(...memoryWrites(resources.memory));
  if (resources.cpu !== undefined) writes.push(...cpuWrites(resources.cpu), ...cpusetWrites(resources.cpu));
  const pids = pidsValue(resources.pids);
  if (pids !== undefined) writes.push({ controller: "pids", file: "pids.max", ...pids });
  if (resources.blockIO !== undefined) writes.push(...blockIoWrites(resources.blockIO, facts.hasBfq));
  for (const [index, hugepages] of (resources.hugepageLimits ?? []).entries()) {
    const from = `${resourcesPointer}/hugepageLimits/${index}`;
    const size = hugepageSize(hugepages, from);
    const value = String(hugepages.limit);
    writes.push(
      { from, controller: "hugetlb", file: `hugetlb.${size}.limit_in_bytes`, value },
      { from, controller: "hugetlb", file: `hugetlb.${size}.rsvd.limit_in_bytes`, value, mayBeMissing: true },
    );
  }
  const classId = given(resources.network?.classID);
  if (classId !== undefined) {
    const from = `${resourcesPointer}/network/classID`;
    writes.push({ from, controller: "net_cls", file: "net_cls.classid", value: String(classId) });
  }
  for (const [index, { name, priority }] of (resources.network?.priorities ?? []).entries()) {
    const from = `${resourcesPointer}/network/priorities/${index}`;
    writes.push({ from, controller: "net_prio", file: "net_prio.ifpriomap", value: `${name} ${priority}` });
  }
  for (const [device, limits] of Object.entries(resources.rdma ?? {})) {
    writes.push({ controller: "rdma", file: "rdma.max", ...rdmaValue(device, limits) });
  }
  return writes;
}

/** @see Documentation/admin-guide/cgroup-v1/memory.rst */
function memoryWrites(memory: LinuxMemory): PlannedWrite[] {
  const from = `${resourcesPointer}/memory`;
  const writes: PlannedWrite[] = [];
  const write = (field: string, file: string, value: bigint, more?: Partial<PlannedWrite>): void => {
    writes.push({ from: `${from}/${field}`, controller: "memory", file, value: String(value), ...more });
  };
  const limit = given(memory.limit);
  const swap = given(memory.swap);
  if (limit !== undefined) write("limit", "memory.limit_in_bytes", limit);
  if (swap !== undefined) write("swap", "memory.memsw.limit_in_bytes", swap);
  else if (limit === -1n) write("limit", "memory.memsw.limit_in_bytes", -1n, { mayBeMissing: true });
  const reservation = given(memory.reservation);
  if (reservation !== undefined) write("reservation", "memory.soft_limit_in_bytes", reservation);
  if (memory.disableOOMKiller === true) write("disableOOMKiller", "memory.oom_control", 1n);
  const swappiness = swappinessOf(memory);
  if (swappiness !== undefined) write("swappiness", "memory.swappiness", swappiness);
  return writes;
}

/** Engines send the 64-bit form of -1 for "unset"; 0 is a value of its own. */
function swappinessOf(memory: LinuxMemory): bigint | undefined {
  if (memory.swappiness === undefined || memory.swappiness === null) return undefined;
  const swappiness = BigInt.asIntN(64, BigInt(memory.swappiness));
  if (swappiness === -1n) return undefined;
  if (swappiness < 0n || swappiness > 100n) {
    throw invalidResource(
      `${resourcesPointer}/memory/swappiness`,
      `invalid memory swappiness value: ${memory.swappiness} (valid range is 0-100)`,
    );
  }
  return swappiness;
}

/** @see Documentation/scheduler/sched-bwc.rst */
function cpuWrites(cpu: LinuxCPU): PlannedWrite[] {
  const writes: PlannedWrite[] = [];
  const write = (field: keyof LinuxCPU, file: string, value: bigint | undefined, mayBeMissing = false): void => {
    if (value === undefined) return;
    const from = `${resourcesPointer}/cpu/${field}`;
    writes.push({ from, controller: "cpu", file, value: String(value), ...(mayBeMissing && { mayBeMissing }) });
  };
  const shares = given(cpu.shares);
  if (shares !== undefined && (shares < 2n || shares > 262144n)) {
    throw invalidResource(
      `${resourcesPointer}/cpu/shares`,
      shares < 2n ? "the minimum allowed cpu-shares is 2" : "the maximum allowed cpu-shares is 262144",
    );
  }
  write("shares", "cpu.shares", shares);
  write("period", "cpu.cfs_period_us", given(cpu.period));
  const burst = cpu.burst === undefined || cpu.burst === null ? undefined : BigInt(cpu.burst);
  write("burst", "cpu.cfs_burst_us", burst, burst === 0n);
  write("quota", "cpu.cfs_quota_us", given(cpu.quota));
  const idle = cpu.idle === undefined || cpu.idle === null ? undefined : BigInt(cpu.idle);
  write("idle", "cpu.idle", idle, idle === 0n);
  write("realtimePeriod", "cpu.rt_period_us", given(cpu.realtimePeriod));
  write("realtimeRuntime", "cpu.rt_runtime_us", given(cpu.realtimeRuntime));
  return writes;
}

function cpusetWrites(cpu: LinuxCPU): PlannedWrite[] {
  return (["cpus", "mems"] as const).flatMap((field) => {
    const value = cpu[field];
    if (!isText(value)) return [];
    return [{ from: `${resourcesPointer}/cpu/${field}`, controller: "cpuset", file: `cpuset.${field}`, value }];
  });
}

/** @see Documentation/admin-guide/cgroup-v1/blkio-controller.rst */
function blockIoWrites(blockIO: LinuxBlockIO, hasBfq: boolean): PlannedWrite[] {
  const from = `${resourcesPointer}/blockIO`;
  const writes: PlannedWrite[] = [];
  const write = (field: string, file: string, value: string): void => {
    writes.push({ from: `${from}/${field}`, controller: "blkio", file, value });
  };
  const weightFile = hasBfq ? "blkio.bfq.weight" : "blkio.weight";
  const weight = given(blockIO.weight);
  if (weight !== undefined) write("weight", weightFile, String(weight));
  const leafWeight = given(blockIO.leafWeight);
  if (leafWeight !== undefined) write("leafWeight", "blkio.leaf_weight", String(leafWeight));
  for (const [index, device] of (blockIO.weightDevice ?? []).entries()) {
    const name = blockDevice(device, `${from}/weightDevice/${index}`);
    const ofDevice = given(device.weight);
    if (ofDevice !== undefined) write(`weightDevice/${index}/weight`, `${weightFile}_device`, `${name} ${ofDevice}`);
    const leafOfDevice = given(device.leafWeight);
    if (leafOfDevice !== undefined) {
      write(`weightDevice/${index}/leafWeight`, "blkio.leaf_weight_device", `${name} ${leafOfDevice}`);
    }
  }
  for (const [field, file] of throttles) {
    for (const [index, device] of (blockIO[field] ?? []).entries()) {
      const name = blockDevice(device, `${from}/${field}/${index}`);
      write(`${field}/${index}`, `blkio.throttle.${file}`, `${name} ${device.rate}`);
    }
  }
  return writes;
}

const throttles = [
  ["throttleReadBpsDevice", "read_bps_device"],
  ["throttleWriteBpsDevice", "write_bps_device"],
  ["throttleReadIOPSDevice", "read_iops_device"],
  ["throttleWriteIOPSDevice", "write_iops_device"],
] as const;
