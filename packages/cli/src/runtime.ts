import type { CreateOptions, ImageProvider, Runtime } from "@runlet/lifecycle";
import type { Invocation, OptionValues } from "./command.ts";
import type { createOptions } from "./options/create.ts";
import { serviceManagerRequest } from "./service-manager.ts";

/** Makes the runtime that the global options describe. Imports the engine room, so only for commands that need it. */
export async function openRuntime(
  invocation: Pick<Invocation, "globals" | "log">,
  images?: ImageProvider,
): Promise<Runtime> {
  const { globals, log } = invocation;
  const { Runtime } = await import("@runlet/lifecycle");
  return new Runtime({
    ...(globals.root === undefined ? {} : { root: globals.root }),
    cgroupManager: globals["cgroup-manager"] ?? (globals["systemd-cgroup"] ? "systemd" : "cgroupfs"),
    rootless: globals.rootless,
    allowedAnnotations: globals["allow-annotation"],
    ...(images === undefined ? {} : { images }),
    onWarning: ({ pointer, document = "config.json", message }) =>
      log.warn(pointer === undefined ? message : `${document} ${pointer}: ${message}`),
  });
}

/** How long something may make no progress. */
export function helperTimeout(globals: Invocation["globals"]): number {
  return globals["helper-timeout"] || Number.POSITIVE_INFINITY;
}

/** What `create` and `run` ask of the runtime, from their options. The container gets our standard streams. */
export function createRequest(
  options: OptionValues<typeof createOptions>,
  globals: Invocation["globals"],
): CreateOptions {
  const { config, "console-socket": consoleSocket, "pidfd-socket": pidfdSocket, "pid-file": pidFile } = options;
  return {
    bundle: options.bundle,
    stdio: "inherit",
    noPivot: options["no-pivot"],
    noNewKeyring: options["no-new-keyring"],
    preserveFds: options["preserve-fds"],
    helperTimeoutMs: helperTimeout(globals),
    ...serviceManagerRequest(process.env, process.pid),
    ...(config === undefined ? {} : { configPath: config }),
    ...(consoleSocket === undefined ? {} : { consoleSocket }),
    ...(pidfdSocket === undefined ? {} : { pidfdSocket }),
    ...(pidFile === undefined ? {} : { pidFile }),
  };
}
