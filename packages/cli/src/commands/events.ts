import { formatStats } from "@runlet/cgroups";
import { isRunletError, RunletError } from "@runlet/errors";
import type { Container } from "@runlet/lifecycle";
import type { Invocation } from "../command.ts";
import type { containerId } from "../options/create.ts";
import type { eventsOptions } from "../options/process.ts";
import { openRuntime } from "../runtime.ts";

/** Longest time that a timer of Node's counts, in milliseconds. */
const longestTimerMs = 2 ** 31 - 1;

/** Prints readings and out-of-memory events of a container, one JSON object a line, until it ends or nobody reads them. */
export async function run(invocation: Invocation<typeof eventsOptions, typeof containerId>): Promise<number> {
  const { options, positionals, print, log } = invocation;
  if (options.interval <= 0) throw new RunletError("ERR_RUNLET_USAGE", "duration interval must be greater than 0");
  const runtime = await openRuntime(invocation);
  const container = await runtime.load(positionals.id);
  const { status } = await container.state();
  if (status === "stopped") {
    throw new RunletError("ERR_RUNLET_STATE", `container with id ${container.id} is not running`);
  }
  const readStats = async (): Promise<string> => formatReading(container.id, await container.stats());
  if (options.stats) {
    print(await readStats());
    return 0;
  }
  const ended = new AbortController();
  const show = (line: string): void => {
    if (print(line) === false) ended.abort();
  };
  const printStats = async (): Promise<void> => show(await readStats());
  const readings = repeat(printStats, {
    intervalMs: Math.min(options.interval, longestTimerMs),
    ended,
    isOver: () => hasEnded(container),
    warn: (message) => log.warn(message),
  });
  try {
    for await (const event of container.events(ended.signal)) {
      if (event.type === "empty") break;
      show(JSON.stringify({ type: "oom", id: container.id }));
    }
  } finally {
    ended.abort();
    await readings;
  }
  return 0;
}

/** A reading as runc prints it. What the host does not count is there and empty, as it is in runc's. */
function formatReading(id: string, stats: Awaited<ReturnType<Container["stats"]>>): string {
  return formatStats({ type: "stats", id, data: { ...stats, network_interfaces: null } });
}

/** Whether the container has stopped, or been deleted. */
async function hasEnded(container: Container): Promise<boolean> {
  try {
    return (await container.state()).status === "stopped";
  } catch (error) {
    if (isRunletError(error)) return true;
    throw error;
  }
}

/** Calls `action` after each interval, until `ended`; sets that itself when `isOver` says so after a failure. */
async function repeat(
  action: () => Promise<void>,
  options: {
    readonly intervalMs: number;
    readonly ended: AbortController;
    readonly isOver: () => Promise<boolean>;
    readonly warn: (message: string) => void;
  },
): Promise<void> {
  const { intervalMs, ended, isOver, warn } = options;
  while (await passes(intervalMs, ended.signal)) {
    try {
      await action();
    } catch (error) {
      if (await isOver()) ended.abort();
      else warn(error instanceof Error ? error.message : String(error));
    }
  }
}

/** @returns false when `signal` fires before the time has passed. */
function passes(timeMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve(true);
    }, timeMs);
    const stop = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    signal.addEventListener("abort", stop, { once: true });
  });
}
