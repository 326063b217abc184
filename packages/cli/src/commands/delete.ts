import { isRunletError } from "@runlet/errors";
import type { Invocation } from "../command.ts";
import { selectContainers } from "../container-selection.ts";
import type { containerId } from "../options/create.ts";
import type { deleteOptions } from "../options/lifecycle.ts";
import { openRuntime } from "../runtime.ts";

/**
 * Removes what is left of a container. With `--force`, one that is not there is as good as deleted: engines call it to be sure,
 * and whoever runs a container in the foreground deletes it at the same time.
 */
export async function run(invocation: Invocation<typeof deleteOptions, typeof containerId>): Promise<number> {
  const { options, positionals } = invocation;
  const { force, regex } = options;
  try {
    let containers = await selectContainers(await openRuntime(invocation), positionals.id, regex);
    if (containers.some(({ ownsBundle }) => ownsBundle)) {
      const { lazyImages } = await import("../images.ts");
      containers = await selectContainers(await openRuntime(invocation, lazyImages()), positionals.id, regex);
    }
    for (const container of containers) {
      await container.delete({ force }).catch((error: unknown) => bear(error, force));
    }
  } catch (error) {
    bear(error, force);
  }
  return 0;
}

function bear(error: unknown, force: boolean): void {
  if (!force || !isRunletError(error) || error.code !== "ERR_RUNLET_NOT_FOUND") throw error;
}
