import { join, resolve as resolvePath } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import type { Descriptor, Digest } from "@runlet/spec";
import { copyImage } from "../copy.ts";
import { checkContent } from "../digest.ts";
import { LayerDirectory } from "../layers/layer-directory.ts";
import { checkIsImage, parseManifest } from "../manifest.ts";
import { formatReference, parseNewName, parseReference } from "../reference.ts";
import type {
  ImageSource,
  ImageTarget,
  ManifestContent,
  OpenContent,
  ReadOptions,
  RequestOptions,
} from "../transfer.ts";
import { BlobDirectory } from "./blob-directory.ts";
import { lockFile } from "./file-lock.ts";
import { collectGarbage, measureUsage, type StoreContent } from "./garbage-collector.ts";
import { ImageResolver } from "./image-resolver.ts";
import { LeaseDirectory } from "./lease-directory.ts";
import { NameIndex } from "./name-index.ts";
import { defaultStoreHostPath } from "./store-privileges.ts";
import { openStoreDirectory } from "./store-record.ts";
import type {
  CollectionResult,
  Lease,
  NamedImage,
  PullOptions,
  ResolveOptions,
  StoredImage,
  StoreUsage,
  UnpackedLayer,
  UnpackImageOptions,
} from "./stored-image.ts";

/** Where a store lies. */
export interface OpenStoreOptions {
  /** Default: `/var/lib/runlet` for root, `$XDG_DATA_HOME/runlet` or `~/.local/share/runlet` for users. */
  readonly hostPath?: string | undefined;
}

/** How garbage is collected. */
export interface CollectOptions {
  /** Whether nothing is removed, only told. Default false. */
  readonly isDryRun?: boolean | undefined;
  /** How long others that use the store are waited for. Default 10 seconds. */
  readonly timeoutMs?: number | undefined;
  /** Leases that keep nothing any more. */
  readonly goneLeases?: readonly string[] | undefined;
}

const defaultTimeoutMs = 10_000;

/**
 * Images of this machine, each content once. The directory is an OCI image layout that other tools can read, with unpacked
 * layers beside it. Any number of processes may use it at once, and any of them may be killed at any point: what has a name
 * is whole, and {@link gc} removes the rest.
 *
 * Everything that reads or adds holds a shared lock meanwhile; `gc` takes it alone. Nothing needs to be closed.
 */
export class ImageStore implements ImageSource, ImageTarget {
  /** For messages: the directory. */
  readonly name: string;
  readonly hostPath: string;
  /**
   * Where overlayfs's attributes of unpacked layers are: `user` needs the mount option `userxattr`. Root of the machine has
   * `trusted`, everybody else `user`.
   */
  readonly overlayXattrs: "trusted" | "user";
  readonly #blobs: BlobDirectory;
  readonly #layers: LayerDirectory;
  readonly #leases: LeaseDirectory;
  readonly #names: NameIndex;
  readonly #resolver: ImageResolver;

  private constructor(hostPath: string, overlayXattrs: "trusted" | "user") {
    this.hostPath = hostPath;
    this.name = hostPath;
    this.overlayXattrs = overlayXattrs;
    const { blobs: blobsHostPath, partial: partialHostPath, staging: stagingHostPath, leases } = this.#hostPaths;
    this.#blobs = new BlobDirectory({ blobsHostPath, partialHostPath });
    this.#layers = new LayerDirectory({
      layersHostPath: join(hostPath, "layers"),
      stagingHostPath,
      blobs: this.#blobs,
      isPrivileged: overlayXattrs === "trusted",
    });
    this.#leases = new LeaseDirectory(leases);
    this.#names = new NameIndex(hostPath);
    this.#resolver = new ImageResolver({ blobs: this.#blobs, names: this.#names });
  }

  /**
   * Opens a store, making it if there is none. Only its owner can read what it holds.
   *
   * @throws RunletError `ERR_RUNLET_STORE` for a directory that is something else, or another user's.
   */
  static async open(options: OpenStoreOptions = {}): Promise<ImageStore> {
    const hostPath = resolvePath(options.hostPath ?? defaultStoreHostPath());
    const { overlayXattrs } = await openStoreDirectory(hostPath);
    return new ImageStore(hostPath, overlayXattrs);
  }

  get #hostPaths() {
    const below = (name: string) => join(this.hostPath, name);
    return {
      store: this.hostPath,
      blobs: below("blobs"),
      partial: below("partial"),
      staging: below("staging"),
      leases: below("leases"),
    };
  }

  #lock(mode: "shared" | "exclusive", timeoutMs?: number): Promise<Disposable> {
    const subject = `the store ${quote(this.hostPath)}`;
    return lockFile(join(this.hostPath, "lock"), { mode, subject, timeoutMs });
  }

  /** @param reference - a name, a digest, or at least six digits of one. */
  async manifest(reference?: string, _options: RequestOptions = {}): Promise<ManifestContent> {
    if (reference === undefined)
      throw new RunletError("ERR_RUNLET_IMAGE", "which image of the store is meant?", { hint: "give its name" });
    const { target } = await this.#resolver.locate(reference);
    return await this.#resolver.content(target);
  }

  blob(descriptor: Descriptor, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    return this.#blobs.stream(descriptor.digest, options);
  }

  /** Reads a small blob, such as a configuration, and checks it. @throws RunletError `ERR_RUNLET_IMAGE`, `ERR_RUNLET_STORE` */
  readBlob(digest: Digest, limitBytes: number): Promise<Buffer> {
    return this.#blobs.read(digest, limitBytes);
  }

  async has(descriptor: Descriptor, _options: RequestOptions = {}): Promise<boolean> {
    return this.#blobs.has(descriptor);
  }

  /** As `ImageTarget` has it. What was received before a failure is kept, and the next attempt goes on there. */
  async putBlob(descriptor: Descriptor, open: OpenContent, options: RequestOptions = {}): Promise<void> {
    using _lock = await this.#lock("shared");
    await this.#blobs.put(descriptor, open, options);
  }

  /**
   * Stores content of which size and digest are not known yet.
   *
   * @throws RunletError `ERR_RUNLET_STORE`; and what the content throws.
   */
  async addBlob(options: {
    mediaType: string;
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  }): Promise<Descriptor> {
    using _lock = await this.#lock("shared");
    return { mediaType: options.mediaType, ...(await this.#blobs.add(options.content)) };
  }

  /** @param reference - a name, of any form that `parseReference` reads. */
  async putManifest(manifest: ManifestContent, reference?: string, options: RequestOptions = {}): Promise<void> {
    const name = reference === undefined ? undefined : formatReference(parseReference(reference));
    const { descriptor, bytes } = manifest;
    await checkContent(descriptor, bytes);
    parseManifest(manifest);
    using _lock = await this.#lock("shared");
    if (!this.#blobs.has(descriptor)) await this.#blobs.put(descriptor, (offset) => once(bytes, offset), options);
    if (name !== undefined) await this.#names.set(name, descriptor);
  }

  /**
   * Copies an image into the store; what is there is not asked for again. It gets its name last.
   *
   * @throws RunletError `ERR_RUNLET_IMAGE` if it is none that could be unpacked, or not for the platform;
   *   `ERR_RUNLET_STORE`; `ERR_RUNLET_ABORTED`; and what the source throws.
   */
  async pull(options: PullOptions): Promise<StoredImage> {
    const { source, reference, platform, signal, onProgress } = options;
    const name = options.name === undefined ? undefined : formatReference(parseReference(options.name));
    using _lock = await this.#lock("shared");
    const isWhole = platform === "all";
    const onManifest = (content: ManifestContent) => {
      const parsed = parseManifest(content);
      if (parsed.kind === "manifest") checkIsImage(content.descriptor.digest, parsed.manifest);
    };
    const { target, manifests } = await copyImage({
      from: source,
      to: this,
      reference,
      platform,
      keepsIndex: true,
      signal,
      onProgress,
      onManifest: isWhole ? undefined : onManifest,
    });
    const { digest, size } = target.descriptor;
    const described = { mediaType: parseManifest(target).mediaType, digest, size };
    const located = { name, target: described };
    const chosen = manifests[0]?.descriptor;
    // Of all platforms this machine's may not be one; then the first stands for them.
    const image =
      isWhole && chosen !== undefined
        ? await this.#resolver
            .load(located, undefined)
            .catch(() => this.#resolver.load({ name, target: chosen }, undefined))
        : await this.#resolver.load(located, isWhole ? undefined : platform);
    if (name !== undefined) await this.#names.set(name, described);
    return { ...image, target: described };
  }

  /**
   * Finds an image and reads what it says of itself.
   *
   * @param reference - a name as `parseReference` reads it, a digest, or at least six digits of one.
   * @throws RunletError `ERR_RUNLET_IMAGE` if there is none, or not for the platform; `ERR_RUNLET_STORE`
   */
  async resolve(reference: string, options: ResolveOptions = {}): Promise<StoredImage> {
    return await this.#resolver.load(await this.#resolver.locate(reference), options.platform);
  }

  /** All names, in their order. @throws RunletError `ERR_RUNLET_STORE` */
  async list(): Promise<NamedImage[]> {
    return this.#names.list();
  }

  /**
   * Gives an image a(nother) name, which may have stood for another one.
   *
   * @throws RunletError `ERR_RUNLET_IMAGE` if there is no such image, or no such name can be; `ERR_RUNLET_STORE`
   */
  async tag(reference: string, name: string): Promise<void> {
    const parsed = parseNewName(name);
    using _lock = await this.#lock("shared");
    const { target } = await this.#resolver.locate(reference);
    await this.#names.set(formatReference(parsed), target);
  }

  /**
   * Takes a name away. Content goes with the next {@link gc}, if nothing else keeps it.
   *
   * @throws RunletError `ERR_RUNLET_IMAGE` if there is no such name; `ERR_RUNLET_STORE`
   */
  async remove(name: string): Promise<void> {
    const canonical = formatReference(parseReference(name));
    using _lock = await this.#lock("shared");
    if (await this.#names.remove(canonical)) return;
    throw new RunletError("ERR_RUNLET_IMAGE", `there is no image ${quote(name)} in the store`, {
      hint: "`runlet image ls` has those that there are",
    });
  }

  /**
   * Unpacks what is not unpacked yet, several layers at once.
   *
   * A {@link hold} or a lease keeps the layers there beyond the call.
   *
   * @returns the layers, the base first.
   * @throws RunletError `ERR_RUNLET_IMAGE` for a layer that is damaged, hostile, or not what the configuration says;
   *   `ERR_RUNLET_STORE`; `ERR_RUNLET_ABORTED`.
   */
  async unpack(image: StoredImage, options: UnpackImageOptions = {}): Promise<UnpackedLayer[]> {
    using _lock = await this.#lock("shared");
    return await this.#layers.unpack(image.layers, options);
  }

  /**
   * Unpacks an image's layers one over the other into a directory: a copy that the store keeps no account of.
   *
   * @param rootHostPath - an empty directory; after a failure it holds what came before.
   * @throws RunletError as {@link unpack}.
   */
  async unpackInto(image: StoredImage, rootHostPath: string, options: UnpackImageOptions = {}): Promise<void> {
    using _lock = await this.#lock("shared");
    await this.#layers.unpackInto(rootHostPath, { ...options, layers: image.layers });
  }

  /** Whether a layer is unpacked, by its chain id. */
  isUnpacked(chainId: Digest): boolean {
    return this.#layers.has(chainId);
  }

  /**
   * Keeps content beyond its names. A lease of the same id is replaced.
   *
   * @throws RunletError `ERR_RUNLET_USAGE` for an id that cannot be; `ERR_RUNLET_STORE`
   */
  async lease(lease: Lease): Promise<void> {
    using _lock = await this.#lock("shared");
    await this.#leases.write(lease);
  }

  /** Ends a lease; none of this id is fine. @throws RunletError `ERR_RUNLET_STORE` */
  async release(id: string): Promise<void> {
    using _lock = await this.#lock("shared");
    await this.#leases.remove(id);
  }

  /** All leases, in the order of their ids. @throws RunletError `ERR_RUNLET_STORE` */
  async leases(): Promise<Lease[]> {
    return this.#leases.list();
  }

  /**
   * Keeps {@link gc} away while content is put together that nothing refers to yet: between unpacking and a lease, or while
   * an image is being made. Ends with the returned object, or with the process.
   */
  async hold(): Promise<Disposable> {
    return await this.#lock("shared");
  }

  /**
   * Removes what no name and no lease keeps, downloads that were broken off included.
   *
   * @throws RunletError `ERR_RUNLET_LOCKED` if others use the store all the time; `ERR_RUNLET_STORE`
   */
  async gc(options: CollectOptions = {}): Promise<CollectionResult> {
    using _lock = await this.#lock("exclusive", options.timeoutMs ?? defaultTimeoutMs);
    const { isDryRun = false, goneLeases = [] } = options;
    const content = this.#content();
    const leases = content.leases.filter(({ id }) => !goneLeases.includes(id));
    return await collectGarbage({ ...content, leases }, isDryRun);
  }

  /** What the store holds, and what keeps it. @throws RunletError `ERR_RUNLET_STORE` */
  async usage(): Promise<StoreUsage> {
    using _lock = await this.#lock("shared");
    return await measureUsage(this.#content());
  }

  #content(): StoreContent {
    return {
      blobs: this.#blobs,
      layers: this.#layers,
      hostPaths: this.#hostPaths,
      targets: this.#names.targets(),
      leases: this.#leases.list(),
    };
  }

  /** Does nothing: a store holds nothing open between calls. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

async function* once(bytes: Uint8Array, offsetBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes.subarray(offsetBytes);
}
