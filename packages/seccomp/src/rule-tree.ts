import type { Condition } from "./condition.ts";
import type { Verdict } from "./profile.ts";

// The conditional rules of one system call, merged into one tree the way libseccomp merges them (db.c of 2.5). A test looks
// at 32 bits. The tests of a level are tried in order; a branch that leads nowhere, or into a level none of whose tests
// decides, goes on with the next test of the level above. So the order within a level is what decides between rules of
// different actions that match the same call, and it does not depend on the order of the profile: arguments with a higher
// index first, then equality before "less" before "greater", then the narrower comparison.

/** One comparison of 32 bits of an argument. */
export interface Test {
  readonly arg: number;
  /** Whether it is the upper half of the argument that is compared. */
  readonly high: boolean;
  /** Rank among the words of all arguments: the higher comes first. */
  readonly word: number;
  readonly jump: "eq" | "masked" | "gt" | "ge";
  readonly mask: number;
  readonly value: number;
  /** Rank among tests of the same word: 3 equality, 2 "less", 1 "greater". */
  readonly rank: 1 | 2 | 3;
  /** The whole value of 64 bits that the condition compares with. */
  readonly whole: Condition;
  whenTrue: Branch;
  whenFalse: Branch;
}

/** Where a test leads: to a verdict, to further tests, or (undefined) on to the next test. */
export type Branch = Verdict | Level | undefined;

/** Tests that are tried one after the other. */
export type Level = Test[];

/** Whether a branch decides. */
export function isVerdict(branch: Branch): branch is Verdict {
  return branch !== undefined && !Array.isArray(branch);
}

/**
 * The tests of one rule.
 *
 * @param conditions - all must hold; at most one for an argument.
 * @param bits - width of an argument on the architecture.
 * @returns undefined if every condition is always true, so that the rule has none.
 */
export function toLevel(conditions: readonly Condition[], bits: 32 | 64, verdict: Verdict): Level | undefined {
  const needed = conditions.filter((c) => c.maskLow !== 0 || (bits === 64 && c.maskHigh !== 0));
  if (needed.length === 0) return undefined;
  if (needed.length > 1) needed.sort((left, right) => left.arg - right.arg);
  return chain(needed, 0, bits === 64 ? wideTest : lowTest, verdict) as Level;
}

/** The tests of a condition and those that follow where it holds. Each way there gets its own, since they may part later. */
function chain(
  conditions: readonly Condition[],
  position: number,
  toTest: (condition: Condition, rest: Rest) => Test,
  verdict: Verdict,
): Verdict | Level {
  const condition = conditions[position];
  if (condition === undefined) return verdict;
  return [toTest(condition, () => chain(conditions, position + 1, toTest, verdict))];
}

/** Makes what follows a condition that holds. */
type Rest = () => Verdict | Level;

function wideTest(condition: Condition, rest: Rest): Test {
  const { op, high, maskHigh } = condition;
  if (op === "SCMP_CMP_EQ" || op === "SCMP_CMP_MASKED_EQ" || op === "SCMP_CMP_NE") {
    const jump = op === "SCMP_CMP_MASKED_EQ" ? "masked" : "eq";
    return newTest(condition, {
      high: true,
      jump,
      mask: maskHigh,
      value: high,
      whenTrue: [lowTest(condition, rest)],
      whenFalse: op === "SCMP_CMP_NE" ? rest() : undefined,
    });
  }
  const isGreater = op === "SCMP_CMP_GT" || op === "SCMP_CMP_GE";
  const equal = newTest(condition, {
    high: true,
    jump: "eq",
    mask: maskHigh,
    value: high,
    whenTrue: [lowTest(condition, rest)],
    whenFalse: isGreater ? undefined : rest(),
  });
  return newTest(condition, {
    high: true,
    jump: "gt",
    mask: maskHigh,
    value: high,
    whenTrue: isGreater ? rest() : undefined,
    whenFalse: [equal],
  });
}

function lowTest(condition: Condition, rest: Rest): Test {
  const { op, low, maskLow } = condition;
  const isNegated = op === "SCMP_CMP_NE" || op === "SCMP_CMP_LT" || op === "SCMP_CMP_LE";
  return newTest(condition, {
    high: false,
    jump: lowJumps[op],
    mask: maskLow,
    value: low,
    whenTrue: isNegated ? undefined : rest(),
    whenFalse: isNegated ? rest() : undefined,
  });
}

const lowJumps = {
  SCMP_CMP_NE: "eq",
  SCMP_CMP_EQ: "eq",
  SCMP_CMP_MASKED_EQ: "masked",
  SCMP_CMP_LE: "gt",
  SCMP_CMP_GT: "gt",
  SCMP_CMP_LT: "ge",
  SCMP_CMP_GE: "ge",
} as const;

function newTest(whole: Condition, test: Omit<Test, "arg" | "rank" | "whole" | "word">): Test {
  const { op, arg } = whole;
  const rank = op === "SCMP_CMP_LT" || op === "SCMP_CMP_LE" ? 2 : op === "SCMP_CMP_GT" || op === "SCMP_CMP_GE" ? 1 : 3;
  const { high, jump, mask, value, whenTrue, whenFalse } = test;
  return { arg, high, word: arg * 2 + (high ? 1 : 0), jump, mask, value, rank, whole, whenTrue, whenFalse };
}

/**
 * Merges the tests of a further rule into a level.
 *
 * @returns false if the rule contradicts one that is there: the same conditions, another action. The level is then spoilt.
 */
export function mergeLevel(level: Level, added: Level): boolean {
  return added.every((test) => mergeTest(level, test));
}

function mergeTest(level: Level, added: Test): boolean {
  const { word, value, rank } = added;
  for (let position = 0; position < level.length; position++) {
    const present = level[position] as Test;
    let comesAfter = present.word < word;
    if (present.word === word) {
      if (present.value === value && present.jump === added.jump && present.mask === added.mask) {
        return mergeBranches(present, added);
      }
      comesAfter =
        present.rank === rank ? (rank === 2 ? present.value > value : present.value < value) : present.rank < rank;
    }
    if (comesAfter) {
      level.splice(position, 0, added);
      return true;
    }
  }
  level.push(added);
  return true;
}

function mergeBranches(present: Test, added: Test): boolean {
  if (isVerdict(added.whenTrue)) {
    if (!isVerdict(present.whenTrue)) {
      if (!decidesOnly(present.whenTrue, added.whenTrue.value)) return false;
      present.whenTrue = added.whenTrue;
    } else if (present.whenTrue.value !== added.whenTrue.value) {
      // Of two "greater" on the same upper half, the narrower one decides for all larger upper halves.
      if (added.high && isGreater(added.whole, present.whole)) present.whenTrue = added.whenTrue;
      if (isLeaf(present) || isLeaf(added)) return false;
    }
  }
  if (isVerdict(added.whenFalse)) {
    if (!isVerdict(present.whenFalse)) {
      if (!decidesOnly(present.whenFalse, added.whenFalse.value)) return false;
      present.whenFalse = added.whenFalse;
    } else if (present.whenFalse.value !== added.whenFalse.value) {
      // The mirror image for "less" is missing in libseccomp: the first of the profile decides.
      if (isLeaf(present) || isLeaf(added)) return false;
    }
  }
  for (const side of ["whenTrue", "whenFalse"] as const) {
    const further = added[side];
    if (!Array.isArray(further)) continue;
    const branch = present[side];
    // A shorter rule is there already: on this side, the longer one is never reached.
    if (isVerdict(branch)) continue;
    if (branch === undefined) present[side] = further;
    else if (!mergeLevel(branch, further)) return false;
  }
  return true;
}

function isLeaf(test: Test): boolean {
  return !Array.isArray(test.whenTrue) && !Array.isArray(test.whenFalse);
}

function isGreater(left: Condition, right: Condition): boolean {
  return left.high !== right.high ? left.high > right.high : left.low > right.low;
}

/** Whether every verdict below a branch has this value. */
function decidesOnly(branch: Branch, value: number): boolean {
  if (branch === undefined) return true;
  if (isVerdict(branch)) return branch.value === value;
  return branch.every((test) => decidesOnly(test.whenTrue, value) && decidesOnly(test.whenFalse, value));
}
