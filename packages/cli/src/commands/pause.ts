import type { Invocation } from "../command.ts";
import type { containerId } from "../options/create.ts";
import { openRuntime } from "../runtime.ts";

/** Stops all processes of a container where they are. */
export async function run(invocation: Invocation<Record<never, never>, typeof containerId>): Promise<number> {
  const runtime = await openRuntime(invocation);
  const container = await runtime.load(invocation.positionals.id);
  await container.pause();
  return 0;
}
