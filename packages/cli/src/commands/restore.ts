import { sharedRequest } from "../checkpoint-options.ts";
import type { Invocation } from "../command.ts";
import { checkConsole } from "../console-request.ts";
import type { restoreOptions } from "../options/checkpoint.ts";
import type { newContainerId } from "../options/create.ts";
import { openRuntime } from "../runtime.ts";

/** Brings a saved container back: to its end, with its exit status as the result, or detached. */
export async function run(invocation: Invocation<typeof restoreOptions, typeof newContainerId>): Promise<number> {
  const { options, positionals } = invocation;
  const { "console-socket": consoleSocket, "pid-file": pidFile } = options;
  const { "lsm-profile": lsmProfile, "lsm-mount-context": lsmMountContext } = options;
  const hasTerminal = checkConsole({
    bundle: options.bundle,
    config: undefined,
    consoleSocket,
    isDetached: options.detach,
  });
  const request = {
    ...sharedRequest(options),
    bundle: options.bundle,
    stdio: "inherit" as const,
    ...(consoleSocket === undefined ? {} : { consoleSocket }),
    ...(pidFile === undefined ? {} : { pidFile }),
    ...(lsmProfile === undefined ? {} : { lsmProfile }),
    ...(lsmMountContext === undefined ? {} : { lsmMountContext }),
  };
  const runtime = await openRuntime(invocation);
  if (options.detach) {
    await runtime.restore(positionals.id, request);
    return 0;
  }
  const { runInForeground } = await import("../foreground.ts");
  return runInForeground({
    open: (signal) => runtime.restore(positionals.id, { ...request, signal }),
    isStarted: true,
    hasTerminal,
    keep: false,
    isSubreaper: !options["no-subreaper"],
    warn: (message) => invocation.log.warn(message),
  });
}
