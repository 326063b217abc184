import type { Invocation } from "../command.ts";
import type { containerId } from "../options/create.ts";
import { openRuntime } from "../runtime.ts";

/** Lets a created container run its program. */
export async function run(invocation: Invocation<Record<never, never>, typeof containerId>): Promise<number> {
  const runtime = await openRuntime(invocation);
  const container = await runtime.load(invocation.positionals.id);
  await container.start();
  return 0;
}
