import { cancelledCall, x32SyscallBit } from "./architecture.ts";
import type { Range, Target } from "./call-table.ts";
import type { ArchitecturePolicy } from "./policy.ts";
import { findSyscallIndex, readSyscallNumbers } from "./syscall-number.ts";

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
  const ordered = [...policies].sort((left, right) => startOf(left) - startOf(right));
  const [lowest] = ordered;
  if (lowest === undefined) throw new Error("there are no ranges without a policy");
  if (startOf(lowest) > 0) addRange(ranges, 0, answers.badArchitecture);
  for (const policy of ordered) addCalls(ranges, policy, answers);
  if (ordered.length === 1 && lowest.architecture.name === "SCMP_ARCH_X86_64") {
    // x32 has the same AUDIT_ARCH: its calls belong to an architecture that the profile leaves out. A cancelled call must
    // not kill.
    addRange(ranges, x32SyscallBit, answers.badArchitecture);
    addRange(ranges, cancelledCall, answers.byDefault);
  }
  return ranges;
}

function addCalls(ranges: Range[], policy: ArchitecturePolicy, { byDefault, unknown }: Answers): void {
  const { calls, highestNamed, architecture } = policy;
  if (calls.base > startOf(policy)) addRange(ranges, startOf(policy), byDefault);
  calls.addRanges(ranges, byDefault);
  // What is above the highest number that the profile names was not there for its author to judge.
  if (highestNamed === 0 || unknown === undefined) return;
  while ((ranges.at(-1)?.first ?? 0) > highestNamed) ranges.pop();
  addRange(ranges, highestNamed + 1, unknown);
  // s390 makes calls that its kernel does not know into number 0, setup(2), which nothing has called for decades.
  if (!architecture.table.startsWith("s390")) return;
  const [, second] = ranges;
  const rest = second?.first === 1 ? [] : [{ first: 1, target: ranges[0]?.target ?? byDefault }];
  ranges.splice(0, 1, { first: 0, target: unknown }, ...rest);
}

function addRange(ranges: Range[], first: number, target: Target): void {
  if (ranges.length === 0 || ranges[ranges.length - 1]?.target !== target) ranges.push({ first, target });
}

function startOf({ architecture }: ArchitecturePolicy): number {
  return architecture.name === "SCMP_ARCH_X32" ? x32SyscallBit : 0;
}

/**
 * How often the calls of each range are made, roughly, as running totals: the entry at `i` is what all ranges before `i`
 * weigh together.
 */
export function weighRanges(ranges: readonly Range[], policies: readonly ArchitecturePolicy[]): number[] {
  const weights = new Uint32Array(ranges.length).fill(1);
  for (const { architecture } of policies) {
    const numbers = readSyscallNumbers(architecture.table);
    for (const name of frequentCalls) {
      const number = numbers[findSyscallIndex(name) ?? -1] ?? -1;
      if (number < 0) continue;
      const index = findRange(ranges, number);
      weights[index] = (weights[index] as number) + frequentWeight;
    }
  }
  const sums = [0];
  let sum = 0;
  for (let index = 0; index < weights.length; index++) {
    sum += weights[index] as number;
    sums.push(sum);
  }
  return sums;
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
