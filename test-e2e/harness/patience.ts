/**
 * How long the tests wait for what takes a moment: longer than it takes on a slow, busy or emulated machine. Only a test that
 * fails waits so long.
 */
export const patienceMs = 120_000;

/** How long what has been killed or closed may take until it is gone. Only a test that leaves something waits so long. */
export const settlingMs = 20_000;

/** Waits. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((fulfil) => setTimeout(fulfil, milliseconds));
}

/** What is waited for, see {@link waitUntil}. */
export interface Wait<Seen> {
  /** Looks again. */
  look(): Seen | Promise<Seen>;
  /** Whether it is what is waited for. */
  until(seen: Seen): boolean;
  /** What the error says, of what was seen last. */
  complain(seen: Seen): string;
  /** Pause between two looks. */
  readonly everyMs?: number;
  /** Default {@link patienceMs}. */
  readonly timeoutMs?: number;
}

/**
 * Looks again and again until what is seen is what is waited for.
 *
 * @returns it.
 * @throws when it does not come.
 */
export async function waitUntil<Seen>(wait: Wait<Seen>): Promise<Seen> {
  const { everyMs = 20, timeoutMs = patienceMs } = wait;
  for (const deadline = Date.now() + timeoutMs; ; await sleep(everyMs)) {
    const seen = await wait.look();
    if (wait.until(seen)) return seen;
    if (Date.now() >= deadline) throw new Error(`not within ${timeoutMs} ms: ${wait.complain(seen)}`);
  }
}
