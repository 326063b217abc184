import { RunletError } from "@runlet/errors";
import type { Invocation, OptionValues } from "../command.ts";
import type { containerId } from "../options/create.ts";
import type { updateOptions } from "../options/process.ts";
import { readResources } from "../resource-document.ts";
import { resourcesOf } from "../resource-options.ts";
import { openRuntime } from "../runtime.ts";

/** Changes the limits of a container. */
export async function run(invocation: Invocation<typeof updateOptions, typeof containerId>): Promise<number> {
  const { options, positionals, log } = invocation;
  refuseSchemata(options);
  const { resources: source, ...limits } = options;
  const runtime = await openRuntime(invocation);
  const container = await runtime.load(positionals.id);
  const given = resourcesOf(limits);
  const resources = source === undefined ? given : readResources(source, (message) => log.warn(message));
  if (source !== undefined && Object.keys(given).length > 0) {
    log.warn("with --resources, the other options for limits have no effect");
  }
  await container.update(resources);
  if (Object.keys(resources).length === 0) log.warn("no limit was given: nothing has changed");
  return 0;
}

/** A container has no class of service that these could change: a config that asks for one is refused. */
function refuseSchemata(options: OptionValues<typeof updateOptions>): void {
  const schemata = [
    ["l3-cache-schema", "l3CacheSchema", "Intel RDT/CAT: l3 cache schema"],
    ["mem-bw-schema", "memBwSchema", "Intel RDT/MBA: memory bandwidth schema"],
  ] as const;
  for (const [name, field, what] of schemata) {
    if ((options[name] ?? "") === "") continue;
    throw new RunletError("ERR_RUNLET_UNSUPPORTED", `${what} is not enabled`, {
      pointer: `/linux/intelRdt/${field}`,
      hint: `leave out --${name}`,
    });
  }
}
