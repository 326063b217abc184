import { RunletError } from "@runlet/errors";
import {
  type Descriptor,
  type Digest,
  type History,
  type ImageConfig,
  type ImageConfiguration,
  type ImageManifest,
  mediaTypes,
  type Spec,
} from "@runlet/spec";
import { hasChanges } from "../diff/changes.ts";
import { type FileOwner, writeLayer } from "../diff/layer.ts";
import { createHasher } from "../digest.ts";
import { formatManifest, toOci } from "../oci-manifest.ts";
import { parseNewName } from "../reference.ts";
import type { ImageStore } from "../store/image-store.ts";
import type { StoredImage } from "../store/stored-image.ts";
import { type Instance, withComparison } from "./instance.ts";

/** What a commit says of the new image. */
export interface CommitOptions {
  /** The store's name for it, of any form that `parseReference` reads. Without one only the digest leads to it, until `gc`. */
  readonly name?: string | undefined;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  /** What made the changes, for the image's history. Default: the container's program and arguments. */
  readonly createdBy?: string | undefined;
  /**
   * Time of the image. Files of a later time get this one, so that the same changes give the same image whenever they are made.
   * Default: now, and files keep theirs.
   */
  readonly created?: Date | undefined;
  /** Default `gzip`. */
  readonly compression?: "gzip" | "none" | undefined;
  /** What is to differ in how a container of the image runs. */
  readonly config?: Readonly<ImageConfig> | undefined;
}

/** An image that was made of a container. */
export interface CommitResult {
  /** Its manifest. */
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly configuration: ImageConfiguration;
  /** The new layer, and the digest of its uncompressed form; undefined where nothing has changed. */
  readonly layer: { readonly descriptor: Descriptor; readonly diffId: Digest } | undefined;
}

/**
 * Makes an image of a container: its image's layers and one more, of what it has changed. The container should be stopped or
 * paused, so that nothing changes meanwhile. The same changes give the same layer, byte for byte.
 *
 * @throws RunletError `ERR_RUNLET_ARCHIVE` for a file that changed meanwhile, `ERR_RUNLET_IMAGE` for what no layer can hold or
 *   no name can be, `ERR_RUNLET_ROOTFS`, `ERR_RUNLET_STORE`
 */
export async function commitInstance(instance: Instance, options: CommitOptions = {}): Promise<CommitResult> {
  const { store, image, spec } = instance;
  // What would be refused in the end is refused before the work.
  if (options.name !== undefined) parseNewName(options.name);
  const created = options.created ?? new Date();
  if (Number.isNaN(created.getTime())) throw new RunletError("ERR_RUNLET_USAGE", "the time of the image is no date");
  using _hold = await store.hold();
  const layer = await withComparison(instance, (comparison) =>
    hasChanges(comparison) ? addLayer(store, { ...comparison, ...filesOf(spec, options) }, options) : undefinedLayer,
  );
  const configuration = configure({ image, spec, created, layer, options });
  const config = await addJson(store, mediaTypes.imageConfig, configuration);
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    config,
    // A manifest has layers of one family.
    layers: [...image.manifest.layers.map(toOci), ...(layer === undefined ? [] : [layer.descriptor])],
  };
  const content = await formatManifest(mediaTypes.imageManifest, manifest);
  await store.putManifest(content, options.name);
  return { descriptor: content.descriptor, manifest, configuration, layer };
}

const undefinedLayer: Promise<CommitResult["layer"]> = Promise.resolve(undefined);

async function addLayer(
  store: ImageStore,
  comparison: Parameters<typeof writeLayer>[0],
  { compression = "gzip" }: CommitOptions,
): Promise<NonNullable<CommitResult["layer"]>> {
  const hasher = await createHasher("sha256");
  const hashed = async function* () {
    for await (const bytes of writeLayer(comparison)) {
      hasher.update(bytes);
      yield bytes;
    }
  };
  const isPlain = compression === "none";
  const mediaType = isPlain ? mediaTypes.imageLayer : mediaTypes.imageLayerGzip;
  const descriptor = await store.addBlob({ mediaType, content: isPlain ? hashed() : await gzip(hashed()) });
  return { descriptor, diffId: hasher.digest() };
}

/** The header that zlib writes has no time and no name, so the same bytes give the same bytes. */
async function gzip(content: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const [{ createGzip }, { pipeline, Readable }] = await Promise.all([import("node:zlib"), import("node:stream")]);
  // A failure of either end reaches whoever reads.
  return pipeline(Readable.from(content, { objectMode: false }), createGzip(), () => {});
}

/** How the container's files stand in the layer: owners as it sees them. */
function filesOf(
  spec: Spec,
  { created }: CommitOptions,
): Pick<Parameters<typeof writeLayer>[0], "owner" | "latestTime"> {
  const { uidMappings = [], gidMappings = [] } = spec.linux ?? {};
  const owner = ({ uid, gid }: FileOwner) => ({
    uid: inContainer(uid, uidMappings),
    gid: inContainer(gid, gidMappings),
  });
  const hasUserNamespace = spec.linux?.namespaces?.some(({ type }) => type === "user") ?? false;
  const milliseconds = created?.getTime() ?? 0;
  return {
    ...(hasUserNamespace ? { owner } : {}),
    ...(created === undefined
      ? {}
      : {
          latestTime: {
            seconds: Math.floor(milliseconds / 1000),
            nanoseconds: (((milliseconds % 1000) + 1000) % 1000) * 1_000_000,
          },
        }),
  };
}

/** What the kernel shows of ids that a user namespace does not map. @see user_namespaces(7) */
const overflowId = 65534;

function inContainer(
  id: number,
  mappings: readonly { readonly containerID: number; readonly hostID: number; readonly size: number }[],
): number {
  const mapping = mappings.find(({ hostID, size }) => id >= hostID && id < hostID + size);
  return mapping === undefined ? overflowId : mapping.containerID + id - mapping.hostID;
}

function configure(parts: {
  image: StoredImage;
  spec: Spec;
  created: Date;
  layer: CommitResult["layer"];
  options: CommitOptions;
}): ImageConfiguration {
  const { image, spec, layer, options } = parts;
  const { author, comment, createdBy = (spec.process?.args ?? []).join(" ") } = options;
  const created = parts.created.toISOString();
  const { configuration } = image;
  const history: History = {
    created,
    created_by: createdBy,
    ...(author === undefined ? {} : { author }),
    ...(comment === undefined ? {} : { comment }),
    ...(layer === undefined ? { empty_layer: true } : {}),
  };
  return {
    ...configuration,
    created,
    ...(author === undefined ? {} : { author }),
    config: { ...configuration.config, ...options.config },
    rootfs: {
      type: "layers",
      diff_ids: [...configuration.rootfs.diff_ids, ...(layer === undefined ? [] : [layer.diffId])],
    },
    history: [...(configuration.history ?? []), history],
  };
}

async function addJson(store: ImageStore, mediaType: string, value: unknown): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(value));
  const content = (async function* () {
    yield bytes;
  })();
  return await store.addBlob({ mediaType, content });
}
