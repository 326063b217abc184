import { binding } from "./binding.ts";
import { check } from "./check.ts";

interface WatchBinding {
  startWatching(callback: (fd: number, number: number) => void, hasLibuv: boolean): number;
  watch(fd: number, events: number, number: number): number;
  unwatch(fd: number): number;
  createEventFd(): number;
}

const EPOLLIN = 0x001;
const EPOLLPRI = 0x002;
const EPOLLOUT = 0x004;

interface Waiter {
  /** Tells it from one that has waited for the same descriptor before, and given up. */
  readonly number: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  /** When it is given up, by {@link nowMs}; Infinity without a limit. */
  readonly deadlineMs: number;
  readonly timeoutError: (() => Error) | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (() => void) | undefined;
}

const waiters = new Map<number, Waiter>();
let nextNumber = 0;
let isWatching = false;

function native(): WatchBinding {
  const addon = binding<WatchBinding>();
  if (!isWatching) {
    // Bun exports functions of libuv's names that end the process.
    check(addon.startWatching(settle, !("Bun" in globalThis)), "epoll_create1");
    isWatching = true;
  }
  return addon;
}

function settle(fd: number, number: number): void {
  take(fd, number)?.resolve();
}

/** Ends a wait, unless it has ended: an event may still come for one that was given up, when another waits already. */
function take(fd: number, number: number): Waiter | undefined {
  const waiter = waiters.get(fd);
  if (waiter?.number !== number) return undefined;
  waiters.delete(fd);
  native().unwatch(fd);
  if (waiter.onAbort !== undefined) waiter.signal?.removeEventListener("abort", waiter.onAbort);
  return waiter;
}

/** A clock that nobody sets. */
function nowMs(): number {
  return process.uptime() * 1000;
}

/** One timer for all limits: nearly all waits end before, and one of its own takes longer to make than most of them last. */
let timer: ReturnType<typeof setTimeout> | undefined;
let timerDueMs = Number.POSITIVE_INFINITY;

function expireAt(deadlineMs: number): void {
  if (deadlineMs >= timerDueMs) return;
  clearTimeout(timer);
  timerDueMs = deadlineMs;
  timer = setTimeout(expire, deadlineMs - nowMs());
  // What waits keeps the program alive; what has waited does not.
  timer.unref();
}

function expire(): void {
  timerDueMs = Number.POSITIVE_INFINITY;
  const now = nowMs();
  const due: { readonly fd: number; readonly waiter: Waiter }[] = [];
  let nextMs = timerDueMs;
  for (const [fd, waiter] of waiters) {
    if (waiter.deadlineMs > now) nextMs = Math.min(nextMs, waiter.deadlineMs);
    else due.push({ fd, waiter });
  }
  expireAt(nextMs);
  due.sort((one, other) => one.waiter.deadlineMs - other.waiter.deadlineMs);
  for (const { fd, waiter } of due) rejectLate(take(fd, waiter.number));
}

function rejectLate(waiter: Waiter | undefined): void {
  try {
    waiter?.reject(waiter.timeoutError?.());
  } catch (error) {
    waiter?.reject(error);
  }
}

/**
 * Waits until a descriptor can be read (data, end of file, or a process that a pidfd stands for has ended) without
 * blocking the event loop. Others may read it first: read without blocking and wait again on `EAGAIN`. While it waits the
 * process does not end by itself.
 *
 * @param fd - stays the caller's, and open until the promise settles; one waiter at a time.
 * @param signal - rejects with its reason when it fires.
 * @throws {@link SyscallError} of epoll_ctl(2): `EPERM` for a regular file, `EEXIST` when it is watched already.
 */
export function waitReadable(fd: number, signal?: AbortSignal): Promise<void> {
  return wait(fd, EPOLLIN, { signal });
}

/** How long {@link waitReadableWithin} waits. */
export interface WaitLimit {
  /** Up to 2^31 - 1. */
  readonly limitMs: number;
  /** What to reject with when the time has passed. */
  readonly timeoutError: () => Error;
  readonly signal?: AbortSignal | undefined;
}

/**
 * As {@link waitReadable}, for a limited time. An AbortSignal of a timer's own would take longer to make than most waits
 * last.
 *
 * @throws the limit's error.
 */
export function waitReadableWithin(fd: number, limit: WaitLimit): Promise<void> {
  return wait(fd, EPOLLIN, limit);
}

/** Waits until a descriptor can be written; otherwise as {@link waitReadable}. */
export function waitWritable(fd: number, signal?: AbortSignal): Promise<void> {
  return wait(fd, EPOLLOUT, { signal });
}

/**
 * Waits until a descriptor has an exceptional condition (EPOLLPRI): a file of a control group or of /proc/pressure has changed
 * since it was last read from its beginning. Otherwise as {@link waitReadable}.
 */
export function waitPriority(fd: number, signal?: AbortSignal): Promise<void> {
  return wait(fd, EPOLLPRI, { signal });
}

/**
 * eventfd(2), close-on-exec and not blocking: 8 bytes can be read once the kernel has signalled it.
 *
 * @returns a descriptor that the caller closes.
 * @throws {@link SyscallError}
 */
export function createEventFd(): number {
  return check(binding<WatchBinding>().createEventFd(), "eventfd2");
}

function wait(fd: number, events: number, { signal, limitMs, timeoutError }: Partial<WaitLimit>): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const number = nextNumber;
    nextNumber = (nextNumber + 1) >>> 0;
    check(native().watch(fd, events, number), "epoll_ctl");
    const onAbort = signal === undefined ? undefined : () => take(fd, number)?.reject(signal.reason);
    const deadlineMs = limitMs === undefined ? Number.POSITIVE_INFINITY : nowMs() + limitMs;
    waiters.set(fd, { number, resolve, reject, deadlineMs, timeoutError, signal, onAbort });
    expireAt(deadlineMs);
    if (onAbort !== undefined) signal?.addEventListener("abort", onAbort, { once: true });
  });
}
