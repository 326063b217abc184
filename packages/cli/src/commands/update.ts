import type { SchemataUpdate } from "@runlet/lifecycle";
import type { Invocation, OptionValues } from "../command.ts";
import type { containerId } from "../options/create.ts";
import type { updateOptions } from "../options/process.ts";
import { locateInResources, readResources } from "../resource-document.ts";
import { resourcesOf } from "../resource-options.ts";
import { openRuntime } from "../runtime.ts";

/** Changes the limits of a container. */
export async function run(invocation: Invocation<typeof updateOptions, typeof containerId>): Promise<number> {
  const { options, positionals, log } = invocation;
  const { resources: source, ...limits } = options;
  const runtime = await openRuntime(invocation);
  const container = await runtime.load(positionals.id);
  const given = resourcesOf(limits);
  const resources = source === undefined ? given : readResources(source, (message) => log.warn(message));
  if (source !== undefined && Object.keys(given).length > 0) {
    log.warn("with --resources, the other options for limits have no effect");
  }
  const intelRdt = schemataOf(options);
  try {
    await container.update(resources, intelRdt === undefined ? {} : { intelRdt });
  } catch (error) {
    throw source === undefined ? error : locateInResources(error, source);
  }
  if (intelRdt === undefined && Object.keys(resources).length === 0) {
    log.warn("no limit was given: nothing has changed");
  }
  return 0;
}

/** The schemata that the options ask for; undefined when they ask for none. */
function schemataOf(options: OptionValues<typeof updateOptions>): SchemataUpdate | undefined {
  const { "l3-cache-schema": l3CacheSchema = "", "mem-bw-schema": memBwSchema = "" } = options;
  if (l3CacheSchema === "" && memBwSchema === "") return undefined;
  return { ...(l3CacheSchema !== "" && { l3CacheSchema }), ...(memBwSchema !== "" && { memBwSchema }) };
}
