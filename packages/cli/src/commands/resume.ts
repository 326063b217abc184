import type { Invocation } from "../command.ts";
import type { containerId } from "../options/create.ts";
import { openRuntime } from "../runtime.ts";

/** Lets the processes of a paused container go on. */
export async function run(invocation: Invocation<Record<never, never>, typeof containerId>): Promise<number> {
  const runtime = await openRuntime(invocation);
  const container = await runtime.load(invocation.positionals.id);
  await container.resume();
  return 0;
}
