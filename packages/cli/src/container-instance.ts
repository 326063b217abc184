import type { Instance } from "@runlet/image";
import type { Invocation } from "./command.ts";
import { openRuntime } from "./runtime.ts";

/**
 * The share that a container has of its image.
 *
 * @throws RunletError `ERR_RUNLET_NOT_FOUND`, `ERR_RUNLET_USAGE` for a container that was not made of an image
 */
export async function openContainerInstance(
  invocation: Pick<Invocation, "globals" | "log">,
  id: string,
): Promise<Instance> {
  const runtime = await openRuntime(invocation);
  const { bundle, status } = await (await runtime.load(id)).state();
  if (status === "running")
    invocation.log.warn(`container ${id} is running: what it writes meanwhile may be missing (runlet pause ${id})`);
  const { ImageStore, openInstance } = await import("@runlet/image");
  return await openInstance(bundle, (hostPath) => ImageStore.open({ hostPath }));
}
