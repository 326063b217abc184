import type { Invocation } from "../command.ts";
import { selectContainers } from "../container-selection.ts";
import type { killOptions, killPositionals } from "../options/lifecycle.ts";
import { openRuntime } from "../runtime.ts";

/** Sends a signal to the first process of a container, or with `--all` to every one. */
export async function run(invocation: Invocation<typeof killOptions, typeof killPositionals>): Promise<number> {
  const { options, positionals } = invocation;
  const runtime = await openRuntime(invocation);
  const containers = await selectContainers(runtime, positionals.id, options.regex);
  for (const container of containers) await container.kill(positionals.signal, { all: options.all });
  return 0;
}
