import { quote } from "@runlet/errors";
import { type Architecture, ipcCalls, socketCalls } from "./architecture.ts";
import { CallTable } from "./call-table.ts";
import { type Condition, equals } from "./condition.ts";
import { invalid } from "./invalid.ts";
import { type Profile, profilePointer, type Rule, type Verdict } from "./profile.ts";
import { mergeLevel, toLevel } from "./rule-tree.ts";
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
  readonly calls: Pick<CallTable, "addRanges" | "base" | "get">;
  /** The highest number of a call that the profile names, by whatever rule; 0 if it names none. */
  readonly highestNamed: number;
}

/** A profile, resolved to system call numbers. */
export interface Policy {
  readonly architectures: readonly ArchitecturePolicy[];
  readonly warnings: readonly SeccompWarning[];
}

/** A call that also goes through an entry that it shares with others. */
interface SharedCall {
  /** Number of the entry: `socketcall(2)` or `ipc(2)`. */
  readonly number: number;
  /** What the entry's first argument names the call by. */
  readonly call: number;
}

interface Draft {
  readonly architecture: Architecture;
  readonly numbers: readonly number[];
  /** By position in the tables; empty on architectures without shared entries. */
  readonly shared: ReadonlyMap<number, SharedCall>;
  readonly calls: CallTable;
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
    const indexes = findIndexes(rule, warnings);
    // libseccomp refuses a rule whose action is the default one; runc leaves such rules out.
    const isRedundant = rule.verdict.value === profile.defaultVerdict.value;
    for (const draft of drafts) {
      if (isRedundant) noteHighest(draft, indexes);
      else addEntry(draft, rule, indexes);
    }
  }
  for (const draft of drafts) draft.highestNamed = Math.max(draft.highestNamed, draft.calls.highest);
  return { architectures: drafts, warnings };
}

/** Positions in every table of the names that some architecture knows. */
function findIndexes({ names, verdict }: Rule, warnings: SeccompWarning[]): number[] {
  const indexes: number[] = [];
  for (let position = 0; position < names.length; position++) {
    const name = names[position] as string;
    const index = findSyscallIndex(name);
    if (index !== undefined) indexes.push(index);
    else {
      const pointer = `${profilePointer}/syscalls/${verdict.rule}/names/${position}`;
      warnings.push({ pointer, message: `unknown system call ${quote(name)}` });
    }
  }
  return indexes;
}

function newDraft(architecture: Architecture): Draft {
  const numbers = readSyscallNumbers(architecture.table);
  const shared = new Map<number, SharedCall>();
  if (architecture.multiplexes) {
    addShared(shared, numbers, "socketcall", socketCalls);
    addShared(shared, numbers, "ipc", ipcCalls);
  }
  return { architecture, numbers, shared, calls: new CallTable(architecture), highestNamed: 0 };
}

function addShared(
  shared: Map<number, SharedCall>,
  numbers: readonly number[],
  entry: string,
  calls: Readonly<Record<string, number>>,
): void {
  const number = numbers[findSyscallIndex(entry) ?? -1];
  if (number === undefined || number < 0) throw new Error(`the table lacks ${entry}`);
  for (const name of Object.keys(calls)) {
    const index = findSyscallIndex(name);
    if (index === undefined) throw new Error(`the table lacks ${name}`);
    shared.set(index, { number, call: calls[name] as number });
  }
}

/** Takes the names of an entry that adds no rule for named. */
function noteHighest(draft: Draft, indexes: readonly number[]): void {
  const { numbers, shared } = draft;
  let highest = draft.highestNamed;
  for (let position = 0; position < indexes.length; position++) {
    const index = indexes[position] as number;
    const number = numbers[index] as number;
    if (number > highest) highest = number;
    const entry = shared.size === 0 ? undefined : shared.get(index);
    if (entry !== undefined && entry.number > highest) highest = entry.number;
  }
  draft.highestNamed = highest;
}

/** Adds an entry of `syscalls` to one architecture. */
function addEntry(draft: Draft, { verdict, alternatives }: Rule, indexes: readonly number[]): void {
  const { numbers, shared, calls } = draft;
  for (const conditions of alternatives) {
    if (shared.size > 0) addToShared(draft, indexes, { conditions, verdict });
    if (conditions.length === 0) {
      calls.setUnconditional(numbers, indexes, verdict);
      continue;
    }
    for (const index of indexes) {
      const number = numbers[index] as number;
      if (number >= 0) addRule(draft, number, conditions, verdict);
    }
  }
}

/** Adds a rule to the entries that its calls share with others. */
function addToShared(draft: Draft, indexes: readonly number[], { conditions, verdict }: CallRule): void {
  for (const index of indexes) {
    const entry = draft.shared.get(index);
    if (entry !== undefined) addRule(draft, entry.number, onSharedEntry(entry.call, conditions), verdict);
  }
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
  for (const rule of profile.rules) {
    const { verdict, alternatives } = rule;
    for (const index of findIndexes(rule, [])) {
      const entry = shared.get(index);
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
