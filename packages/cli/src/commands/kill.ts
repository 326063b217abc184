import { isRunletError } from "@runlet/errors";
import type { Invocation } from "../command.ts";
import { selectContainers } from "../container-selection.ts";
import type { killOptions, killPositionals } from "../options/lifecycle.ts";
import { openRuntime } from "../runtime.ts";
import { parseSignal } from "../signal.ts";

/** Sends a signal to the first process of a container, or with `--all` to every one. */
export async function run(invocation: Invocation<typeof killOptions, typeof killPositionals>): Promise<number> {
  const { options, positionals } = invocation;
  const runtime = await openRuntime(invocation);
  const containers = await selectContainers(runtime, positionals.id, options.regex);
  const signal = parseSignal(positionals.signal ?? "SIGTERM");
  for (const container of containers) {
    try {
      await container.kill(signal, { all: options.all });
    } catch (error) {
      if (!options.all || !(await hasStopped(container, error))) throw error;
    }
  }
  return 0;
}

/** Whether there was nothing left to signal, which is what the caller of `--all` wants. */
async function hasStopped(container: { state(): Promise<{ status: string }> }, error: unknown): Promise<boolean> {
  return isRunletError(error) && error.code === "ERR_RUNLET_STATE" && (await container.state()).status === "stopped";
}
