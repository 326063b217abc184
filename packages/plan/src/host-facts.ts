/** One mounted hierarchy of cgroup v1. */
export interface HostCgroupHierarchy {
  /** Its controllers (`cpu`, `cpuacct`), or `name=systemd` of one without controllers. */
  readonly controllers: readonly string[];
  /** Host path of the mount. */
  readonly mountPoint: string;
}

/** How the host's control groups are laid out. The layout that `@runlet/cgroups` detects has this shape. */
export interface HostCgroups {
  /** `hybrid` is v1 with a unified hierarchy beside it that has no controllers. `none`: nothing is mounted. */
  readonly kind: "v1" | "hybrid" | "v2" | "none";
  /** The hierarchies of v1, in the order of the mount table. */
  readonly hierarchies: readonly HostCgroupHierarchy[];
  /** The unified hierarchy, on v2 and hybrid hosts. */
  readonly unified: { readonly mountPoint: string } | null;
}

/**
 * What {@link compile} has to know of the host: facts that somebody read before, so that the same facts give the same plan
 * on any machine.
 */
export interface HostFacts {
  /** Version of the kernel, uname(2). */
  readonly kernel: { readonly major: number; readonly minor: number };
  /** Architecture of the machine, by Node's name. */
  readonly architecture: "x64" | "arm64";
  /** Effective user id of the caller. */
  readonly euid: number;
  /** Effective group id of the caller. */
  readonly egid: number;
  /** Whether the caller is in a user namespace other than the host's first one. */
  readonly isInUserNamespace: boolean;
  /** /proc/self/setgroups: `deny` holds for every user namespace below as well. @see user_namespaces(7) */
  readonly setgroups: "allow" | "deny";
  /** Whether newuidmap(1) and newgidmap(1) can be run and the caller has ranges in /etc/subuid and /etc/subgid. */
  readonly hasSubordinateIds: boolean;
  /** Number of the last capability that the kernel knows, /proc/sys/kernel/cap_last_cap. */
  readonly lastCapability: number;
  /** Whether /proc/kcore exists: then /dev/core is a link to it. */
  readonly hasKcore: boolean;
  /** Names of the active security modules, /sys/kernel/security/lsm: `apparmor`, `selinux`. */
  readonly securityModules: readonly string[];
  readonly cgroups: HostCgroups;
}

/** Whether the kernel is at least this version. */
export function isKernelAtLeast(host: HostFacts, major: number, minor: number): boolean {
  return host.kernel.major > major || (host.kernel.major === major && host.kernel.minor >= minor);
}
