import type { ImageCreateOptions } from "@runlet/lifecycle";
import { readConfigOptions } from "../bundle-values.ts";
import type { RunInvocation, RunRequest } from "../commands/run.ts";
import { findCommand } from "../commands.ts";
import { checkConsoleUse } from "../console-request.ts";
import { lazyImages } from "../images.ts";
import { createRequest } from "../runtime.ts";
import { UsageError } from "../usage-error.ts";

/**
 * What `run --image` asks for: the image is fetched and unpacked if need be, and the container gets files of its own, which
 * go when it is deleted. With `--rm` that is when it ends.
 */
export function readImageRequest(invocation: RunInvocation, image: string): RunRequest {
  const { options, log } = invocation;
  checkOptions(invocation);
  checkConsoleUse({
    hasTerminal: options.terminal,
    consoleSocket: options["console-socket"],
    isDetached: options.detach,
    option: "--terminal",
  });
  return {
    container: imageRequest(invocation, image),
    images: lazyImages({
      store: options.store,
      pull: options.pull,
      registry: options,
      warn: (message) => log.warn(message),
    }),
    hasTerminal: options.terminal,
    keep: !options.rm,
  };
}

function imageRequest({ options, positionals, globals }: RunInvocation, image: string): ImageCreateOptions {
  const { bundle: _, ...request } = createRequest(options, globals);
  const { entrypoint, user } = options;
  const args = [...options.args, ...positionals.args];
  return {
    ...request,
    ...readConfigOptions(options),
    image,
    ephemeral: options.rm,
    readonly: options["read-only"],
    ...(args.length === 0 ? {} : { args }),
    ...(entrypoint.length === 0 ? {} : { entrypoint }),
    ...(user === undefined ? {} : { user }),
  };
}

function checkOptions({ options }: RunInvocation): void {
  const refuse = (problem: string): never => {
    throw new UsageError(problem, { command: findCommand("run") });
  };
  if (options.bundle !== "." || options.config !== undefined)
    refuse("--image makes a bundle of its own: leave --bundle and --config out");
  if (options.rm && options.detach)
    refuse("--rm waits for the end of the container, --detach does not: `runlet delete` removes its files too");
  if (options.rm && options.keep) refuse("--rm deletes the container, --keep does not: give one of them");
}
