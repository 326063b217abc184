import { ConnectionFailure, throwIfAborted } from "./connection-failure.ts";
import type { HttpResponse } from "./http-client.ts";
import { drainBody } from "./limited-body.ts";

/** How often and how long. */
export interface RetryPolicy {
  /** Tries in all, at least 1. */
  readonly attempts: number;
  /** Pause before the second try; each further one is twice as long, with a random part. */
  readonly baseDelayMs: number;
  /** The longest pause, of our own or of a Retry-After header. What asks for more is not waited for. */
  readonly maximumDelayMs: number;
}

const transientStatuses: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Sends until there is an answer that trying again does not change, or no try is left.
 *
 * @returns the last answer, whatever its status.
 * @throws {@link ConnectionFailure} of the last try; RunletError `ERR_RUNLET_ABORTED` by the signal.
 */
export async function sendPersistently(
  send: () => Promise<HttpResponse>,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt >= policy.attempts;
    let delayMs = backoffMs(attempt, policy);
    try {
      const response = await send();
      if (isLast || !transientStatuses.has(response.status)) return response;
      delayMs = readRetryAfter(response.header("retry-after"), Date.now()) ?? delayMs;
      if (delayMs > policy.maximumDelayMs) return response;
      await drainBody(response);
    } catch (error) {
      if (isLast || !(error instanceof ConnectionFailure && error.isTransient)) throw error;
    }
    await pause(delayMs, signal);
  }
}

/** The pause after a failed try: doubled each time, between half of that and the whole. */
export function backoffMs(attempt: number, { baseDelayMs, maximumDelayMs }: RetryPolicy): number {
  const whole = Math.min(maximumDelayMs, baseDelayMs * 2 ** (attempt - 1));
  return whole * (0.5 + Math.random() / 2);
}

/**
 * Reads a Retry-After header: seconds, or a date.
 *
 * @param nowMs - the time, in milliseconds since 1970.
 * @returns milliseconds, not negative; undefined if there is none that can be read.
 * @see RFC 9110 section 10.2.3
 */
export function readRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Date takes far more for a time than HTTP does.
  const timeMs = /^[A-Z][a-z]+, .* GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(timeMs) ? undefined : Math.max(0, timeMs - nowMs);
}

/**
 * @param delayMs - how long.
 * @throws RunletError `ERR_RUNLET_ABORTED` by the signal.
 */
export async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal?.addEventListener("abort", done, { once: true });
  });
  throwIfAborted(signal);
}
