import type { Invocation } from "../command.ts";
import { checkConsole } from "../console-request.ts";
import { checkInheritedFds } from "../inherited-descriptors.ts";
import type { createOptions, newContainerId } from "../options/create.ts";
import { createRequest, openRuntime } from "../runtime.ts";

/** Creates a container that waits for `start`; its process outlives this one. */
export async function run(invocation: Invocation<typeof createOptions, typeof newContainerId>): Promise<number> {
  const { options, positionals } = invocation;
  checkConsole({
    bundle: options.bundle,
    config: options.config,
    consoleSocket: options["console-socket"],
    isDetached: true,
  });
  const request = createRequest(options, invocation.globals);
  checkInheritedFds(request);
  const runtime = await openRuntime(invocation);
  await runtime.create(positionals.id, request);
  return 0;
}
