import type { Int32, Uint32, Uint64 } from "./integer.ts";

/**
 * The container's process.
 *
 * @see config.md#process
 */
export interface Process {
  /**
   * Whether a terminal is attached to the process. On Linux a pseudo-terminal pair becomes its standard streams.
   * Defaults to false.
   */
  terminal?: boolean;
  /** Size of the terminal in characters. MUST be ignored when `terminal` is false. */
  consoleSize?: Box;
  /** Who the process runs as. */
  user: User;
  /**
   * The executable and its arguments, as execvp(3) takes them. On POSIX platforms one entry at least is REQUIRED when `start`
   * is called; on Windows either this or `commandLine`.
   */
  args?: string[];
  /** The whole command line, Windows only; `args` is ignored where it is set. */
  commandLine?: string;
  /** Environment as `NAME=value` strings, as IEEE Std 1003.1-2008's `environ`. */
  env?: string[];
  /** Working directory in the container. MUST be an absolute path. */
  cwd: string;
  /** Capability sets of the process, Linux only. (config.md#linux-process, capabilities(7)) */
  capabilities?: LinuxCapabilities;
  /** Resource limits of the process; no type MUST occur twice. (config.md#posix-process) */
  rlimits?: POSIXRlimit[];
  /** Whether the process is kept from gaining privileges, prctl(2) `PR_SET_NO_NEW_PRIVS`. */
  noNewPrivileges?: boolean;
  /** AppArmor profile of the process. */
  apparmorProfile?: string;
  /**
   * Value of `/proc/<pid>/oom_score_adj`, proc(5). Unset MUST leave it as it is.
   *
   * @asType integer
   * @minimum -1000
   * @maximum 1000
   */
  oomScoreAdj?: number;
  /** Scheduling policy of the process, sched_setattr(2). */
  scheduler?: Scheduler;
  /** SELinux label of the process. */
  selinuxLabel?: string;
  /** I/O scheduling class and priority of the process, ioprio_set(2). */
  ioPriority?: LinuxIOPriority;
  /** CPU affinity of processes that are executed in the container beside its first. */
  execCPUAffinity?: CPUAffinity;
}

/** Size of a terminal in characters. */
export interface Box {
  /** Rows. */
  height: Uint64;
  /** Columns. */
  width: Uint64;
}

/**
 * Who a process runs as. Ids are as the container's user namespace has them.
 *
 * @see config.md#user
 */
export interface User {
  /** User id, POSIX platforms. */
  uid: Uint32;
  /** Group id, POSIX platforms. */
  gid: Uint32;
  /** File mode creation mask; unset leaves that of the runtime's caller. */
  umask?: Uint32;
  /** Supplementary group ids, POSIX platforms. */
  additionalGids?: Uint32[];
  /** User name, Windows. */
  username?: string;
}

/**
 * Capability sets by their kernel names (`CAP_SYS_ADMIN`). A name that cannot be mapped to the kernel's MUST be logged as a
 * warning, not fail.
 *
 * @see config.md#linux-process, capabilities(7)
 */
export interface LinuxCapabilities {
  /** Limits what execve(2) can grant. */
  bounding?: string[];
  /** Checked by the kernel for permissions; a subset of `permitted`. */
  effective?: string[];
  /** Kept across execve(2) of executables with inheritable file capabilities. */
  inheritable?: string[];
  /** Upper bound of what the process may make effective. */
  permitted?: string[];
  /** Kept across execve(2) of ordinary executables; a subset of both `permitted` and `inheritable`. */
  ambient?: string[];
}

/**
 * One resource limit, setrlimit(2).
 *
 * @see config.md#posix-process
 */
export interface POSIXRlimit {
  /**
   * The kernel's name of the resource: `RLIMIT_NOFILE`. A value that the platform does not have MUST be refused.
   *
   * @pattern ^RLIMIT_[A-Z]+$
   */
  type: string;
  /** Ceiling of the soft limit, in the resource's own unit. 18446744073709551615 is `RLIM_INFINITY`. */
  hard: Uint64;
  /** The limit that the kernel enforces, in the resource's own unit; at most `hard`. */
  soft: Uint64;
}

/** Scheduling policies of {@link Scheduler.policy}. (config.md#linux-process) */
export const schedulerPolicies = [
  "SCHED_OTHER",
  "SCHED_FIFO",
  "SCHED_RR",
  "SCHED_BATCH",
  "SCHED_ISO",
  "SCHED_IDLE",
  "SCHED_DEADLINE",
] as const;

/** A scheduling policy, sched(7). */
export type LinuxSchedulerPolicy = (typeof schedulerPolicies)[number];

/** Flags of {@link Scheduler.flags}. (config.md#linux-process) */
export const schedulerFlags = [
  "SCHED_FLAG_RESET_ON_FORK",
  "SCHED_FLAG_RECLAIM",
  "SCHED_FLAG_DL_OVERRUN",
  "SCHED_FLAG_KEEP_POLICY",
  "SCHED_FLAG_KEEP_PARAMS",
  "SCHED_FLAG_UTIL_CLAMP_MIN",
  "SCHED_FLAG_UTIL_CLAMP_MAX",
] as const;

/** A scheduling flag, sched_setattr(2). */
export type LinuxSchedulerFlag = (typeof schedulerFlags)[number];

/**
 * Scheduling attributes of a process, sched_setattr(2).
 *
 * @see config.md#linux-process
 */
export interface Scheduler {
  /** The policy. */
  policy: LinuxSchedulerPolicy;
  /** Nice value for `SCHED_OTHER` and `SCHED_BATCH`: -20, the most favourable, to 19. */
  nice?: Int32;
  /** Static priority for `SCHED_FIFO` and `SCHED_RR`: 1 to 99. */
  priority?: Int32;
  /** Flags. */
  flags?: LinuxSchedulerFlag[];
  /** For `SCHED_DEADLINE`: time to run in each period, in nanoseconds. */
  runtime?: Uint64;
  /** For `SCHED_DEADLINE`: time from the start of a period within which `runtime` is granted, in nanoseconds. */
  deadline?: Uint64;
  /** For `SCHED_DEADLINE`: length of the period, in nanoseconds; 0 is the same as `deadline`. */
  period?: Uint64;
}

/** I/O scheduling classes of {@link LinuxIOPriority.class}. (config.md#linux-process) */
export const ioPriorityClasses = ["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"] as const;

/** An I/O scheduling class, ioprio_set(2). */
export type IOPriorityClass = (typeof ioPriorityClasses)[number];

/**
 * I/O scheduling class and priority, ioprio_set(2).
 *
 * @see config.md#linux-process
 */
export interface LinuxIOPriority {
  /** Scheduling class. */
  class: IOPriorityClass;
  /**
   * Priority within the class: 0, the highest, to 7. Has no effect on `IOPRIO_CLASS_IDLE`.
   *
   * @asType integer
   * @minimum 0
   * @maximum 7
   */
  priority: number;
}

/**
 * CPU affinity of a process that joins a container, as lists of CPU numbers: `0-3,7`.
 *
 * @see config.md#linux-process
 */
export interface CPUAffinity {
  /** CPUs on which the runtime's part of the process may run before it joins the container's cgroup. */
  initial?: string;
  /** CPUs on which the process may run once it has joined the container's cgroup. */
  final?: string;
}
