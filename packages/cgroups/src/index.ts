export type {
  Cgroup,
  CgroupCreateOptions,
  CgroupDescriptors,
  CgroupDriver,
  CgroupState,
  CgroupWarning,
  CgroupWrite,
} from "./cgroup.ts";
export type { CgroupEvent } from "./events.ts";
export {
  deleteIntelRdt,
  findResctrl,
  hasIntelRdtResource,
  IntelRdtGroup,
  type IntelRdtOptions,
  type IntelRdtState,
  intelRdtStats,
  joinIntelRdt,
  readSchemata,
  updateIntelRdt,
} from "./intel-rdt/group.ts";
export type { IntelRdtStats } from "./intel-rdt/stats.ts";
export {
  type CgroupLayout,
  detectLayout,
  type Hierarchy,
  type LayoutSources,
  layoutOf,
  parseCgroupMounts,
  parseOwnCgroups,
  readLayout,
  type UnifiedHierarchy,
} from "./layout.ts";
export {
  type CgroupManager,
  type CgroupRequest,
  cgroupFromState,
  cgroupManager,
  type ManagerOptions,
} from "./manager.ts";
export {
  type BlkioEntry,
  type BlkioStats,
  type CgroupStats,
  type Count,
  type CpuStats,
  type CpusetStats,
  formatStats,
  type HugetlbStats,
  type MemoryEntry,
  type MemoryStats,
  type Pressure,
  type PressureLine,
} from "./stats.ts";
