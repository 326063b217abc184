import { isRunletError } from "@runlet/errors";
import type { Container, Runtime } from "@runlet/lifecycle";
import type { Invocation } from "../command.ts";
import { selectContainers } from "../container-selection.ts";
import type { containerId } from "../options/create.ts";
import type { deleteOptions } from "../options/lifecycle.ts";
import { openRuntime } from "../runtime.ts";

/** Removes what is left of a container. */
export async function run(invocation: Invocation<typeof deleteOptions, typeof containerId>): Promise<number> {
  const { options, positionals } = invocation;
  let containers = await select(await openRuntime(invocation), positionals.id, options);
  if (containers.some(({ ownsBundle }) => ownsBundle)) {
    const { lazyImages } = await import("../images.ts");
    containers = await select(await openRuntime(invocation, lazyImages()), positionals.id, options);
  }
  for (const container of containers) await container.delete({ force: options.force });
  return 0;
}

/** With `--force`, a container that is not there is as good as deleted: engines call it to be sure. */
async function select(
  runtime: Runtime,
  id: string,
  options: { readonly force: boolean; readonly regex: boolean },
): Promise<Container[]> {
  try {
    return await selectContainers(runtime, id, options.regex);
  } catch (error) {
    if (options.force && isRunletError(error) && error.code === "ERR_RUNLET_NOT_FOUND") return [];
    throw error;
  }
}
