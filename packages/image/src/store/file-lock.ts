import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { RunletError } from "@runlet/errors";
import { tryLock } from "@runlet/syscall";
import { storeError } from "./store-error.ts";

/** How long and for what a lock is waited for. */
export interface LockOptions {
  readonly mode?: "exclusive" | "shared";
  /** Without one, as long as it takes. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For the message: what is in use. */
  readonly subject: string;
}

const longestDelayMs = 100;

/**
 * Waits for a lock (flock(2)) of an open file. The kernel ends it with the descriptor, however the process ends.
 *
 * @throws RunletError `ERR_RUNLET_LOCKED` after the time, `ERR_RUNLET_ABORTED`.
 */
async function waitForLock(fd: number, options: LockOptions): Promise<void> {
  const { mode = "exclusive", timeoutMs = Number.POSITIVE_INFINITY, signal, subject } = options;
  const deadline = Date.now() + timeoutMs;
  for (let delayMs = 1; !tryLock(fd, mode); delayMs = Math.min(delayMs * 2, longestDelayMs)) {
    if (signal?.aborted === true)
      throw new RunletError("ERR_RUNLET_ABORTED", `waiting for ${subject} was aborted`, { cause: signal.reason });
    if (Date.now() >= deadline)
      throw new RunletError("ERR_RUNLET_LOCKED", `${subject} is in use by another command`, {
        hint: "wait until that command has ended",
      });
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}

/**
 * Opens a file and locks it. A file that its last owner has renamed away or removed meanwhile is given back, and what is at
 * the path by then is tried: so the lock holds for the path, and needs no file beside.
 *
 * @param open - opens what is at the path, making it if there is none; its failures pass through.
 * @returns the descriptor, which is the caller's and ends the lock.
 * @throws RunletError as {@link waitForLock}.
 */
export async function lockPath(hostPath: string, open: () => number, options: LockOptions): Promise<number> {
  for (;;) {
    const fd = open();
    try {
      await waitForLock(fd, options);
      const locked = fstatSync(fd, { bigint: true });
      const there = statSync(hostPath, { bigint: true, throwIfNoEntry: false });
      if (there?.ino === locked.ino && there.dev === locked.dev) return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
  }
}

/**
 * Locks a file that is there for nothing else, and is never removed.
 *
 * @throws RunletError as {@link waitForLock}; `ERR_RUNLET_STORE` if it cannot be opened.
 */
export async function lockFile(hostPath: string, options: LockOptions): Promise<Disposable> {
  let fd: number;
  try {
    fd = openSync(hostPath, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw storeError(`open ${options.subject}`, error);
  }
  try {
    await waitForLock(fd, options);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { [Symbol.dispose]: () => closeSync(fd) };
}
