import type { Invocation } from "../command.ts";
import type { psOptions, psPositionals } from "../options/process.ts";
import { listProcesses, selectProcesses } from "../process-table.ts";
import { openRuntime } from "../runtime.ts";

/** Lists the processes of a container: their ids as JSON, or the lines that the host's ps(1) prints of them. */
export async function run(invocation: Invocation<typeof psOptions, typeof psPositionals>): Promise<number> {
  const { options, positionals, print } = invocation;
  const runtime = await openRuntime(invocation);
  const container = await runtime.load(positionals.id);
  const pids = await container.processes();
  if (options.format === "json") {
    // `null` is how Go writes a list of nothing, and what runc prints.
    print(pids.length === 0 ? "null" : JSON.stringify(pids));
  } else {
    print(selectProcesses(listProcesses(positionals.psArgs), new Set(pids)));
  }
  return 0;
}
