import type { Architecture } from "./architecture.ts";
import type { Verdict } from "./profile.ts";
import type { Level } from "./rule-tree.ts";

/** What is done with a system call: a verdict for every call, or the tests of its rules. */
export type CallTarget = Verdict | Level;

/** What is done with a run of system call numbers: a `SECCOMP_RET_*`, or the tests of the one call in it. */
export type Target = number | Level;

/** System call numbers from `first` to the next range's, all with the same target. */
export interface Range {
  readonly first: number;
  readonly target: Target;
}

/** Where a table's numbers begin, if not at 0. (`<asm/unistd.h>`) */
const bases: Partial<Record<Architecture["table"], number>> = {
  x32: 0x4000_0000,
  mips: 4000,
  mips64: 5000,
  mips64n32: 6000,
};

/** How many numbers from the base on lie close together. Beyond are a few of their own, as arm's at `0xf0000`. */
const nearCount = 1024;

/**
 * The calls of one architecture that rules name, by number. Nearly all numbers lie close together, so they are kept in an
 * array: no hashing while it is filled, no sorting when it is read.
 */
export class CallTable {
  /** The lowest number that the architecture uses. */
  readonly base: number;
  readonly #near: (CallTarget | undefined)[] = new Array<CallTarget | undefined>(nearCount).fill(undefined);
  readonly #far = new Map<number, CallTarget>();
  /** How many of the near numbers have to be looked at. */
  #nearEnd = 0;

  constructor(architecture: Architecture) {
    this.base = bases[architecture.table] ?? 0;
  }

  /** The highest number that a rule names; 0 if none does. */
  get highest(): number {
    let highest = this.#nearEnd === 0 ? 0 : this.base + this.#nearEnd - 1;
    for (const number of this.#far.keys()) if (number > highest) highest = number;
    return highest;
  }

  /** What is done with a call, or undefined if no rule names it. */
  get(number: number): CallTarget | undefined {
    const distance = number - this.base;
    return distance >= 0 && distance < nearCount ? this.#near[distance] : this.#far.get(number);
  }

  set(number: number, target: CallTarget): void {
    const distance = number - this.base;
    if (distance < 0 || distance >= nearCount) this.#far.set(number, target);
    else {
      this.#near[distance] = target;
      if (distance >= this.#nearEnd) this.#nearEnd = distance + 1;
    }
  }

  /**
   * Gives a verdict to calls, whatever conditional rules they had; not to those that have a verdict already.
   *
   * @param numbers - the architecture's table, where −1 is a call that it does not have.
   * @param indexes - which entries of it.
   */
  setUnconditional(numbers: readonly number[], indexes: readonly number[], verdict: Verdict): void {
    const near = this.#near;
    const { base } = this;
    let end = this.#nearEnd;
    for (let position = 0; position < indexes.length; position++) {
      const number = numbers[indexes[position] as number] as number;
      if (number < 0) continue;
      const distance = number - base;
      const isNear = distance >= 0 && distance < nearCount;
      const present = isNear ? near[distance] : this.#far.get(number);
      if (present !== undefined && !Array.isArray(present)) continue;
      if (!isNear) this.#far.set(number, verdict);
      else {
        near[distance] = verdict;
        if (distance >= end) end = distance + 1;
      }
    }
    this.#nearEnd = end;
  }

  /**
   * Adds ranges for all numbers from the base on.
   *
   * @param ranges - what is before the base; neighbours with the same target become one.
   * @param byDefault - `SECCOMP_RET_*` of calls that no rule names.
   */
  addRanges(ranges: Range[], byDefault: number): void {
    const { base } = this;
    let last = ranges[ranges.length - 1]?.target;
    const add = (first: number, target: Target): void => {
      if (target !== last) ranges.push({ first, target });
      last = target;
    };
    const near = this.#near;
    const end = this.#nearEnd;
    for (let distance = 0; distance < end; distance++) {
      const call = near[distance];
      const target = call === undefined ? byDefault : Array.isArray(call) ? call : call.value;
      if (target !== last) add(base + distance, target);
    }
    if (byDefault !== last) add(base + end, byDefault);
    for (const number of [...this.#far.keys()].sort((left, right) => left - right)) {
      const call = this.#far.get(number) as CallTarget;
      add(number, Array.isArray(call) ? call : call.value);
      add(number + 1, byDefault);
    }
  }
}
