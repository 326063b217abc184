import type { Invocation } from "../command.ts";
import { checkConsole } from "../console-request.ts";
import { imageRunOptions, type runOptions, type runPositionals } from "../options/run.ts";
import { createRequest, openRuntime } from "../runtime.ts";
import { startForServiceManager } from "../service-manager.ts";

/** Creates a container and runs it: to its end, with its exit status as the result, or detached. */
export async function run(invocation: Invocation<typeof runOptions, typeof runPositionals>): Promise<number> {
  const { options, positionals } = invocation;
  if (options.image !== undefined) {
    const { runImage } = await import("./run-image.ts");
    return await runImage(invocation, options.image);
  }
  await refuseImageOptions(invocation);
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
      open: (signal) => runtime.create(positionals.id, { ...createRequest(options, invocation.globals), signal }),
      start: (container) => startForServiceManager(runtime, container, process.env),
      hasTerminal,
      keep: options.keep,
      isSubreaper: !options["no-subreaper"],
      warn: (message) => invocation.log.warn(message),
    });
  }
  const container = await runtime.create(positionals.id, createRequest(options, invocation.globals));
  try {
    const { relayed } = await startForServiceManager(runtime, container, process.env);
    await relayed;
  } catch (error) {
    await container.delete({ force: true });
    throw error;
  }
  return 0;
}

/** What is for containers of images is refused for others, whose config.json says it. */
async function refuseImageOptions(invocation: Invocation<typeof runOptions, typeof runPositionals>): Promise<void> {
  const { options, positionals } = invocation;
  const given = Object.entries(imageRunOptions).find(([name, option]) => {
    const value = options[name as keyof typeof imageRunOptions];
    return Array.isArray(value)
      ? value.length > 0
      : value !== ("default" in option ? option.default : undefined) && value !== false;
  });
  if (given === undefined && positionals.args.length === 0) return;
  const [{ commands }, { UsageError }] = await Promise.all([import("../commands.ts"), import("../usage-error.ts")]);
  const command = commands.find(({ name }) => name === "run");
  if (given !== undefined)
    throw new UsageError(`--${given[0]} is for containers of an image: give --image too`, { command });
  const count = 1 + positionals.args.length;
  throw new UsageError(`"run" requires exactly 1 argument(s), ${count} given`, { command });
}
