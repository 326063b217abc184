import { resolve } from "node:path";
import type { ImageCreateOptions } from "@runlet/lifecycle";
import { parseMount } from "../bundle-values.ts";
import { parseBytes } from "../byte-size.ts";
import type { Invocation } from "../command.ts";
import { commands } from "../commands.ts";
import { checkConsoleUse } from "../console-request.ts";
import { lazyImages } from "../images.ts";
import type { runOptions, runPositionals } from "../options/run.ts";
import { createRequest, openRuntime } from "../runtime.ts";
import { startForServiceManager } from "../service-manager.ts";
import { UsageError } from "../usage-error.ts";

type RunInvocation = Invocation<typeof runOptions, typeof runPositionals>;

/**
 * Runs an image: fetches and unpacks it if need be, and gives the container files of its own, which go when it is deleted.
 * With `--rm` that is when it ends.
 */
export async function runImage(invocation: RunInvocation, image: string): Promise<number> {
  const { options, positionals, log } = invocation;
  checkOptions(invocation);
  checkConsoleUse({
    hasTerminal: options.terminal,
    consoleSocket: options["console-socket"],
    isDetached: options.detach,
  });
  const warn = (message: string) => log.warn(message);
  const images = lazyImages({ store: options.store, pull: options.pull, warn });
  const runtime = await openRuntime(invocation, images);
  const request = imageRequest(invocation, image);
  if (options.detach) {
    const container = await runtime.create(positionals.id, request);
    try {
      const { relayed } = await startForServiceManager(runtime, container, process.env);
      await relayed;
    } catch (error) {
      await container.delete({ force: true });
      throw error;
    }
    return 0;
  }
  const { runInForeground } = await import("../foreground.ts");
  return await runInForeground({
    open: (signal) => runtime.create(positionals.id, { ...request, signal }),
    start: (container) => startForServiceManager(runtime, container, process.env),
    hasTerminal: options.terminal,
    keep: !options.rm,
    isSubreaper: !options["no-subreaper"],
    warn,
  });
}

function imageRequest({ options, positionals, globals }: RunInvocation, image: string): ImageCreateOptions {
  const { bundle: _, ...request } = createRequest(options, globals);
  const { entrypoint, env, cwd, user, hostname, memory, mount, terminal } = options;
  const args = [...options.args, ...positionals.args];
  return {
    ...request,
    image,
    ephemeral: options.rm,
    env,
    terminal,
    readonly: options["read-only"],
    mounts: mount.map((text) => {
      const parsed = parseMount(text);
      return { ...parsed, source: resolve(parsed.source ?? "") };
    }),
    ...(args.length === 0 ? {} : { args }),
    ...(entrypoint.length === 0 ? {} : { entrypoint }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(memory === undefined ? {} : { memoryLimitBytes: parseBytes(memory) }),
  };
}

function checkOptions({ options }: RunInvocation): void {
  const refuse = (problem: string): never => {
    throw new UsageError(problem, { command: commands.find(({ name }) => name === "run") });
  };
  if (options.bundle !== "." || options.config !== undefined)
    refuse("--image makes a bundle of its own: leave --bundle and --config out");
  if (options.rm && options.detach)
    refuse("--rm waits for the end of the container, --detach does not: `runlet delete` removes its files too");
  if (options.rm && options.keep) refuse("--rm deletes the container, --keep does not: give one of them");
}
