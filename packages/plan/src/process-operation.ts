import type { CapabilityName } from "./kernel.ts";
import type { Base, Slot } from "./operation-base.ts";

/** `setOomScoreAdj`: a write to /proc/PID/oom_score_adj. */
export interface SetOomScoreAdj extends Base {
  readonly op: "setOomScoreAdj";
  /** The parent writes it where the process is in a user namespace: lowering needs CAP_SYS_RESOURCE of the host's. */
  readonly by: "parent" | "init";
  /** -1000 to 1000. */
  readonly value: number;
}

/** `joinSessionKeyring`: the session keyring of a name, which is made where there is none, keyctl(2). */
export interface JoinSessionKeyring extends Base {
  readonly op: "joinSessionKeyring";
  readonly name: string;
  /** Whether its owner is allowed to search it, without which nobody can join it by its name. */
  readonly grantSearch: boolean;
}

/** `newSession`: setsid(2). */
export interface NewSession extends Base {
  readonly op: "newSession";
}

/**
 * `raiseRlimit`: lifts a hard limit that is lower than the config's, first of all, while the helper has the caller's
 * CAP_SYS_RESOURCE, which a user namespace would take; `setRlimit` then only lowers, which needs no privilege, as the last
 * thing before `exec`.
 */
export interface RaiseRlimit extends Base {
  readonly op: "raiseRlimit";
  readonly name: string;
  readonly resource: number;
  readonly hard: bigint;
}

/** `setRlimit`: prlimit64(2). `name` is the config's, `RLIMIT_NOFILE`. */
export interface SetRlimit extends Base {
  readonly op: "setRlimit";
  readonly name: string;
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** `setNoNewPrivileges`: prctl(PR_SET_NO_NEW_PRIVS). */
export interface SetNoNewPrivileges extends Base {
  readonly op: "setNoNewPrivileges";
}

/** `setPersonality`: personality(2). */
export interface SetPersonality extends Base {
  readonly op: "setPersonality";
  readonly domain: string;
  /** The argument of personality(2). */
  readonly value: number;
}

/** `setScheduler`: sched_setattr(2). */
export interface SetScheduler extends Base {
  readonly op: "setScheduler";
  readonly policy: number;
  readonly flags: number;
  readonly nice: number;
  readonly priority: number;
  readonly runtime: bigint;
  readonly deadline: bigint;
  readonly period: bigint;
}

/** `setIoPriority`: ioprio_set(2). */
export interface SetIoPriority extends Base {
  readonly op: "setIoPriority";
  readonly class: number;
  readonly priority: number;
}

/** `setMemoryPolicy`: set_mempolicy(2). `nodes` is a bit mask of 64-bit words. */
export interface SetMemoryPolicy extends Base {
  readonly op: "setMemoryPolicy";
  /** Mode with its flags. */
  readonly mode: number;
  readonly nodes: readonly bigint[];
}

/** `setAffinity`: sched_setaffinity(2). `cpus` is a bit mask of 64-bit words. */
export interface SetAffinity extends Base {
  readonly op: "setAffinity";
  readonly cpus: readonly bigint[];
}

/** `setLabel`: a label of the security module for the coming execve, through the helper's own procfs. */
export interface SetLabel extends Base {
  readonly op: "setLabel";
  /** Path below /proc/self/attr: `exec`, `apparmor/exec`, `keycreate`. */
  readonly attribute: string;
  readonly value: string;
}

/** `setUser`: groups, gid, uid and umask; capabilities are kept across it for `setCapabilities`. */
export interface SetUser extends Base {
  readonly op: "setUser";
  readonly uid: number;
  readonly gid: number;
  /** Null leaves the groups: setgroups(2) is denied in the user namespace. */
  readonly additionalGids: readonly number[] | null;
  /** Null leaves the mask. */
  readonly umask: number | null;
}

/** `dropBoundingCapabilities`: takes every capability that is not listed out of the bounding set. */
export interface DropBoundingCapabilities extends Base {
  readonly op: "dropBoundingCapabilities";
  readonly keep: readonly CapabilityName[];
}

/** `setCapabilities`: capset(2) and the ambient set. */
export interface SetCapabilities extends Base {
  readonly op: "setCapabilities";
  readonly effective: readonly CapabilityName[];
  readonly permitted: readonly CapabilityName[];
  readonly inheritable: readonly CapabilityName[];
  readonly ambient: readonly CapabilityName[];
}

/** `setWorkingDirectory`: chdir(2), made when missing, and checked to lie in the container (CVE-2024-21626). */
export interface SetWorkingDirectory extends Base {
  readonly op: "setWorkingDirectory";
  readonly containerPath: string;
  /** Whether a missing one is made. */
  readonly create: boolean;
  /**
   * Whether EACCES and EPERM leave it to the next `setWorkingDirectory`, which does nothing once one has succeeded: a
   * directory may be open to root alone, or to the user alone (FUSE, NFS).
   */
  readonly mayFail?: boolean;
}

/** `loadSeccomp`: installs a filter. */
export interface LoadSeccomp extends Base {
  readonly op: "loadSeccomp";
  /** Flags of seccomp(2). */
  readonly flags: number;
  /** Instructions of classic BPF, 8 bytes each, little-endian. */
  readonly filter: Uint8Array;
  /** Whether the listener's descriptor goes to the parent. */
  readonly listener: boolean;
  /** Unix socket of the host to which the parent sends the listener's descriptor and the container process's state. */
  readonly listenerPath?: string;
  /** Opaque text that goes with it. */
  readonly listenerMetadata?: string;
}

/** `findExecutable`: looks `args[0]` up in the container's PATH as the container's user and checks that it can be run. */
export interface FindExecutable extends Base {
  readonly op: "findExecutable";
  readonly name: string;
  /** Directories of the PATH in the container's environment. */
  readonly searchPath: string;
}

/** `lookUpHome`: `HOME` for `exec` from the container's /etc/passwd, by uid; `/` when it has no such line. */
export interface LookUpHome extends Base {
  readonly op: "lookUpHome";
  readonly uid: number;
}

/** `awaitStart`: reports `created` and waits until somebody connects to the start socket. */
export interface AwaitStart extends Base {
  readonly op: "awaitStart";
  readonly slot: Slot;
}

/** `exec`: execve(2) of what `findExecutable` found. */
export interface Exec extends Base {
  readonly op: "exec";
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** How many descriptors from 3 on stay open. */
  readonly preserveFds: number;
}
