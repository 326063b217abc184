import { quote, RunletError } from "@runlet/errors";
import { type Compression, decompress, detectCompression } from "@runlet/rootfs";
import type { Descriptor, Digest, ImageConfiguration, ImageManifest } from "@runlet/spec";
import { createHasher, digestOf } from "../digest.ts";
import { limitRatio } from "../layout/archive-tree.ts";
import { type FileTree, missingFile, readIfExists } from "../layout/file-tree.ts";
import { openFileTree } from "../layout/layout-source.ts";
import { maxManifestBytes } from "../manifest.ts";
import { dockerMediaTypes } from "../media-types.ts";
import { hostPlatform } from "../platform.ts";
import { parseReference, shortenReference } from "../reference.ts";
import type { ImageSource, ManifestContent, ReadOptions } from "../transfer.ts";
import { type LegacyLayer, parseDockerManifest, parseLegacyLayer, parseRepositories } from "./docker-manifest.ts";

/** An image of the archive, before its layers were looked at. */
interface Listed {
  readonly tags: readonly string[];
  /** Paths of the layers, the base first. */
  readonly layers: readonly string[];
  /** Bytes of the configuration, given the layers' diff ids. */
  configuration(diffIds: readonly Digest[]): Promise<Uint8Array>;
}

/** Where the bytes of a descriptor are. */
type Content = { readonly path: string } | { readonly bytes: Uint8Array };

/** A layer, and the digest of its uncompressed form. */
interface ReadLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

const layerTypes: Readonly<Record<Exclude<Compression, "xz">, string>> = {
  none: dockerMediaTypes.layer,
  gzip: dockerMediaTypes.layerGzip,
  zstd: dockerMediaTypes.layerZstd,
};
const maxLegacyLayers = 500;

/**
 * What `docker save` and its likes write, as a source: the format with `manifest.json`, and that of before Docker 1.10, with
 * `repositories` alone. Manifests are made up from what the archive holds; layers are taken as they lie there.
 */
export class DockerArchiveSource implements ImageSource {
  readonly name: string;
  readonly #tree: FileTree;
  readonly #images: readonly Listed[];
  readonly #contents = new Map<Digest, Content>();
  /** What was read of layers, by their path: images share them. */
  readonly #layers = new Map<string, Promise<ReadLayer>>();

  private constructor(tree: FileTree, images: readonly Listed[]) {
    this.name = tree.name;
    this.#tree = tree;
    this.#images = images;
  }

  /** @param hostPath - the archive, or a directory that it was unpacked to. @throws RunletError `ERR_RUNLET_IMAGE` */
  static async open(hostPath: string): Promise<DockerArchiveSource> {
    const tree = await openFileTree(hostPath);
    try {
      return await DockerArchiveSource.fromTree(tree);
    } catch (error) {
      await tree[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @param tree - becomes the source's. @throws RunletError `ERR_RUNLET_IMAGE` */
  static async fromTree(tree: FileTree): Promise<DockerArchiveSource> {
    const manifest = await readIfExists(tree, "manifest.json", maxManifestBytes);
    if (manifest !== undefined) return new DockerArchiveSource(tree, listModern(tree, manifest));
    const repositories = await readIfExists(tree, "repositories", maxManifestBytes);
    if (repositories !== undefined) return new DockerArchiveSource(tree, await listLegacy(tree, repositories));
    throw new RunletError("ERR_RUNLET_IMAGE", `${quote(tree.name)} is no docker archive: it has no manifest.json`, {
      hint: "write it with `docker save` or `podman save`",
    });
  }

  /** Names that images of the archive go by, in its order. */
  get references(): readonly string[] {
    return this.#images.flatMap(({ tags }) => tags);
  }

  async manifest(reference?: string): Promise<ManifestContent> {
    const digest = reference?.includes(":") === true ? this.#contents.get(reference) : undefined;
    if (reference !== undefined && digest !== undefined && "bytes" in digest) {
      const { bytes } = digest;
      return { bytes, descriptor: { mediaType: dockerMediaTypes.manifest, digest: reference, size: bytes.length } };
    }
    const bytes = await this.#makeManifest(this.#find(reference));
    const descriptor = { mediaType: dockerMediaTypes.manifest, digest: await digestOf(bytes), size: bytes.length };
    this.#contents.set(descriptor.digest, { bytes });
    return { bytes, descriptor };
  }

  blob(descriptor: Descriptor, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const content = this.#contents.get(descriptor.digest);
    if (content === undefined) throw missingFile(this.name, descriptor.digest);
    if ("path" in content) return this.#tree.stream(content.path, options);
    return single(content.bytes.subarray(options.offsetBytes ?? 0));
  }

  #find(reference: string | undefined): Listed {
    const names = this.references;
    const hint = names.length === 0 ? undefined : `it has ${names.slice(0, 20).map(quote).join(", ")}`;
    if (reference === undefined) {
      const [first] = this.#images;
      if (first !== undefined && this.#images.length === 1) return first;
      const reason = first === undefined ? "holds no image" : "holds several images: say which";
      throw new RunletError("ERR_RUNLET_IMAGE", `${quote(this.name)} ${reason}`, { hint });
    }
    const wanted = canonical(reference);
    const found = this.#images.find(({ tags }) => tags.some((tag) => tag === reference || canonical(tag) === wanted));
    if (found !== undefined) return found;
    throw new RunletError("ERR_RUNLET_IMAGE", `${quote(this.name)} has no image ${quote(reference)}`, { hint });
  }

  async #makeManifest(image: Listed): Promise<Uint8Array> {
    const layers: Descriptor[] = [];
    const diffIds: Digest[] = [];
    for (const path of image.layers) {
      const reading = this.#layers.get(path) ?? this.#readLayer(path);
      this.#layers.set(path, reading);
      const { descriptor, diffId } = await reading;
      layers.push(descriptor);
      diffIds.push(diffId);
      this.#contents.set(descriptor.digest, { path });
    }
    const configuration = await image.configuration(diffIds);
    const config = {
      mediaType: dockerMediaTypes.imageConfig,
      digest: await digestOf(configuration),
      size: configuration.length,
    };
    this.#contents.set(config.digest, { bytes: configuration });
    const manifest: ImageManifest = { schemaVersion: 2, mediaType: dockerMediaTypes.manifest, config, layers };
    return Buffer.from(JSON.stringify(manifest));
  }

  /** Reads a layer for the digests of what lies there and of what it holds. */
  async #readLayer(path: string): Promise<ReadLayer> {
    const size = this.#tree.sizeIfExists(path);
    if (size === undefined) throw missingFile(this.name, path);
    const archive = await createHasher("sha256");
    let compression: Compression | undefined;
    async function* seen(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const chunk of source) {
        compression ??= detectCompression(chunk);
        archive.update(chunk);
        yield chunk;
      }
    }
    const content = await createHasher("sha256");
    const whole = limitRatio(decompress(seen(this.#tree.stream(path))), size);
    for await (const chunk of whole) content.update(chunk);
    if (compression === "xz")
      throw new RunletError(
        "ERR_RUNLET_IMAGE",
        `${quote(this.name)} has a layer compressed by xz, which images have not`,
      );
    const mediaType = layerTypes[compression ?? "none"];
    return { descriptor: { mediaType, digest: archive.digest(), size }, diffId: content.digest() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tree[Symbol.asyncDispose]();
  }
}

function listModern(tree: FileTree, bytes: Uint8Array): Listed[] {
  return parseDockerManifest(tree.name, bytes).map(({ Config, RepoTags, Layers }) => ({
    tags: RepoTags,
    layers: Layers,
    configuration: async () => {
      const configuration = await readIfExists(tree, Config, maxManifestBytes);
      if (configuration === undefined) throw missingFile(tree.name, Config);
      return configuration;
    },
  }));
}

async function listLegacy(tree: FileTree, bytes: Uint8Array): Promise<Listed[]> {
  const images: Listed[] = [];
  for (const [tag, id] of parseRepositories(tree.name, bytes)) {
    const chain: LegacyLayer[] = [];
    for (let next: string | undefined = id; next !== undefined; next = chain[0]?.parent) {
      const path = `${next}/json`;
      const json = await readIfExists(tree, path, maxManifestBytes);
      if (json === undefined) throw missingFile(tree.name, path);
      if (chain.length >= maxLegacyLayers)
        throw new RunletError("ERR_RUNLET_IMAGE", `${quote(tree.name)} has more than ${maxLegacyLayers} layers`);
      chain.unshift(parseLegacyLayer({ name: tree.name, id: next, bytes: json }));
    }
    const layers = chain.map((layer) => `${layer.id}/layer.tar`);
    const configuration = async (diffIds: readonly Digest[]) => configurationOf(chain, diffIds);
    images.push({ tags: [tag], layers, configuration });
  }
  return images;
}

/** The configuration that an image would have had: what its uppermost layer says, and each layer's place in history. */
function configurationOf(chain: readonly LegacyLayer[], diffIds: readonly Digest[]): Uint8Array {
  const top = chain.at(-1);
  const { created, author, config = {} } = top ?? {};
  const configuration: ImageConfiguration = {
    architecture: top?.architecture ?? hostPlatform().architecture,
    os: top?.os ?? "linux",
    ...(created === undefined ? {} : { created }),
    ...(author === undefined ? {} : { author }),
    config,
    rootfs: { type: "layers", diff_ids: [...diffIds] },
    history: chain.map((layer) => (layer.created === undefined ? {} : { created: layer.created })),
  };
  return Buffer.from(JSON.stringify(configuration));
}

/** A name in its short form; undefined for what is none. */
function canonical(name: string): string | undefined {
  try {
    return shortenReference(parseReference(name));
  } catch {
    return undefined;
  }
}

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
