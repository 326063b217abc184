import type { Uint32, Uint64 } from "./integer.ts";

/** Actions of a seccomp filter. (config-linux.md#seccomp) */
export const seccompActions = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY",
] as const;

/** What a seccomp filter does with a system call. */
export type LinuxSeccompAction = (typeof seccompActions)[number];

/** Architectures of a seccomp filter. (config-linux.md#seccomp) */
export const seccompArchitectures = [
  "SCMP_ARCH_X86",
  "SCMP_ARCH_X86_64",
  "SCMP_ARCH_X32",
  "SCMP_ARCH_ARM",
  "SCMP_ARCH_AARCH64",
  "SCMP_ARCH_MIPS",
  "SCMP_ARCH_MIPS64",
  "SCMP_ARCH_MIPS64N32",
  "SCMP_ARCH_MIPSEL",
  "SCMP_ARCH_MIPSEL64",
  "SCMP_ARCH_MIPSEL64N32",
  "SCMP_ARCH_PPC",
  "SCMP_ARCH_PPC64",
  "SCMP_ARCH_PPC64LE",
  "SCMP_ARCH_S390",
  "SCMP_ARCH_S390X",
  "SCMP_ARCH_PARISC",
  "SCMP_ARCH_PARISC64",
  "SCMP_ARCH_RISCV64",
  "SCMP_ARCH_LOONGARCH64",
  "SCMP_ARCH_M68K",
  "SCMP_ARCH_SH",
  "SCMP_ARCH_SHEB",
] as const;

/** An architecture of a seccomp filter. */
export type Arch = (typeof seccompArchitectures)[number];

/** Flags of seccomp(2). (config-linux.md#seccomp) */
export const seccompFlags = [
  "SECCOMP_FILTER_FLAG_TSYNC",
  "SECCOMP_FILTER_FLAG_LOG",
  "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
] as const;

/** A flag of seccomp(2). */
export type LinuxSeccompFlag = (typeof seccompFlags)[number];

/** Comparison operators of seccomp arguments. (config-linux.md#seccomp) */
export const seccompOperators = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
] as const;

/** How a system call's argument is compared. */
export type LinuxSeccompOperator = (typeof seccompOperators)[number];

/**
 * Filter of system calls.
 *
 * @see config-linux.md#seccomp
 */
export interface LinuxSeccomp {
  /** What is done with a system call that no entry of `syscalls` matches. */
  defaultAction: LinuxSeccompAction;
  /** Error number of `SCMP_ACT_ERRNO` (and value of `SCMP_ACT_TRACE`) as `defaultAction`. Unset is `EPERM`. */
  defaultErrnoRet?: Uint32;
  /** Architectures whose system calls are let through to the rules. The native one is always among them. */
  architectures?: Arch[];
  /** Flags of seccomp(2). */
  flags?: LinuxSeccompFlag[];
  /** Unix socket to which the listener's descriptor is sent. MUST be set for `SCMP_ACT_NOTIFY`. */
  listenerPath?: string;
  /** Opaque data for the listener. MUST NOT be set without `listenerPath`. */
  listenerMetadata?: string;
  /** The rules. */
  syscalls?: LinuxSyscall[];
}

/** A rule of a seccomp filter. */
export interface LinuxSyscall {
  /**
   * Names of the system calls. MUST have an entry at least.
   *
   * @minItems 1
   */
  names: string[];
  /** What is done with them. */
  action: LinuxSeccompAction;
  /** Error number of `SCMP_ACT_ERRNO`, value of `SCMP_ACT_TRACE`. Unset is `EPERM`. */
  errnoRet?: Uint32;
  /** Conditions, all of which MUST hold; two on the same argument are alternatives of each other in libseccomp. */
  args?: LinuxSeccompArg[];
}

/** A condition on one argument of a system call. */
export interface LinuxSeccompArg {
  /**
   * Which argument, from 0 to 5.
   *
   * @asType integer
   * @minimum 0
   * @maximum 5
   */
  index: number;
  /** Value to compare with; the mask for `SCMP_CMP_MASKED_EQ`. */
  value: Uint64;
  /** Value that the masked argument is compared with, for `SCMP_CMP_MASKED_EQ`. */
  valueTwo?: Uint64;
  /** The comparison. */
  op: LinuxSeccompOperator;
}
