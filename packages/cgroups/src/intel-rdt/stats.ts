import { existsSync, readdirSync } from "node:fs";
import { isGone, readTextIfExists } from "../cgroup-file.ts";
import { nonZero, readCount } from "../stat-file.ts";
import type { Count } from "../stats.ts";
import type { IntelRdtState } from "./group.ts";

/** Allocation of the L3 cache, of this processor. */
interface L3CacheInfo {
  readonly cbm_mask?: string;
  readonly min_cbm_bits?: Count;
  readonly num_closids?: Count;
}

/** Allocation of memory bandwidth, of this processor. */
interface MemBwInfo {
  readonly bandwidth_gran?: Count;
  readonly delay_linear?: Count;
  readonly min_bandwidth?: Count;
  readonly num_closids?: Count;
}

/**
 * Allocation and use of what Resource Director Technology governs, named and nested as runc's `events --stats` prints them
 * under `intel_rdt`. What the processor does not have is left out.
 */
export interface IntelRdtStats {
  readonly l3_cache_info?: L3CacheInfo;
  /** The line of the default class of service. */
  readonly l3_cache_schema_root?: string;
  /** The line of the container's. */
  readonly l3_cache_schema?: string;
  readonly mem_bw_info?: MemBwInfo;
  readonly mem_bw_schema_root?: string;
  readonly mem_bw_schema?: string;
  /** Bytes moved since the group was made, by L3 cache. */
  readonly mbm_stats?: readonly { readonly mbm_total_bytes: Count; readonly mbm_local_bytes: Count }[];
  /** Bytes of the cache in use, by L3 cache. */
  readonly cmt_stats?: readonly { readonly llc_occupancy: Count }[];
}

/** Reads the stats of a container's groups. @see Documentation/arch/x86/resctrl.rst */
export function readIntelRdtStats(state: IntelRdtState): IntelRdtStats {
  const { mountPoint, intel_rdt_path: hostPath } = state;
  const info = (name: string): string => `${mountPoint}/info/${name}`;
  const line = (group: string, resource: string): string | undefined =>
    (readTextIfExists(`${group}/schemata`) ?? "")
      .split("\n")
      .map((one) => one.trim())
      .find((one) => one.startsWith(`${resource}:`));
  const hasCache = existsSync(info("L3"));
  const hasBandwidth = existsSync(info("MB"));
  return {
    ...(hasCache && {
      l3_cache_info: readL3CacheInfo(info("L3")),
      ...text("l3_cache_schema_root", line(mountPoint, "L3")),
      ...text("l3_cache_schema", line(hostPath, "L3")),
    }),
    ...(hasBandwidth && {
      mem_bw_info: readMemBwInfo(info("MB")),
      ...text("mem_bw_schema_root", line(mountPoint, "MB")),
      ...text("mem_bw_schema", line(hostPath, "MB")),
    }),
    ...readMonitoring(state, (readTextIfExists(`${info("L3_MON")}/mon_features`) ?? "").split("\n")),
  };
}

function readL3CacheInfo(directory: string): L3CacheInfo {
  return {
    ...text("cbm_mask", readTextIfExists(`${directory}/cbm_mask`)),
    ...nonZero("min_cbm_bits", readCount(`${directory}/min_cbm_bits`)),
    ...nonZero("num_closids", readCount(`${directory}/num_closids`)),
  };
}

function readMemBwInfo(directory: string): MemBwInfo {
  return {
    ...nonZero("bandwidth_gran", readCount(`${directory}/bandwidth_gran`)),
    ...nonZero("delay_linear", readCount(`${directory}/delay_linear`)),
    ...nonZero("min_bandwidth", readCount(`${directory}/min_bandwidth`)),
    ...nonZero("num_closids", readCount(`${directory}/num_closids`)),
  };
}

/** Counts by cache; a cache whose counter says `Unavailable` or `Error` is left out. */
function readMonitoring(
  { intel_rdt_path: hostPath, monitoringPath }: IntelRdtState,
  features: readonly string[],
): Pick<IntelRdtStats, "mbm_stats" | "cmt_stats"> {
  const directory = `${monitoringPath ?? hostPath}/mon_data`;
  const caches = listCaches(directory).map((name) => `${directory}/${name}`);
  const count = (file: string): Count | undefined => {
    const word = readTextIfExists(file);
    return word !== undefined && /^\d+$/.test(word) ? readCount(file) : undefined;
  };
  const hasBandwidth = features.includes("mbm_total_bytes") && features.includes("mbm_local_bytes");
  const mbm = caches.flatMap((cache) => {
    const total = count(`${cache}/mbm_total_bytes`);
    const local = count(`${cache}/mbm_local_bytes`);
    return total === undefined || local === undefined ? [] : [{ mbm_total_bytes: total, mbm_local_bytes: local }];
  });
  const cmt = caches.flatMap((cache) => {
    const occupancy = count(`${cache}/llc_occupancy`);
    return occupancy === undefined ? [] : [{ llc_occupancy: occupancy }];
  });
  return {
    ...(hasBandwidth && { mbm_stats: mbm }),
    ...(features.includes("llc_occupancy") && { cmt_stats: cmt }),
  };
}

function listCaches(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.startsWith("mon_L3_"))
      .sort();
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function text<Name extends string>(name: Name, value: string | undefined): { [Key in Name]?: string } {
  return value === undefined || value === "" ? {} : ({ [name]: value } as { [Key in Name]?: string });
}
