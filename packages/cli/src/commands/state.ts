import type { Invocation } from "../command.ts";
import type { containerId } from "../options/create.ts";
import { openRuntime } from "../runtime.ts";

/** Prints the state of a container as JSON. @see runtime.md#state */
export async function run(invocation: Invocation<Record<never, never>, typeof containerId>): Promise<number> {
  const runtime = await openRuntime(invocation);
  const container = await runtime.load(invocation.positionals.id);
  invocation.print(JSON.stringify(await container.state(), undefined, 2));
  return 0;
}
