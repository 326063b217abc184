import type { Architecture } from "./architecture.ts";
import type { Verdict } from "./profile.ts";
import type { Level } from "./rule-tree.ts";

/** What is done with a system call: a verdict for every call, or the tests of its rules. */
export type CallTarget = Verdict | Level;

/** Where a table's numbers begin, if not at 0. (`<asm/unistd.h>`) */
const bases: Partial<Record<Architecture["table"], number>> = {
  x32: 0x4000_0000,
  mips: 4000,
  mips64: 5000,
  mips64n32: 6000,
};

/** Numbers this far above the first are a few of their own, as arm's `0xf0000`. */
const farDistance = 4096;

/**
 * The calls of one architecture that rules name, by number. Nearly all numbers lie close together, so they are kept in an
 * array: no hashing while it is filled, no sorting when it is read.
 */
export class CallTable {
  /** The lowest number that the architecture uses. */
  readonly base: number;
  readonly #near: (CallTarget | undefined)[] = [];
  readonly #far = new Map<number, CallTarget>();

  constructor(architecture: Architecture) {
    this.base = bases[architecture.table] ?? 0;
  }

  /** What is done with a call, or undefined if no rule names it. */
  get(number: number): CallTarget | undefined {
    const distance = number - this.base;
    return distance >= 0 && distance < farDistance ? this.#near[distance] : this.#far.get(number);
  }

  set(number: number, target: CallTarget): void {
    const distance = number - this.base;
    if (distance < 0 || distance >= farDistance) {
      this.#far.set(number, target);
      return;
    }
    const near = this.#near;
    // An array with holes is a slower kind of array.
    while (near.length < distance) near.push(undefined);
    near[distance] = target;
  }

  /** Gives a verdict to calls, whatever conditional rules they had; not to those that have a verdict already. */
  setUnconditional(numbers: readonly number[], verdict: Verdict): void {
    for (let position = 0; position < numbers.length; position++) {
      const number = numbers[position] as number;
      const present = this.get(number);
      if (present === undefined || Array.isArray(present)) this.set(number, verdict);
    }
  }

  /** Calls back in the order of numbers. Near the base also for numbers that no rule names: with undefined. */
  forEach(visit: (number: number, target: CallTarget | undefined) => void): void {
    const { base } = this;
    const near = this.#near;
    for (let distance = 0; distance < near.length; distance++) visit(base + distance, near[distance]);
    for (const number of [...this.#far.keys()].sort((left, right) => left - right))
      visit(number, this.#far.get(number));
  }
}
