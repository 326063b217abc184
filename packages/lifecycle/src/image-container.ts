import { RunletError } from "@runlet/errors";
import type { Container } from "./container.ts";
import type { ImageChanges, ImageCreateOptions, ImageProvider } from "./image-provider.ts";
import type { CreateOptions } from "./options.ts";

/** What {@link createFromImage} needs. */
export interface ImageContainerRequest {
  readonly id: string;
  readonly stateHostPath: string;
  readonly options: ImageCreateOptions;
  readonly images: ImageProvider | undefined;
  /** Creates the container when there is a bundle for it. */
  readonly create: (options: CreateOptions) => Promise<Container>;
}

/**
 * Creates a container of an image: a bundle of its own first, which goes again if the container cannot be made.
 *
 * @throws RunletError `ERR_RUNLET_USAGE` for a runtime without images.
 */
export async function createFromImage(request: ImageContainerRequest): Promise<Container> {
  const { id, stateHostPath, images, create } = request;
  const { image, ...options } = request.options;
  if (images === undefined) {
    throw new RunletError("ERR_RUNLET_USAGE", "this runtime has no images", {
      hint: "bring some: new Runtime({ images }), for example ImageBundles of @runlet/image",
    });
  }
  const { signal, ephemeral = false } = options;
  const made = await images.instantiate({
    ...changesOf(options),
    reference: image,
    id,
    stateHostPath,
    ephemeral,
    signal,
  });
  let container: Container;
  try {
    container = await create({ ...options, bundle: made.bundle, ownsBundle: true });
  } catch (error) {
    // Why the container could not be made is worth more than that something of its bundle is left, which is garbage.
    await made.remove().catch(() => {});
    throw error;
  }
  made.keep();
  return container;
}

const changeNames = [
  "args",
  "entrypoint",
  "env",
  "cwd",
  "user",
  "hostname",
  "mounts",
  "memoryLimitBytes",
  "terminal",
  "readonly",
] as const satisfies readonly (keyof ImageChanges)[];

function changesOf(options: ImageChanges): ImageChanges {
  const given = changeNames.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}
