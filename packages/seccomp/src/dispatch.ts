import { cancelledCall, x32SyscallBit } from "./architecture.ts";
import type { ArchitecturePolicy } from "./policy.ts";
import type { Verdict } from "./profile.ts";
import type { Level } from "./rule-tree.ts";
import { findSyscallNumber } from "./syscall-number.ts";

/** What is done with a run of system call numbers: a return value, or the tests of the one call in it. */
export type Target = number | Level;

/** System call numbers from `first` to the next range's, all with the same target. */
export interface Range {
  readonly first: number;
  readonly target: Target;
}

/**
 * Calls that programs make all the time. The filter is a search tree, and they lie near its root.
 * Every name weighs the same: the order among them differs from program to program.
 */
const frequentCalls = (
  "read write close openat newfstatat fstat lseek mmap munmap mprotect brk futex epoll_wait epoll_pwait poll ppoll " +
  "recvfrom recvmsg sendto sendmsg readv writev pread64 pwrite64 rt_sigaction rt_sigprocmask clock_gettime " +
  "clock_nanosleep gettid getpid sched_yield ioctl fcntl"
).split(" ");

/** How much more than any other range one with a frequent call weighs. */
const frequentWeight = 16;

/** How calls beside those that a policy lists are answered. */
export interface Answers {
  /** `SECCOMP_RET_*` of the profile's default action. */
  readonly byDefault: number;
  /** `SECCOMP_RET_*` for the other architecture that shares the `AUDIT_ARCH_*`, if the profile leaves it out. */
  readonly badArchitecture: number;
  /** `SECCOMP_RET_*` for calls above the highest that the profile names; undefined if the default is theirs too. */
  readonly unknown: number | undefined;
}

/**
 * The ranges that cover all numbers of one `AUDIT_ARCH_*`.
 *
 * @param policies - one, or those of x86_64 and x32 in either order.
 */
export function toRanges(policies: readonly ArchitecturePolicy[], answers: Answers): Range[] {
  const ranges: Range[] = [];
  const add = (first: number, target: Target): void => {
    const last = ranges.at(-1);
    if (last?.first === first) ranges.pop();
    if (ranges.at(-1)?.target !== target) ranges.push({ first, target });
  };
  const ordered = [...policies].sort((left, right) => startOf(left) - startOf(right));
  add(0, startOf(ordered[0] as ArchitecturePolicy) > 0 ? answers.badArchitecture : answers.byDefault);
  for (const policy of ordered) {
    const start = startOf(policy);
    if (start > 0) add(start, answers.byDefault);
    // What is above the highest number that the profile names was not there for its author to judge.
    const unknown = policy.highestNamed > 0 ? answers.unknown : undefined;
    // s390 makes calls that its kernel does not know into number 0, setup(2), which nothing has called for decades.
    const hidesUnknown = unknown !== undefined && policy.architecture.table.startsWith("s390");
    if (hidesUnknown) {
      add(0, unknown);
      add(1, answers.byDefault);
    }
    for (const number of Array.from(policy.calls.keys()).sort((left, right) => left - right)) {
      if (hidesUnknown && number === 0) continue;
      const target = policy.calls.get(number) as Verdict | Level;
      add(number, Array.isArray(target) ? target : target.value);
      add(number + 1, answers.byDefault);
    }
    if (unknown !== undefined) add(policy.highestNamed + 1, unknown);
  }
  if (ordered.length === 1 && ordered[0]?.architecture.name === "SCMP_ARCH_X86_64") {
    // x32 has the same AUDIT_ARCH: its calls belong to an architecture that the profile leaves out. A cancelled
    // call must not kill.
    add(x32SyscallBit, answers.badArchitecture);
    add(cancelledCall, answers.byDefault);
  }
  return ranges;
}

function startOf({ architecture }: ArchitecturePolicy): number {
  return architecture.name === "SCMP_ARCH_X32" ? x32SyscallBit : 0;
}

/** For each range how often its calls are made, roughly. */
export function weighRanges(ranges: readonly Range[], policies: readonly ArchitecturePolicy[]): number[] {
  const weights = ranges.map(() => 1);
  for (const { architecture } of policies) {
    for (const name of frequentCalls) {
      const number = findSyscallNumber(name, architecture);
      if (number === undefined) continue;
      const index = findRange(ranges, number);
      weights[index] = (weights[index] as number) + frequentWeight;
    }
  }
  return weights;
}

function findRange(ranges: readonly Range[], number: number): number {
  let low = 0;
  let high = ranges.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as Range).first <= number) low = middle;
    else high = middle;
  }
  return low;
}
