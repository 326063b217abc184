import { quote } from "@runlet/errors";
import { type Architecture, ipcCalls, socketCalls } from "./architecture.ts";
import { type Condition, equals } from "./condition.ts";
import { invalid } from "./invalid.ts";
import { type Profile, profilePointer, type Rule, type Verdict } from "./profile.ts";
import { type Level, mergeLevel, toLevel } from "./rule-tree.ts";
import { findSyscallIndex, readSyscallNumbers } from "./syscall-number.ts";

/** Something in a profile that has no effect. */
export interface SeccompWarning {
  /** JSON Pointer into config.json. */
  readonly pointer: string;
  readonly message: string;
}

/** What a filter decides for the calls of one architecture. */
export interface ArchitecturePolicy {
  readonly architecture: Architecture;
  /** By system call number: a verdict for all calls, or the tests of its rules. */
  readonly calls: ReadonlyMap<number, Verdict | Level>;
  /** The highest number of a call that the profile names, by whatever rule; 0 if it names none. */
  readonly highestNamed: number;
}

/** A profile, resolved to system call numbers. */
export interface Policy {
  readonly architectures: readonly ArchitecturePolicy[];
  readonly warnings: readonly SeccompWarning[];
}

/** The numbers of the entries that several calls share. */
interface SharedEntries {
  readonly socketcall: number;
  readonly ipc: number;
}

interface Draft {
  readonly architecture: Architecture;
  readonly numbers: Int32Array;
  readonly calls: Map<number, Verdict | Level>;
  /** Undefined on architectures without shared entries. */
  readonly shared: SharedEntries | undefined;
  highestNamed: number;
}

/**
 * Resolves a profile's names to the numbers of each architecture, and merges the rules of each call as libseccomp does:
 * a rule without conditions stands above all others of its call, the first such rule above later ones.
 *
 * @throws RunletError `ERR_RUNLET_SECCOMP` for two rules of one call with the same conditions and different actions.
 */
export function resolvePolicy(profile: Profile): Policy {
  const drafts = profile.architectures.map(newDraft);
  const warnings: SeccompWarning[] = [];
  for (const rule of profile.rules) {
    const { names, verdict } = rule;
    // libseccomp refuses a rule whose action is the default one; runc leaves such rules out.
    const isRedundant = verdict.value === profile.defaultVerdict.value;
    for (let position = 0; position < names.length; position++) {
      const name = names[position] as string;
      const index = findSyscallIndex(name);
      if (index === undefined) {
        const pointer = `${profilePointer}/syscalls/${verdict.rule}/names/${position}`;
        warnings.push({ pointer, message: `unknown system call ${quote(name)}` });
        continue;
      }
      for (const draft of drafts) addName(draft, { rule, name, index, isRedundant });
    }
  }
  return { architectures: drafts, warnings };
}

function newDraft(architecture: Architecture): Draft {
  const numbers = readSyscallNumbers(architecture.table);
  const shared = architecture.multiplexes
    ? { socketcall: indexOf("socketcall", numbers), ipc: indexOf("ipc", numbers) }
    : undefined;
  return { architecture, numbers, calls: new Map(), shared, highestNamed: 0 };
}

function indexOf(name: string, numbers: Int32Array): number {
  const number = numbers[findSyscallIndex(name) ?? -1];
  if (number === undefined || number < 0) throw new Error(`the table lacks ${name}`);
  return number;
}

interface NamedRule {
  readonly rule: Rule;
  readonly name: string;
  /** Position of the name in every table. */
  readonly index: number;
  readonly isRedundant: boolean;
}

function addName(draft: Draft, { rule, name, index, isRedundant }: NamedRule): void {
  const number = draft.numbers[index] as number;
  const entry = draft.shared === undefined ? undefined : findSharedEntry(draft.shared, name);
  draft.highestNamed = Math.max(draft.highestNamed, number, entry?.number ?? 0);
  if (isRedundant) return;
  for (const conditions of rule.alternatives) {
    if (entry !== undefined) {
      addRule(draft, entry.number, onSharedEntry(entry.call, conditions), rule.verdict);
    }
    if (number >= 0) addRule(draft, number, conditions, rule.verdict);
  }
}

function findSharedEntry(shared: SharedEntries, name: string): { number: number; call: number } | undefined {
  const socketCall = Object.hasOwn(socketCalls, name) ? socketCalls[name] : undefined;
  if (socketCall !== undefined) return { number: shared.socketcall, call: socketCall };
  const ipcCall = Object.hasOwn(ipcCalls, name) ? ipcCalls[name] : undefined;
  return ipcCall === undefined ? undefined : { number: shared.ipc, call: ipcCall };
}

/**
 * The conditions on the shared entry. Its own first argument takes the place of the call's; the others are a pointer to the
 * call's arguments, which no filter can follow, and libseccomp compares them all the same.
 */
function onSharedEntry(call: number, conditions: readonly Condition[]): Condition[] {
  return [equals(0, call), ...conditions.filter(({ arg }) => arg !== 0)];
}

/** A rule as it concerns one system call: one alternative of an entry of `syscalls`. */
export interface CallRule {
  readonly verdict: Verdict;
  readonly conditions: readonly Condition[];
}

/** The rules of one system call, in the order of the profile; those too that have the default action. */
export function rulesOf(profile: Profile, architecture: Architecture, number: number): CallRule[] {
  const { numbers, shared } = newDraft(architecture);
  const found: CallRule[] = [];
  for (const { names, verdict, alternatives } of profile.rules) {
    for (const name of names) {
      const index = findSyscallIndex(name);
      if (index === undefined) continue;
      const entry = shared === undefined ? undefined : findSharedEntry(shared, name);
      for (const conditions of alternatives) {
        if (numbers[index] === number) found.push({ verdict, conditions });
        if (entry?.number === number) found.push({ verdict, conditions: onSharedEntry(entry.call, conditions) });
      }
    }
  }
  return found;
}

function addRule(draft: Draft, number: number, conditions: readonly Condition[], verdict: Verdict): void {
  const { calls, architecture } = draft;
  const present = calls.get(number);
  if (present !== undefined && !Array.isArray(present)) return;
  const added = conditions.length === 0 ? undefined : toLevel(conditions, architecture.bits, verdict);
  if (present === undefined || added === undefined) calls.set(number, added ?? verdict);
  else if (!mergeLevel(present, added)) {
    throw invalid(
      `${profilePointer}/syscalls/${verdict.rule}`,
      `the rule has the same conditions as an earlier one for system call ${number} of ${architecture.name}, and another action`,
      { hint: "Remove one of the two: nothing says which of them holds." },
    );
  }
}
