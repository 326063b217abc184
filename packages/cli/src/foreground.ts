import { type Container, type ExitInfo, signalNumber } from "@runlet/lifecycle";
import { adoptOrphans, reapOrphans } from "./orphan-reaper.ts";
import { catchSignals, type SignalForwarding } from "./signal-forwarding.ts";
import { TerminalSession } from "./terminal-session.ts";

/** What {@link runInForeground} runs, and how. */
export interface ForegroundOptions {
  /** Makes the container, which goes when the signal fires. */
  open(signal: AbortSignal): Promise<Container>;
  /** Whether it runs already, as one that was restored does. */
  readonly isStarted?: boolean;
  /** Starts it, instead of `Container.start`. What goes on afterwards is waited for in the end. */
  start?(container: Container): Promise<{ readonly relayed: Promise<void> }>;
  /** Whether the config asks for a terminal. */
  readonly hasTerminal: boolean;
  /** Leaves the container there when it has ended. */
  readonly keep: boolean;
  /** Adopts and collects orphans of the container. */
  readonly isSubreaper: boolean;
  /** Says what is worth saying of the container's end. */
  readonly warn: (message: string) => void;
}

const oomMessage =
  "config.json /linux/resources/memory/limit: a process of the container was killed for lack of memory";

/** What a shell adds to the number of the signal that ended a process. */
const signalStatusBase = 128;

/**
 * Makes a container, runs it to its end and deletes it, while signals and the terminal are passed on.
 *
 * @returns the exit status of the container, 128 + N when signal N ended it.
 */
export async function runInForeground(options: ForegroundOptions): Promise<number> {
  using signals = catchSignals();
  if (options.isSubreaper) adoptOrphans();
  try {
    const container = await options.open(signals.abortSignal);
    const exit = await runOrRemove(container, signals, options);
    if (exit.oomKilled) options.warn(oomMessage);
    // Whoever has ended it may have deleted it.
    if (!options.keep) await container[Symbol.asyncDispose]();
    return exit.exitCode ?? statusOf(exit.signal);
  } catch (error) {
    // Whoever asked for the end before the program ran gets what the program would have answered.
    if (signals.abortedBy !== undefined) return statusOf(signals.abortedBy);
    throw error;
  }
}

/** Runs the container; if that fails, removes it. */
async function runOrRemove(
  container: Container,
  signals: SignalForwarding,
  options: ForegroundOptions,
): Promise<ExitInfo> {
  try {
    return await runToEnd(container, signals, options);
  } catch (error) {
    // Why it failed is worth more than that it could not be removed either, which `delete` will say.
    await container.delete({ force: true }).catch(() => {});
    throw error;
  }
}

async function runToEnd(
  container: Container,
  signals: SignalForwarding,
  options: ForegroundOptions,
): Promise<ExitInfo> {
  using session = options.hasTerminal ? new TerminalSession(container.takeTerminal()) : undefined;
  const relaying = options.isStarted ? undefined : await startAndWatch(container, options);
  signals.forwardTo((signal) => {
    // A container that has ended meanwhile has no use for the signal.
    container.kill(signal).catch(() => {});
  });
  using _reaper = options.isSubreaper ? reapOrphans(container.pid) : undefined;
  const exit = await container.wait();
  await session?.finish();
  await relaying?.relayed;
  return exit;
}

/** @returns settles when what goes on after the start has ended. */
async function startAndWatch(container: Container, options: ForegroundOptions): Promise<{ relayed: Promise<void> }> {
  if (options.start === undefined) {
    await container.start();
    return { relayed: Promise.resolve() };
  }
  const { relayed } = await options.start(container);
  return { relayed: relayed.catch((error: unknown) => options.warn(String(error))) };
}

function statusOf(signal: string | null): number {
  return signalStatusBase + (signal === null ? 0 : signalNumber(signal));
}
