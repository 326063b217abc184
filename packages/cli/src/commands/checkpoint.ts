import { pageServer, sharedRequest } from "../checkpoint-options.ts";
import type { Invocation } from "../command.ts";
import type { checkpointOptions } from "../options/checkpoint.ts";
import type { containerId } from "../options/create.ts";
import { openRuntime } from "../runtime.ts";

/** Saves a running container, and deletes it unless it is to go on. */
export async function run(invocation: Invocation<typeof checkpointOptions, typeof containerId>): Promise<number> {
  const { options, positionals } = invocation;
  const { "parent-path": parentPath, "page-server": server, "status-fd": statusFd } = options;
  const request = {
    ...sharedRequest(options),
    leaveRunning: options["leave-running"],
    tcpSkipInFlight: options["tcp-skip-in-flight"],
    linkRemap: options["link-remap"],
    preDump: options["pre-dump"],
    ...(parentPath === undefined ? {} : { parentPath }),
    ...(server === undefined ? {} : { pageServer: pageServer(server) }),
    ...(statusFd < 0 ? {} : { statusFd }),
  };
  const runtime = await openRuntime(invocation);
  const container = await runtime.load(positionals.id);
  await container.checkpoint(request);
  return 0;
}
