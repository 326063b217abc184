import { quote, RunletError } from "@runlet/errors";
import type { ImageLocation, ImageStore, ImageTarget, StoredImage } from "@runlet/image";
import { parseBytes } from "../byte-size.ts";
import type { OptionValues } from "../command.ts";
import type { pushOptions } from "../options/image.ts";
import { registryAccess } from "./registry-access.ts";
import { resolveAll } from "./resolve-all.ts";

/** A target and what it is to call the image. */
export interface OpenedTarget extends AsyncDisposable {
  readonly target: ImageTarget;
  readonly reference: string | undefined;
  /** For messages. */
  readonly name: string;
  /** To be called when everything is there: an archive appears under its name only then. */
  finish(): Promise<void>;
}

/** What goes where. */
interface TargetRequest {
  readonly options: OptionValues<typeof pushOptions>;
  readonly store: ImageStore;
  /** What is known of the image; undefined of one for other platforms. */
  readonly image: StoredImage | undefined;
}

/**
 * Opens where an image is to go to.
 *
 * @param text - as `parseImageLocation` reads it.
 * @throws RunletError `ERR_RUNLET_USAGE` for a place that cannot be written to.
 */
export async function openTarget(text: string, request: TargetRequest): Promise<OpenedTarget> {
  const { parseImageLocation } = await import("@runlet/image");
  const location = parseImageLocation(text);
  if (location.transport === "docker") return await openRegistry(location, request);
  const { ArchiveTarget, LayoutTarget } = await import("@runlet/image");
  const { transport, hostPath } = location;
  const reference = location.name ?? request.image?.name;
  const name = `${transport}:${hostPath}${reference === undefined ? "" : `:${reference}`}`;
  if (transport === "oci") {
    const target = await LayoutTarget.open(hostPath);
    return { ...closing(target), reference, name, finish: () => Promise.resolve() };
  }
  const target = await ArchiveTarget.create({ hostPath, format: transport === "oci-archive" ? "oci" : "docker" });
  return { ...closing(target), reference, name, finish: () => target.finish() };
}

async function openRegistry(
  { reference }: Extract<ImageLocation, { transport: "docker" }>,
  { options, store, image }: TargetRequest,
): Promise<OpenedTarget> {
  const { formatReference, openRegistryTarget } = await import("@runlet/image");
  const { registry, repository, tag, digest } = reference;
  if (digest !== undefined) {
    throw new RunletError(
      "ERR_RUNLET_USAGE",
      `${quote(formatReference(reference))} has a digest, which nobody chooses`,
      {
        hint: "give a name and a tag",
      },
    );
  }
  const { "chunk-size": chunkSize } = options;
  const target = openRegistryTarget({
    host: registry,
    repository,
    mountFrom: await neighbours(store, registry, image),
    uploadChunkBytes: chunkSize === undefined ? undefined : parseBytes(chunkSize),
    ...(await registryAccess(options, registry)),
  });
  return { ...closing(target), reference: tag, name: formatReference(reference), finish: () => Promise.resolve() };
}

function closing(target: ImageTarget): Pick<OpenedTarget, "target" | typeof Symbol.asyncDispose> {
  return { target, [Symbol.asyncDispose]: () => Promise.resolve(target[Symbol.asyncDispose]()) };
}

/** Repositories of the registry that may have some of the layers, as the names of images in the store that share them say. */
async function neighbours(store: ImageStore, registry: string, image: StoredImage | undefined): Promise<string[]> {
  const { parseReference } = await import("@runlet/image");
  const digests = new Set(image?.layers.map(({ descriptor }) => descriptor.digest));
  const repositories = (await resolveAll(store)).flatMap(({ name, layers }) => {
    const reference = name === undefined ? undefined : parseReference(name);
    if (reference?.registry !== registry) return [];
    return layers.some(({ descriptor }) => digests.has(descriptor.digest)) ? [reference.repository] : [];
  });
  return [...new Set(repositories)];
}
