import type { Progress } from "@runlet/image";
import type { ImageProvider } from "@runlet/lifecycle";
import type { SourceOptions } from "./image/source.ts";

/** How a command uses images. */
export interface ImageSettings {
  /** Directory of the store. */
  readonly store?: string | undefined;
  readonly pull?: "missing" | "always" | "never" | undefined;
  /** How registries are reached. Default: by the credentials that are stored, and by TLS. */
  readonly registry?: SourceOptions | undefined;
  /** Says what a user should know. */
  readonly warn?: ((message: string) => void) | undefined;
}

interface OpenedImages {
  readonly images: ImageProvider;
  /** Leaves the bars of what was fetched standing. */
  finishDisplay(): void;
}

/** Images for a runtime. The code for them is imported with the first that is asked for, or removed. */
export function lazyImages(settings: ImageSettings = {}): ImageProvider {
  let opened: Promise<OpenedImages> | undefined;
  const open = () => {
    opened ??= openImages(settings);
    return opened;
  };
  return {
    async instantiate(request) {
      const { images, finishDisplay } = await open();
      try {
        return await images.instantiate(request);
      } finally {
        finishDisplay();
      }
    },
    remove: async (bundleHostPath) => (await open()).images.remove(bundleHostPath),
  };
}

async function openImages({ store, pull, registry, warn }: ImageSettings): Promise<OpenedImages> {
  const [{ ImageBundles }, { openRegistry }, { openStore }, { openTransferDisplay }] = await Promise.all([
    import("@runlet/image"),
    import("./image/source.ts"),
    import("./image/store.ts"),
    import("./image/transfer-display.ts"),
  ]);
  // At a terminal: standard output is the container's.
  const display = await openTransferDisplay({ isQuiet: false, isJson: false, print: () => {} });
  const images = new ImageBundles({
    ...(store === undefined ? {} : { store: await openStore({ store }) }),
    ...(registry === undefined ? {} : { openSource: (reference) => openRegistry(reference, registry) }),
    pull,
    onNote: warn,
    // What is there already is no news.
    onProgress: (progress: Progress) => {
      if (progress.step !== "present") display.update(progress);
    },
  });
  return { images, finishDisplay: () => display.finish() };
}
