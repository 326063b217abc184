import { quote, RunletError } from "@runlet/errors";
import type { Arch, LinuxSeccomp } from "@runlet/spec";
import { type ActionWord, badArchitectureAction, formatAction, readAction } from "./action.ts";
import { type Architecture, architectures, cancelledCall, x32SyscallBit } from "./architecture.ts";
import { formatCondition, holds } from "./condition.ts";
import { unknownCallAction } from "./filter.ts";
import { type ArchitecturePolicy, resolvePolicy, rulesOf } from "./policy.ts";
import { type Profile, profilePointer, readProfile, type Verdict } from "./profile.ts";
import { isVerdict, type Level, type Test } from "./rule-tree.ts";
import { findSyscallName, findSyscallNumber } from "./syscall-number.ts";

/** The system call that {@link explain} is asked about. */
export interface ExplainedCall {
  /** Its name, or its number for calls that have no name here. */
  readonly syscall: string | number;
  /** Its arguments; missing ones are 0. */
  readonly args?: readonly (number | bigint)[];
  /** Architecture of the program that makes it; the native one if unset. */
  readonly arch?: Arch;
}

/** How {@link explain} compiles; as for `compileSeccomp`. */
export interface ExplainOptions {
  readonly nativeArch: Arch;
  readonly withoutEnosys?: boolean;
}

/** What a profile makes of one system call, and why. */
export interface Explanation extends ActionWord {
  /** `SECCOMP_RET_*` with its data, as the filter returns it. */
  readonly value: number;
  /** JSON Pointer of the entry that decides; undefined where no entry does. */
  readonly pointer: string | undefined;
  /** The way to the decision, a sentence each. */
  readonly steps: readonly string[];
}

/**
 * Says what a profile makes of a system call, which entry decides, and why.
 *
 * @throws RunletError `ERR_RUNLET_SECCOMP` as `compileSeccomp` does, and for a name that the architecture does not have.
 *
 * @example
 * explain(profile, { syscall: "clone3" }, { nativeArch: "SCMP_ARCH_X86_64" }).steps;
 */
export function explain(profile: LinuxSeccomp, call: ExplainedCall, options: ExplainOptions): Explanation {
  const checked = readProfile(profile, options.nativeArch);
  const architecture = findByName(call.arch ?? options.nativeArch);
  const number = resolveNumber(call.syscall, architecture);
  const name = findSyscallName(number, architecture) ?? "no name";
  const steps = [`${name} is number ${number} on ${architecture.name}.`];
  const policy = findPolicy(resolvePolicy(checked).architectures, architecture, number);
  if (policy === undefined) {
    steps.push("The profile does not list the architecture: its programs are stopped at their first call.");
    return conclude({ value: badArchitectureAction, rule: -1 }, `${profilePointer}/architectures`, steps);
  }
  const unknown = options.withoutEnosys === true ? undefined : unknownCallAction(checked);
  if (unknown !== undefined && isUnknown(policy, number)) {
    const highest = findSyscallName(policy.highestNamed, architecture) ?? String(policy.highestNamed);
    steps.push(
      `The highest number that the profile names is ${policy.highestNamed} (${highest}): its author did not know this call.`,
      "Calls newer than the profile get ENOSYS, so that programs fall back to older ones.",
    );
    return conclude({ value: unknown, rule: -1 }, undefined, steps);
  }
  return decide({ checked, policy, number, args: call.args ?? [], steps });
}

interface Decision {
  readonly checked: Profile;
  readonly policy: ArchitecturePolicy;
  readonly number: number;
  readonly args: readonly (number | bigint)[];
  readonly steps: string[];
}

function decide(decision: Decision): Explanation {
  const { checked, policy, number, steps } = decision;
  const args = decision.args.map(halve);
  tellRules(decision, args);
  const target = policy.calls.get(number);
  const verdict = Array.isArray(target) ? tryLevel(target, args) : target;
  if (verdict !== undefined) {
    steps.push(`Entry ${verdict.rule} decides.`);
    return conclude(verdict, `${profilePointer}/syscalls/${verdict.rule}`, steps);
  }
  steps.push("No entry decides, so the default action does.");
  return conclude(checked.defaultVerdict, `${profilePointer}/defaultAction`, steps);
}

function conclude(verdict: Verdict, pointer: string | undefined, steps: string[]): Explanation {
  steps.push(`The action is ${formatAction(verdict.value)}.`);
  return { ...readAction(verdict.value), value: verdict.value, pointer, steps };
}

/** x86_64 and x32 are told apart by the number only. */
function findPolicy(
  policies: readonly ArchitecturePolicy[],
  { name, auditArch }: Architecture,
  number: number,
): ArchitecturePolicy | undefined {
  const isOfX86 = auditArch === architectures.get("SCMP_ARCH_X32")?.auditArch;
  const wanted = isOfX86 ? (number >= x32SyscallBit ? "SCMP_ARCH_X32" : "SCMP_ARCH_X86_64") : name;
  const found = policies.find(({ architecture }) => architecture.name === wanted);
  // The number that a tracer leaves of a cancelled call looks like x32's; without x32 it is a call of x86_64.
  if (found !== undefined || number !== cancelledCall) return found;
  return policies.find(({ architecture }) => architecture.auditArch === auditArch);
}

function findByName(name: Arch): Architecture {
  const architecture = architectures.get(name);
  if (architecture === undefined) throw new RunletError("ERR_RUNLET_SECCOMP", `unknown architecture ${quote(name)}`);
  return architecture;
}

function resolveNumber(syscall: string | number, architecture: Architecture): number {
  if (typeof syscall === "number") return syscall >>> 0;
  const number = findSyscallNumber(syscall, architecture);
  if (number === undefined) {
    throw new RunletError("ERR_RUNLET_SECCOMP", `${architecture.name} has no system call ${quote(syscall)}`, {
      hint: "Give the number, if it is a call newer than this package.",
    });
  }
  return number;
}

function isUnknown({ architecture, highestNamed }: ArchitecturePolicy, number: number): boolean {
  if (highestNamed === 0) return false;
  if (number === 0 && architecture.table.startsWith("s390")) return true;
  if (architecture.name === "SCMP_ARCH_X86_64" && number === cancelledCall) return false;
  return number > highestNamed;
}

/** The verdict of the first test that decides, tried in the order of the filter. */
function tryLevel(level: Level, args: readonly Halves[]): Verdict | undefined {
  for (const test of level) {
    const branch = isTrue(test, args[test.arg] ?? nothing) ? test.whenTrue : test.whenFalse;
    if (isVerdict(branch)) return branch;
    const verdict = branch === undefined ? undefined : tryLevel(branch, args);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

function isTrue({ high, mask, value, jump }: Test, halves: Halves): boolean {
  const masked = ((high ? halves.high : halves.low) & mask) >>> 0;
  if (jump === "gt") return masked > value;
  return jump === "ge" ? masked >= value : masked === value;
}

/** The two halves of an argument. */
interface Halves {
  readonly high: number;
  readonly low: number;
}

const nothing: Halves = { high: 0, low: 0 };

function halve(value: number | bigint): Halves {
  const whole = BigInt.asUintN(64, BigInt(value));
  return { high: Number(whole >> 32n), low: Number(whole & 0xffff_ffffn) };
}

/** Says of every entry that names the call whether its conditions hold. */
function tellRules({ checked, policy, number, steps }: Decision, args: readonly Halves[]): void {
  const { architecture } = policy;
  for (const { verdict, conditions } of rulesOf(checked, architecture, number)) {
    const missed = conditions.find((condition) => {
      const { high, low } = args[condition.arg] ?? nothing;
      return !holds(condition, high, low, architecture.bits);
    });
    const wanted = conditions.length === 0 ? "every call" : conditions.map(formatCondition).join(" and ");
    const outcome =
      missed === undefined ? "that holds" : `argument ${missed.arg} is ${formatArgument(args[missed.arg])}`;
    steps.push(`Entry ${verdict.rule} is ${formatAction(verdict.value)} for ${wanted}: ${outcome}.`);
  }
}

function formatArgument({ high, low }: Halves = nothing): string {
  return `0x${((BigInt(high) << 32n) | BigInt(low)).toString(16)}`;
}
