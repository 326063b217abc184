import type { Int64, Uint32 } from "./integer.ts";
import type { LinuxResources } from "./resources.ts";
import type { LinuxSeccomp } from "./seccomp.ts";

/**
 * What is particular to Linux.
 *
 * @see config-linux.md
 */
export interface Linux {
  /** Namespaces that the container has of its own or joins; no type MUST occur twice. (config-linux.md#namespaces) */
  namespaces?: LinuxNamespace[];
  /** User ids of the container's user namespace. (config-linux.md#user-namespace-mappings) */
  uidMappings?: LinuxIDMapping[];
  /** Group ids of the container's user namespace. (config-linux.md#user-namespace-mappings) */
  gidMappings?: LinuxIDMapping[];
  /** Offsets of clocks in the container's time namespace. (config-linux.md#offset-for-time-namespace) */
  timeOffsets?: Partial<Record<TimeNamespaceClock, LinuxTimeOffset>>;
  /** Device nodes that MUST be available in the container. (config-linux.md#devices) */
  devices?: LinuxDevice[];
  /** Network devices of the host, by name, that move into the container. (config-linux.md#network-devices) */
  netDevices?: Record<string, LinuxNetDevice>;
  /**
   * Where the container's control group is. Absolute is relative to the cgroup mount point, relative is up to the runtime;
   * `slice:prefix:name` for systemd. (config-linux.md#cgroups-path)
   */
  cgroupsPath?: string;
  /** Limits of the container's control group. (config-linux.md#control-groups) */
  resources?: LinuxResources;
  /** Resource Director Technology. (config-linux.md#intelrdt) */
  intelRdt?: LinuxIntelRdt;
  /** Kernel parameters by name, sysctl(8), set as the container starts. (config-linux.md#sysctl) */
  sysctl?: Record<string, string>;
  /** Filter of system calls. (config-linux.md#seccomp) */
  seccomp?: LinuxSeccomp;
  /** Propagation of the container's root mount. (config-linux.md#rootfs-mount-propagation) */
  rootfsPropagation?: RootfsPropagation;
  /** Absolute paths in the container that cannot be read there. (config-linux.md#masked-paths) */
  maskedPaths?: string[];
  /** Absolute paths in the container that cannot be written there. (config-linux.md#readonly-paths) */
  readonlyPaths?: string[];
  /** SELinux context of the container's mounts. (config-linux.md#mount-label) */
  mountLabel?: string;
  /** Execution domain, personality(2). (config-linux.md#personality) */
  personality?: LinuxPersonality;
  /** NUMA memory policy, set_mempolicy(2). (config-linux.md#memory-policy) */
  memoryPolicy?: LinuxMemoryPolicy;
}

/** Kinds of namespace, in the words of the specification. (config-linux.md#namespaces) */
export const namespaceTypes = ["user", "mount", "pid", "network", "ipc", "uts", "cgroup", "time"] as const;

/** A kind of namespace. */
export type NamespaceType = (typeof namespaceTypes)[number];

/**
 * A namespace of the container.
 *
 * @see config-linux.md#namespaces
 */
export interface LinuxNamespace {
  /** Kind of namespace. */
  type: NamespaceType;
  /** File of an existing namespace of the same kind to join; MUST be absolute. Unset makes a new one. */
  path?: string;
}

/**
 * A range of ids mapped between a container and its host, user_namespaces(7).
 *
 * @see config-linux.md#user-namespace-mappings
 */
export interface LinuxIDMapping {
  /** First id in the container. */
  containerID: Uint32;
  /** First id on the host. */
  hostID: Uint32;
  /** How many ids are mapped. */
  size: Uint32;
}

/** Clocks whose offset a time namespace can have, time_namespaces(7). */
export const timeNamespaceClocks = ["monotonic", "boottime"] as const;

/** A clock of a time namespace. */
export type TimeNamespaceClock = (typeof timeNamespaceClocks)[number];

/** Offset of a clock, time_namespaces(7). */
export interface LinuxTimeOffset {
  /** Seconds. */
  secs?: Int64;
  /** Nanoseconds on top of `secs`: 0 to 999999999. */
  nanosecs?: Uint32;
}

/** Types of device nodes. `u` is an unbuffered character device, the same as `c`. (config-linux.md#devices) */
export const deviceTypes = ["c", "b", "u", "p"] as const;

/** A type of device node, mknod(1). */
export type DeviceType = (typeof deviceTypes)[number];

/**
 * A device node in the container.
 *
 * @see config-linux.md#devices
 */
export interface LinuxDevice {
  /** Type of the node. */
  type: DeviceType;
  /** Absolute path in the container. */
  path: string;
  /** Major number; REQUIRED unless `type` is `p`. */
  major?: Int64;
  /** Minor number; REQUIRED unless `type` is `p`. */
  minor?: Int64;
  /** Permission bits. Bits of the file's type, which some engines add, have no effect. */
  fileMode?: Uint32;
  /** Owner in the container's user namespace. Defaults to 0. */
  uid?: Uint32;
  /** Group in the container's user namespace. Defaults to 0. */
  gid?: Uint32;
}

/**
 * A network device of the host that moves into the container; the key that leads here is its name on the host.
 *
 * @see config-linux.md#network-devices
 */
export interface LinuxNetDevice {
  /** Name in the container; unset keeps the host's. */
  name?: string;
}

/**
 * Intel Resource Director Technology, resctrl.
 *
 * @see config-linux.md#intelrdt
 */
export interface LinuxIntelRdt {
  /** Identity of the class of service: a directory of the resctrl file system. Unset is the container's id. */
  closID?: string;
  /** Lines for the `schemata` file, written after `l3CacheSchema` and `memBwSchema`. */
  schemata?: string[];
  /** Schema of L3 cache ids and capacity bit masks: `L3:0=f;1=f0`. */
  l3CacheSchema?: string;
  /** Schema of memory bandwidth: `MB:0=20;1=70`. */
  memBwSchema?: string;
  /** Whether a monitoring group of the container's own is made. */
  enableMonitoring?: boolean;
}

/** Forms of mount propagation that {@link Linux.rootfsPropagation} takes. (config-linux.md#rootfs-mount-propagation) */
export const rootfsPropagations = [
  "shared",
  "slave",
  "private",
  "unbindable",
  "rshared",
  "rslave",
  "rprivate",
  "runbindable",
] as const;

/** A form of mount propagation, mount_namespaces(7). The specification names four, runtimes take the recursive ones too. */
export type RootfsPropagation = (typeof rootfsPropagations)[number];

/** Execution domains of {@link LinuxPersonality.domain}. (config-linux.md#personality) */
export const personalityDomains = ["LINUX", "LINUX32"] as const;

/** An execution domain. */
export type LinuxPersonalityDomain = (typeof personalityDomains)[number];

/**
 * Execution domain, personality(2).
 *
 * @see config-linux.md#personality
 */
export interface LinuxPersonality {
  /** `LINUX32` makes uname(2) report a 32-bit machine. */
  domain: LinuxPersonalityDomain;
  /** Additional flags; the specification defines none. */
  flags?: string[];
}

/** Modes of {@link LinuxMemoryPolicy.mode}. (config-linux.md#memory-policy) */
export const memoryPolicyModes = [
  "MPOL_DEFAULT",
  "MPOL_BIND",
  "MPOL_INTERLEAVE",
  "MPOL_WEIGHTED_INTERLEAVE",
  "MPOL_PREFERRED",
  "MPOL_PREFERRED_MANY",
  "MPOL_LOCAL",
] as const;

/** A memory policy mode, set_mempolicy(2). */
export type LinuxMemoryPolicyMode = (typeof memoryPolicyModes)[number];

/** Flags of {@link LinuxMemoryPolicy.flags}. (config-linux.md#memory-policy) */
export const memoryPolicyFlags = ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"] as const;

/** A memory policy flag, set_mempolicy(2). */
export type LinuxMemoryPolicyFlag = (typeof memoryPolicyFlags)[number];

/**
 * NUMA memory policy, set_mempolicy(2).
 *
 * @see config-linux.md#memory-policy
 */
export interface LinuxMemoryPolicy {
  /** The mode. */
  mode: LinuxMemoryPolicyMode;
  /** Memory nodes as a list of numbers and ranges: `0-3,7`. */
  nodes?: string;
  /** Flags of the mode. */
  flags?: LinuxMemoryPolicyFlag[];
}
