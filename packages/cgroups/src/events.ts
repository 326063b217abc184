import { closeSync } from "node:fs";
import { pause } from "./pause.ts";

/** Something that happened in a control group. */
export type CgroupEvent =
  /** The memory limit was hit: a process was killed, or is paused where the OOM killer is disabled (v1). */
  | { readonly type: "oom"; readonly oomKillCount: number }
  /** The last process ended. */
  | { readonly type: "empty" };

/** What {@link watchEvents} compares. */
export interface EventSnapshot {
  readonly oomKillCount: number;
  /** Whether a process waits for memory, the OOM killer being disabled (v1). */
  readonly isUnderOom: boolean;
  readonly isEmpty: boolean;
}

/** A descriptor that wakes up when the group may have changed. */
export interface Wakeup {
  readonly fd: number;
  readonly wait: (signal: AbortSignal) => Promise<void>;
  /** Takes note of what has happened, so that the next wait waits. */
  readonly rearm: () => void;
}

/** One driver's way to notice. */
export interface EventSource {
  /** Opens what wakes up; {@link watchEvents} closes it. */
  readonly open: () => readonly Wakeup[];
  /** The group at this moment, or null when it is gone. */
  readonly look: () => EventSnapshot | null;
}

/** How often the group is looked at without being woken: the kernel does not say when a group is removed. */
const intervalMs = 500;

/**
 * Yields what happens in a group from now on, until it is gone or `signal` fires. An event that comes between two looks
 * of the same kind is one with it.
 */
export async function* watchEvents(source: EventSource, signal?: AbortSignal): AsyncGenerator<CgroupEvent, void, void> {
  const wakeups = source.open();
  try {
    let before = source.look();
    while (before !== null && signal?.aborted !== true) {
      await anyOf(wakeups, signal);
      for (const wakeup of wakeups) wakeup.rearm();
      const after = source.look();
      const oomKillCount = after?.oomKillCount ?? before.oomKillCount;
      if (oomKillCount > before.oomKillCount || (after?.isUnderOom === true && !before.isUnderOom)) {
        yield { type: "oom", oomKillCount };
      }
      if ((after === null || after.isEmpty) && !before.isEmpty) yield { type: "empty" };
      before = after;
    }
  } finally {
    for (const { fd } of wakeups) closeSync(fd);
  }
}

/** Waits for one of the descriptors, the interval or the signal, and leaves nothing waiting. */
async function anyOf(wakeups: readonly Wakeup[], signal: AbortSignal | undefined): Promise<void> {
  const round = new AbortController();
  const stop = (): void => round.abort();
  signal?.addEventListener("abort", stop, { once: true });
  const waits = wakeups.map((wakeup) => wakeup.wait(round.signal));
  try {
    const aborted = new Promise<void>((resolve) => round.signal.addEventListener("abort", () => resolve()));
    await Promise.race([...waits, pause(intervalMs, round.signal), aborted]);
  } finally {
    signal?.removeEventListener("abort", stop);
    round.abort();
    await Promise.allSettled(waits);
  }
}
