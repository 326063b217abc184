import type { CreateOptions, ImageCreateOptions, ImageProvider } from "@runlet/lifecycle";
import type { Invocation } from "../command.ts";
import { checkConsole } from "../console-request.ts";
import { checkInheritedFds } from "../inherited-descriptors.ts";
import { defaultValue } from "../option-value.ts";
import { imageRunOptions, type runOptions, type runPositionals } from "../options/run.ts";
import { createRequest, openRuntime } from "../runtime.ts";
import { startForServiceManager } from "../service-manager.ts";

/** What `run` is called with. */
export type RunInvocation = Invocation<typeof runOptions, typeof runPositionals>;

/** What is to be run. */
export interface RunRequest {
  readonly container: CreateOptions | ImageCreateOptions;
  /** Where images come from, for a container of one. */
  readonly images?: ImageProvider;
  readonly hasTerminal: boolean;
  /** Leaves the container there when it has ended. */
  readonly keep: boolean;
}

/** Creates a container and runs it: to its end, with its exit status as the result, or detached. */
export async function run(invocation: RunInvocation): Promise<number> {
  const { options, positionals, log } = invocation;
  const request = await readRequest(invocation);
  checkInheritedFds(request.container);
  const runtime = await openRuntime(invocation, request.images);
  if (!options.detach) {
    const { runInForeground } = await import("../foreground.ts");
    return await runInForeground({
      open: (signal) => runtime.create(positionals.id, { ...request.container, signal }),
      start: (container) => startForServiceManager(runtime, container, process.env),
      hasTerminal: request.hasTerminal,
      keep: request.keep,
      isSubreaper: !options["no-subreaper"],
      warn: (message) => log.warn(message),
    });
  }
  const container = await runtime.create(positionals.id, request.container);
  try {
    const { relayed } = await startForServiceManager(runtime, container, process.env);
    await relayed;
  } catch (error) {
    // Why it failed is worth more than that it could not be removed either.
    await container[Symbol.asyncDispose]().catch((failure: unknown) => log.warn(String(failure)));
    throw error;
  }
  return 0;
}

async function readRequest(invocation: RunInvocation): Promise<RunRequest> {
  const { options, globals } = invocation;
  if (options.image !== undefined) {
    const { readImageRequest } = await import("../image/run-request.ts");
    return readImageRequest(invocation, options.image);
  }
  await refuseImageOptions(invocation);
  const hasTerminal = checkConsole({
    bundle: options.bundle,
    config: options.config,
    consoleSocket: options["console-socket"],
    isDetached: options.detach,
  });
  return { container: createRequest(options, globals), hasTerminal, keep: options.keep };
}

/** What is for containers of images is refused for others, whose config.json says it. */
async function refuseImageOptions({ options, positionals }: RunInvocation): Promise<void> {
  const given = Object.entries(imageRunOptions).find(([name, option]) => {
    const value = options[name as keyof typeof imageRunOptions];
    return Array.isArray(value) ? value.length > 0 : value !== defaultValue(option);
  });
  if (given === undefined && positionals.args.length === 0) return;
  const [{ commands }, { UsageError }] = await Promise.all([import("../commands.ts"), import("../usage-error.ts")]);
  const command = commands.find(({ name }) => name === "run");
  if (given !== undefined)
    throw new UsageError(`--${given[0]} is for containers of an image: give --image too`, { command });
  const count = 1 + positionals.args.length;
  throw new UsageError(`"run" requires exactly 1 argument(s), ${count} given`, { command });
}
