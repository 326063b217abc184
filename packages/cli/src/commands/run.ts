import type { Invocation } from "../command.ts";
import { checkConsole } from "../console-request.ts";
import type { newContainerId, runOptions } from "../options/create.ts";
import { createRequest, openRuntime } from "../runtime.ts";

/** Creates a container and runs it: to its end, with its exit status as the result, or detached. */
export async function run(invocation: Invocation<typeof runOptions, typeof newContainerId>): Promise<number> {
  const { options, positionals } = invocation;
  const hasTerminal = checkConsole({
    bundle: options.bundle,
    config: options.config,
    consoleSocket: options["console-socket"],
    isDetached: options.detach,
  });
  const runtime = await openRuntime(invocation);
  if (!options.detach) {
    const { runInForeground } = await import("../foreground.ts");
    return runInForeground({
      runtime,
      id: positionals.id,
      request: createRequest(options, invocation.globals),
      hasTerminal,
      keep: options.keep,
      isSubreaper: !options["no-subreaper"],
      warn: (message) => invocation.log.warn(message),
    });
  }
  const container = await runtime.create(positionals.id, createRequest(options, invocation.globals));
  try {
    await container.start();
  } catch (error) {
    await container.delete({ force: true });
    throw error;
  }
  return 0;
}
