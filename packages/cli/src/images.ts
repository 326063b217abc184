import { resolve } from "node:path";
import type { ImageProvider } from "@runlet/lifecycle";

/** How a command uses images. */
export interface ImageSettings {
  /** Directory of the store. */
  readonly store?: string | undefined;
  readonly pull?: "missing" | "always" | "never" | undefined;
  /** Says what a user should know. */
  readonly warn?: ((message: string) => void) | undefined;
}

/** Images for a runtime. The code for them is imported with the first that is asked for, or removed. */
export function lazyImages(settings: ImageSettings = {}): ImageProvider {
  let opened: Promise<Required<ImageProvider>> | undefined;
  const open = () => (opened ??= openImages(settings));
  return {
    instantiate: async (request) => (await open()).instantiate(request),
    remove: async (bundleHostPath) => (await open()).remove(bundleHostPath),
  };
}

async function openImages({ store, pull, warn }: ImageSettings): Promise<ImageProvider> {
  const { ImageBundles, ImageStore } = await import("@runlet/image");
  return new ImageBundles({
    ...(store === undefined ? {} : { store: await ImageStore.open({ hostPath: resolve(store) }) }),
    pull,
    onNote: warn,
  });
}
