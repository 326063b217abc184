import type { Invocation } from "../command.ts";
import type { containerId } from "../options/create.ts";
import { helperTimeout, openRuntime } from "../runtime.ts";
import { startForServiceManager } from "../service-manager.ts";

/** Lets a created container run its program. */
export async function run(invocation: Invocation<Record<never, never>, typeof containerId>): Promise<number> {
  const runtime = await openRuntime(invocation);
  const helperTimeoutMs = helperTimeout(invocation.globals);
  const container = await runtime.load(invocation.positionals.id, { helperTimeoutMs });
  const { relayed } = await startForServiceManager(runtime, container, process.env);
  await relayed;
  return 0;
}
