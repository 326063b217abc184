import { quote } from "@runlet/errors";
import { type BundleConfig, type BundleSource, createBundle, readBundleSource } from "@runlet/rootfs";
import { parseUser, readConfigOptions } from "../bundle-values.ts";
import type { Invocation, OptionValues } from "../command.ts";
import { commands } from "../commands.ts";
import { containerOf, readContainerSource } from "../container-source.ts";
import type { bundleOptions, bundlePositionals } from "../options/bundle.ts";
import { openRuntime } from "../runtime.ts";
import { UsageError } from "../usage-error.ts";

/** Makes a bundle and says what is in it. */
export async function run(invocation: Invocation<typeof bundleOptions, typeof bundlePositionals>): Promise<number> {
  const { options, positionals, print, log } = invocation;
  if (options.from.length === 0) {
    throw new UsageError("--from is missing: what is the bundle to be made of?", {
      command: commands.find((command) => command.name === "bundle"),
    });
  }
  const digest = options.sha256 === undefined ? {} : { sha256: options.sha256 };
  const from: BundleSource[] = [];
  let config: BundleConfig = {};
  for (const text of options.from) {
    const id = containerOf(text);
    if (id === undefined) {
      from.push(readBundleSource(text, digest));
      continue;
    }
    const container = await readContainerSource(await openRuntime(invocation), id);
    from.push(container.source);
    config = container.config;
  }
  const bundle = await createBundle({
    bundleHostPath: positionals.dir,
    from,
    config: { ...config, ...configOf(options), env: [...(config.env ?? []), ...options.env] },
  });
  for (const note of bundle.notes) log.warn(note);
  print(`${quote(bundle.bundleHostPath)}: runs ${(bundle.spec.process?.args ?? []).map(quote).join(" ")}`);
  return 0;
}

function configOf(options: OptionValues<typeof bundleOptions>): BundleConfig {
  const { args, user, writable } = options;
  return {
    ...readConfigOptions(options),
    ...(args.length === 0 ? {} : { args }),
    ...(user === undefined ? {} : { user: parseUser(user) }),
    ...(writable ? { readonly: false } : {}),
  };
}
