import { RunletError } from "@runlet/errors";
import { waitReadable, waitReadableWithin } from "@runlet/syscall";

/** How long the init helper may say nothing, where nobody says otherwise. */
export const defaultHelperTimeoutMs = 60_000;

/** The longest that setTimeout takes: 24 days. */
const longestTimerMs = 2 ** 31 - 1;

/** What {@link waitForReport} waits for. */
export interface ReportWait {
  /** Connection to the helper; stays the caller's. */
  readonly fd: number;
  /** Infinity for no limit. */
  readonly limitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits until the init helper has said something, or has ended. One that is stopped (SIGSTOP), or whose work hangs, must not
 * hang its caller.
 *
 * @throws RunletError `ERR_RUNLET_TIMEOUT`; the reason of the signal.
 */
export function waitForReport({ fd, limitMs, signal }: ReportWait): Promise<void> {
  if (limitMs > longestTimerMs) return waitReadable(fd, signal);
  return waitReadableWithin(fd, { limitMs, timeoutError: () => silenceError(limitMs), signal });
}

function silenceError(limitMs: number): RunletError {
  return new RunletError("ERR_RUNLET_TIMEOUT", `the init helper has said nothing for ${limitMs / 1000} s`, {
    hint: "it has been stopped, or a file system does not answer: see its state in /proc, or allow more time with --helper-timeout",
  });
}
