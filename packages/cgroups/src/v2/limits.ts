import { quote } from "@runlet/errors";
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
import { cpuWeight, ioWeight } from "./weight.ts";

/** What {@link limitWrites} has to know of the host. */
export interface V2Facts {
  /** Whether weights of block devices are BFQ's, `io.bfq.weight`. */
  readonly hasBfq: boolean;
  /** `memory.max` of the group, for an update. */
  readonly memoryMax?: string | undefined;
  /** `cpu.max` of the group, for an update. */
  readonly cpuMax?: string | undefined;
}

const controller = "";

/**
 * The files of cgroup v2 that hold a config's limits, in the order in which they are written; v1's fields are converted.
 * Devices are apart, see `device-program.ts`.
 *
 * @throws RunletError with the pointer of a field that cannot hold.
 */
export function limitWrites(resources: LinuxResources, facts: V2Facts): PlannedWrite[] {
  refuseNetwork(resources);
  const writes: PlannedWrite[] = [];
  if (resources.memory !== undefined) writes.push(...memoryWrites(resources.memory, facts));
  if (resources.cpu !== undefined) writes.push(...cpuWrites(resources.cpu, facts));
  const pids = pidsValue(resources.pids);
  if (pids !== undefined) writes.push({ controller, file: "pids.max", ...pids });
  if (resources.blockIO !== undefined) writes.push(...blockIoWrites(resources.blockIO, facts.hasBfq));
  for (const [index, hugepages] of (resources.hugepageLimits ?? []).entries()) {
    const from = `${resourcesPointer}/hugepageLimits/${index}`;
    const size = hugepageSize(hugepages, from);
    const value = String(hugepages.limit);
    writes.push(
      { from, controller, file: `hugetlb.${size}.max`, value },
      { from, controller, file: `hugetlb.${size}.rsvd.max`, value, mayBeMissing: true },
    );
  }
  for (const [device, limits] of Object.entries(resources.rdma ?? {})) {
    writes.push({ controller, file: "rdma.max", ...rdmaValue(device, limits) });
  }
  writes.push(...unifiedWrites(resources.unified ?? {}));
  return writes;
}

/** Files that are named as such; they come last and win over the converted fields. */
function unifiedWrites(unified: Readonly<Record<string, string>>): PlannedWrite[] {
  return Object.entries(unified).flatMap(([file, content]) => {
    const from = `${resourcesPointer}/unified/${file.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (file.includes("/")) {
      throw invalidResource(from, `unified resource ${quote(file)} must be a file name (no slashes)`);
    }
    if (!/^[^.\0]+\.[^\0]+$/.test(file)) {
      throw invalidResource(
        from,
        `unified resource ${quote(file)} must be in the form CONTROLLER.PARAMETER`,
        "for example memory.high",
      );
    }
    // The kernel takes one key of a keyed file (io.max) with each write; a write of nothing does nothing.
    const lines = content.split("\n").filter((line) => line !== "");
    return (lines.length === 0 ? ["\n"] : lines).map((value) => ({ from, controller, file, value }));
  });
}

/** @see Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files" */
function memoryWrites(memory: LinuxMemory, facts: V2Facts): PlannedWrite[] {
  const from = `${resourcesPointer}/memory`;
  refuseV1Memory(memory);
  const writes: PlannedWrite[] = [];
  const limit = given(memory.limit);
  const swap = swapWrite(memory, facts);
  if (swap !== undefined) writes.push(swap);
  if (limit !== undefined) writes.push({ from: `${from}/limit`, controller, file: "memory.max", ...limitValue(limit) });
  const reservation = given(memory.reservation);
  if (reservation !== undefined) {
    writes.push({ from: `${from}/reservation`, controller, file: "memory.low", ...limitValue(reservation) });
  }
  return writes;
}

function limitValue(limit: bigint): { value: string; given?: string } {
  return limit < 0n ? { value: "max", given: String(limit) } : { value: String(limit) };
}

/** v1 limits memory and swap together, v2 swap alone. */
function swapWrite(memory: LinuxMemory, facts: V2Facts): PlannedWrite | undefined {
  const pointer = `${resourcesPointer}/memory/swap`;
  const file = "memory.swap.max";
  const limit = given(memory.limit) ?? knownLimit(facts);
  const swap = given(memory.swap);
  if (swap === undefined) {
    if (given(memory.limit) !== -1n) return undefined;
    return {
      from: `${resourcesPointer}/memory/limit`,
      controller,
      file,
      value: "max",
      given: "-1",
      mayBeMissing: true,
    };
  }
  if (swap < 0n) return { from: pointer, controller, file, value: "max", given: String(swap), mayBeMissing: true };
  if (limit === undefined) {
    throw invalidResource(pointer, "unable to set swap limit without memory limit", "give memory.limit too");
  }
  if (limit < 0n) return { from: pointer, controller, file, value: String(swap) };
  if (swap < limit) {
    throw invalidResource(
      pointer,
      "memory+swap limit should be >= memory limit",
      "memory.swap is the limit of memory and swap together",
    );
  }
  const value = String(swap - limit);
  return { from: pointer, controller, file, value, given: String(swap), ...(value === "0" && { mayBeMissing: true }) };
}

function knownLimit(facts: V2Facts): bigint | undefined {
  if (facts.memoryMax === undefined) return undefined;
  return facts.memoryMax === "max" ? -1n : BigInt(facts.memoryMax);
}

function refuseV1Memory(memory: LinuxMemory): void {
  const from = `${resourcesPointer}/memory`;
  if (memory.disableOOMKiller === true) {
    throw unsupportedResource(
      `${from}/disableOOMKiller`,
      "cgroup v2 cannot disable the OOM killer",
      "leave out disableOOMKiller; process.oomScoreAdj of -1000 spares the container's processes",
    );
  }
  if (memory.swappiness !== undefined && BigInt.asIntN(64, BigInt(memory.swappiness)) !== -1n) {
    throw unsupportedResource(
      `${from}/swappiness`,
      "cgroup v2 has no swappiness of its own for each group",
      "leave out swappiness; memory.swap bounds swapping",
    );
  }
}

/** @see Documentation/admin-guide/cgroup-v2.rst, "CPU Interface Files" and "Cpuset Interface Files" */
function cpuWrites(cpu: LinuxCPU, facts: V2Facts): PlannedWrite[] {
  const from = `${resourcesPointer}/cpu`;
  for (const field of ["realtimeRuntime", "realtimePeriod"] as const) {
    if (given(cpu[field]) === undefined) continue;
    throw unsupportedResource(
      `${from}/${field}`,
      `cgroup v2 has no limits for realtime tasks, as ${field} asks for`,
      "leave it out; process.scheduler sets a realtime policy",
    );
  }
  const writes: PlannedWrite[] = [];
  const shares = given(cpu.shares);
  if (shares !== undefined) {
    const value = String(cpuWeight(shares));
    writes.push({ from: `${from}/shares`, controller, file: "cpu.weight", value, given: String(shares) });
  }
  const idle = cpu.idle === undefined || cpu.idle === null ? undefined : String(cpu.idle);
  if (idle !== undefined) {
    writes.push({
      from: `${from}/idle`,
      controller,
      file: "cpu.idle",
      value: idle,
      ...(idle === "0" && { mayBeMissing: true }),
    });
  }
  const burst = cpu.burst === undefined || cpu.burst === null ? undefined : String(cpu.burst);
  if (burst !== undefined) {
    writes.push({
      from: `${from}/burst`,
      controller,
      file: "cpu.max.burst",
      value: burst,
      ...(burst === "0" && { mayBeMissing: true }),
    });
  }
  const max = cpuMaxWrite(cpu, facts);
  if (max !== undefined) writes.push(max);
  for (const field of ["cpus", "mems"] as const) {
    const value = cpu[field];
    if (isText(value)) writes.push({ from: `${from}/${field}`, controller, file: `cpuset.${field}`, value });
  }
  return writes;
}

const defaultPeriodUs = "100000";

function cpuMaxWrite(cpu: LinuxCPU, facts: V2Facts): PlannedWrite | undefined {
  const quota = given(cpu.quota);
  const period = given(cpu.period);
  if (quota === undefined && period === undefined) return undefined;
  const [knownQuota, knownPeriod] = (facts.cpuMax ?? "").split(" ");
  const quotaWord = quota === undefined ? knownQuota || "max" : quota < 0n ? "max" : String(quota);
  const periodWord = period === undefined ? (knownPeriod ?? defaultPeriodUs) : String(period);
  const parts = [quota === undefined ? [] : [`quota ${quota}`], period === undefined ? [] : [`period ${period}`]];
  return {
    from: `${resourcesPointer}/cpu/${quota === undefined ? "period" : "quota"}`,
    controller,
    file: "cpu.max",
    value: `${quotaWord} ${periodWord}`,
    given: parts.flat().join(", "),
  };
}

/** @see Documentation/admin-guide/cgroup-v2.rst, "IO Interface Files" */
function blockIoWrites(blockIO: LinuxBlockIO, hasBfq: boolean): PlannedWrite[] {
  const from = `${resourcesPointer}/blockIO`;
  const file = hasBfq ? "io.bfq.weight" : "io.weight";
  const writes: PlannedWrite[] = [];
  const weight = given(blockIO.weight);
  const write = (field: string, value: bigint, device: string): void => {
    const pointer = `${from}/${field}`;
    writes.push({ from: pointer, controller, file, ...weightValue(pointer, value, device, hasBfq) });
  };
  if (weight !== undefined) write("weight", weight, "");
  if (given(blockIO.leafWeight) !== undefined) throw leafWeightError(`${from}/leafWeight`);
  for (const [index, device] of (blockIO.weightDevice ?? []).entries()) {
    const pointer = `${from}/weightDevice/${index}`;
    const name = blockDevice(device, pointer);
    if (given(device.leafWeight) !== undefined) throw leafWeightError(`${pointer}/leafWeight`);
    const ofDevice = given(device.weight);
    if (ofDevice !== undefined) write(`weightDevice/${index}/weight`, ofDevice, `${name} `);
  }
  for (const [field, key] of throttles) {
    for (const [index, device] of (blockIO[field] ?? []).entries()) {
      const pointer = `${from}/${field}/${index}`;
      const rate = given(device.rate);
      const value = `${blockDevice(device, pointer)} ${key}=${rate ?? "max"}`;
      writes.push({ from: pointer, controller, file: "io.max", value, ...(rate === undefined && { given: "0" }) });
    }
  }
  return writes;
}

const throttles = [
  ["throttleReadBpsDevice", "rbps"],
  ["throttleWriteBpsDevice", "wbps"],
  ["throttleReadIOPSDevice", "riops"],
  ["throttleWriteIOPSDevice", "wiops"],
] as const;

/** BFQ has v1's scale; `io.weight` has its own. */
function weightValue(
  pointer: string,
  weight: bigint,
  device: string,
  isBfq: boolean,
): { value: string; given?: string } {
  if (isBfq) return { value: `${device}${weight}` };
  if (weight < 10n || weight > 1000n) throw invalidResource(pointer, `weight ${weight} is out of range: 10 to 1000`);
  return { value: `${device}${ioWeight(weight)}`, given: String(weight) };
}

function leafWeightError(pointer: string): Error {
  return unsupportedResource(pointer, "cgroup v2 has no leafWeight", "leave it out; weight holds for the whole group");
}

function refuseNetwork(resources: LinuxResources): void {
  const from = `${resourcesPointer}/network`;
  const hint = "mark packets by the group's path instead (iptables -m cgroup --path)";
  if (given(resources.network?.classID) !== undefined) {
    throw unsupportedResource(`${from}/classID`, "cgroup v2 has no network classes", hint);
  }
  if ((resources.network?.priorities ?? []).length > 0) {
    throw unsupportedResource(`${from}/priorities`, "cgroup v2 has no network priorities", hint);
  }
}
