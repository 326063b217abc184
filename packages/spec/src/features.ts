/**
 * What a runtime recognises. An unset member is "unknown", not "none".
 *
 * @see features.md
 */
export interface Features {
  /** Lowest version of the specification that is recognised. */
  ociVersionMin: string;
  /** Highest version of the specification that is recognised. */
  ociVersionMax: string;
  /** Kinds of hooks. */
  hooks?: string[];
  /** Mount options that the runtime handles; those of file systems are not listed. */
  mountOptions?: string[];
  /** What is particular to Linux. */
  linux?: FeaturesLinux;
  /** Facts of the runtime's own. */
  annotations?: Record<string, string>;
  /** Annotations of a config that can be unsafe; one that ends in `.` is a prefix. */
  potentiallyUnsafeConfigAnnotations?: string[];
}

/**
 * What a runtime recognises on Linux.
 *
 * @see features-linux.md
 */
export interface FeaturesLinux {
  /** Kinds of namespaces. */
  namespaces?: string[];
  /** Capabilities. */
  capabilities?: string[];
  /** Control groups. */
  cgroup?: FeaturesCgroup;
  /** Filters of system calls. */
  seccomp?: FeaturesSeccomp;
  /** AppArmor. */
  apparmor?: FeaturesEnabled;
  /** SELinux. */
  selinux?: FeaturesEnabled;
  /** Resource Director Technology. */
  intelRdt?: FeaturesIntelRdt;
  /** NUMA memory policy. */
  memoryPolicy?: FeaturesMemoryPolicy;
  /** Extensions of mounts. */
  mountExtensions?: FeaturesMountExtensions;
  /** Network devices. */
  netDevices?: FeaturesEnabled;
}

/** Whether something is supported by the runtime, whatever the host has. */
export interface FeaturesEnabled {
  /** Whether it is. */
  enabled?: boolean;
}

/** Support of control groups. */
export interface FeaturesCgroup {
  /** cgroup v1. */
  v1?: boolean;
  /** cgroup v2. */
  v2?: boolean;
  /** systemd's system instance. */
  systemd?: boolean;
  /** systemd's user instance. */
  systemdUser?: boolean;
  /** The rdma controller. */
  rdma?: boolean;
}

/** Support of seccomp. */
export interface FeaturesSeccomp extends FeaturesEnabled {
  /** Actions. */
  actions?: string[];
  /** Operators. */
  operators?: string[];
  /** Architectures. */
  archs?: string[];
  /** Flags that are recognised. */
  knownFlags?: string[];
  /** Flags that the kernel supports as well. */
  supportedFlags?: string[];
}

/** Support of Resource Director Technology. */
export interface FeaturesIntelRdt extends FeaturesEnabled {
  /** Whether `schemata` is. */
  schemata?: boolean;
  /** Whether `enableMonitoring` is. */
  monitoring?: boolean;
}

/** Support of NUMA memory policy. */
export interface FeaturesMemoryPolicy {
  /** Modes. */
  modes?: string[];
  /** Flags. */
  flags?: string[];
}

/** Support of extensions of mounts. */
export interface FeaturesMountExtensions {
  /** Idmapped mounts. */
  idmap?: FeaturesEnabled;
}
