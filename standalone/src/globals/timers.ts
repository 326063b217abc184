import * as system from "runlet:system";

/** The longest that Node waits, in milliseconds; of what is longer it makes the shortest. */
const maxDelayMs = 0x7fff_ffff;

/** A timer that fires once. */
export class Timeout {
  readonly #id: number;

  constructor(callback: (...args: unknown[]) => void, delayMs: number, args: readonly unknown[]) {
    const isInRange = delayMs >= 1 && delayMs <= maxDelayMs;
    this.#id = system.setTimer(isInRange ? Math.trunc(delayMs) : 1, () => callback(...args));
  }

  /** Lets it keep the program alive. */
  ref(): this {
    system.refTimer(this.#id, true);
    return this;
  }

  /** Lets the program end without it. */
  unref(): this {
    system.refTimer(this.#id, false);
    return this;
  }

  clear(): void {
    system.clearTimer(this.#id);
  }
}

export function setTimeout(callback: (...args: unknown[]) => void, delayMs = 1, ...args: unknown[]): Timeout {
  return new Timeout(callback, delayMs, args);
}

export function clearTimeout(timeout?: Timeout | null): void {
  timeout?.clear();
}
