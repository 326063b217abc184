import { actionValues, badArchitectureAction } from "./action.ts";
import { enosysOf, isLittleEndian } from "./architecture.ts";
import type { Range, Target } from "./call-table.ts";
import { type Answers, toRanges, weighRanges } from "./dispatch.ts";
import type { ArchitecturePolicy, Policy } from "./policy.ts";
import type { Profile } from "./profile.ts";
import { JEQ, JGE, JGT, Program } from "./program.ts";
import { type Branch, isVerdict, type Level, type Test } from "./rule-tree.ts";

const everyBit = 0xffff_ffff;
/** Where `nr`, `arch` and `args` lie in `struct seccomp_data`. */
export const numberOffset = 0;
export const archOffset = 4;
export const argsOffset = 16;

const jumps = { eq: JEQ, masked: JEQ, gt: JGT, ge: JGE } as const;

/**
 * What a system call above the highest that the profile names gives: `ENOSYS`, so that programs fall back to older calls,
 * unless the profile lets calls through by default. (As runc since 1.0-rc93.)
 *
 * @returns undefined if the default action holds for them too.
 */
export function unknownCallAction(profile: Profile): number | undefined {
  const { defaultAction, architectures } = profile;
  // A tracer sees such calls and can answer them itself.
  if (["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"].includes(defaultAction)) return undefined;
  const [native] = architectures;
  if (native === undefined) throw new Error("a profile has its native architecture at least");
  const value = actionValues.SCMP_ACT_ERRNO + enosysOf(native);
  return value === profile.defaultVerdict.value ? undefined : value;
}

/**
 * Builds the filter of a policy.
 *
 * @param unknown - `SECCOMP_RET_*` for calls above the highest that the profile names; undefined if the default is theirs.
 * @returns instructions of `struct sock_filter`, 8 bytes each, little-endian. May be longer than the kernel takes.
 */
export function buildFilter(profile: Profile, policy: Policy, unknown: number | undefined): Uint8Array {
  const program = new Program();
  const answers = { byDefault: profile.defaultVerdict.value, badArchitecture: badArchitectureAction, unknown };
  let root = program.addReturn(badArchitectureAction);
  // The native architecture comes first, so it is added last.
  for (const group of groupByAuditArch(policy.architectures).reverse()) {
    const auditArch = group[0]?.architecture.auditArch as number;
    const calls = new Dispatcher(program, auditArch, answers).addCalls(group);
    const comparison = { offset: archOffset, mask: everyBit, jump: JEQ, value: auditArch } as const;
    root = program.addComparison(comparison, calls, root);
  }
  return program.assemble(root);
}

/** x86_64 and x32 share one `AUDIT_ARCH_*`. */
function groupByAuditArch(policies: readonly ArchitecturePolicy[]): ArchitecturePolicy[][] {
  const groups = new Map<number, ArchitecturePolicy[]>();
  for (const policy of policies) {
    const { auditArch } = policy.architecture;
    const group = groups.get(auditArch);
    if (group === undefined) groups.set(auditArch, [policy]);
    else group.push(policy);
  }
  return [...groups.values()];
}

/** Adds what is done with the calls of one `AUDIT_ARCH_*`. */
class Dispatcher {
  readonly #program: Program;
  readonly #answers: Answers;
  readonly #default: number;
  /** Distance from an argument to its halves, by byte order. */
  readonly #highOffset: number;
  readonly #lowOffset: number;

  constructor(program: Program, auditArch: number, answers: Answers) {
    this.#program = program;
    this.#answers = answers;
    this.#default = program.addReturn(answers.byDefault);
    this.#highOffset = isLittleEndian(auditArch) ? 4 : 0;
    this.#lowOffset = 4 - this.#highOffset;
  }

  addCalls(policies: readonly ArchitecturePolicy[]): number {
    const ranges = toRanges(policies, this.#answers);
    return this.#search(ranges, weighRanges(ranges, policies), 0, ranges.length);
  }

  /** A search tree over the ranges from `from` to before `to`, halved where both sides weigh the same. */
  #search(ranges: readonly Range[], sums: readonly number[], from: number, to: number): number {
    const first = ranges[from] as Range;
    if (to - from === 1) return this.#addTarget(first.target);
    const second = ranges[from + 1] as Range;
    const isException = to - from === 3 && ranges[to - 1]?.target === first.target;
    if (isException && ranges[to - 1]?.first === second.first + 1) {
      const rest = this.#addTarget(first.target);
      return this.#compareNumber(JEQ, second.first, this.#addTarget(second.target), rest);
    }
    const middle = halve(sums, from, to);
    const above = this.#search(ranges, sums, middle, to);
    const below = this.#search(ranges, sums, from, middle);
    return this.#compareNumber(JGE, (ranges[middle] as Range).first, above, below);
  }

  #compareNumber(jump: typeof JEQ | typeof JGE, value: number, whenTrue: number, whenFalse: number): number {
    return this.#program.addUniqueComparison(
      { offset: numberOffset, mask: everyBit, jump, value },
      whenTrue,
      whenFalse,
    );
  }

  #addTarget(target: Target): number {
    return typeof target === "number" ? this.#program.addReturn(target) : this.#addLevel(target, this.#default);
  }

  /** @param otherwise - where to go on if no test of the level decides. */
  #addLevel(level: Level, otherwise: number): number {
    return level.reduceRight((next, test) => this.#addTest(test, next), otherwise);
  }

  #addTest(test: Test, next: number): number {
    const whenTrue = this.#addBranch(test.whenTrue, next);
    const whenFalse = this.#addBranch(test.whenFalse, next);
    const half = test.high ? this.#highOffset : this.#lowOffset;
    const { mask, value } = test;
    return this.#program.addComparison(
      { offset: argsOffset + test.arg * 8 + half, mask, jump: jumps[test.jump], value },
      whenTrue,
      whenFalse,
    );
  }

  #addBranch(branch: Branch, next: number): number {
    if (branch === undefined) return next;
    return isVerdict(branch) ? this.#program.addReturn(branch.value) : this.#addLevel(branch, next);
  }
}

function halve(sums: readonly number[], from: number, to: number): number {
  const half = ((sums[from] as number) + (sums[to] as number)) / 2;
  let middle = from + 1;
  while (middle < to - 1 && (sums[middle] as number) < half) middle++;
  // The boundary before may be the nearer one.
  if (middle > from + 1 && half - (sums[middle - 1] as number) <= (sums[middle] as number) - half) middle--;
  return middle;
}
