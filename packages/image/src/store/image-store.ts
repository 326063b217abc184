import type { Descriptor, Digest } from "@runlet/spec";
import type {
  ImageSource,
  ImageTarget,
  ManifestContent,
  OpenContent,
  ReadOptions,
  RequestOptions,
} from "../transfer.ts";
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

/**
 * Images of this machine, each content once. The directory is an OCI image layout that other tools can read, with unpacked
 * layers beside it. Any number of processes may use it at once, and any of them may be killed at any point.
 */
export class ImageStore implements ImageSource, ImageTarget {
  /** For messages. */
  readonly name: string;
  readonly hostPath: string;
  /**
   * Where overlayfs's attributes of unpacked layers are: `user` needs the mount option `userxattr`. Root of the machine has
   * `trusted`, everybody else `user`.
   */
  readonly overlayXattrs: "trusted" | "user" = "trusted";

  private constructor(hostPath: string) {
    this.hostPath = hostPath;
    this.name = hostPath;
  }

  /** Opens a store, making it if there is none. @throws RunletError `ERR_RUNLET_STORE` */
  static open(_options: OpenStoreOptions = {}): Promise<ImageStore> {
    throw new Error("not built");
  }

  /** @param reference - a name or digest. */
  manifest(_reference?: string, _options?: RequestOptions): Promise<ManifestContent> {
    throw new Error("not built");
  }

  blob(_descriptor: Descriptor, _options?: ReadOptions): AsyncIterable<Uint8Array> {
    throw new Error("not built");
  }

  has(_descriptor: Descriptor, _options?: RequestOptions): Promise<boolean> {
    throw new Error("not built");
  }

  putBlob(_descriptor: Descriptor, _open: OpenContent, _options?: RequestOptions): Promise<void> {
    throw new Error("not built");
  }

  /** Stores content of which size and digest are not known yet. */
  addBlob(_options: { mediaType: string; content: AsyncIterable<Uint8Array> }): Promise<Descriptor> {
    throw new Error("not built");
  }

  putManifest(_manifest: ManifestContent, _reference?: string, _options?: RequestOptions): Promise<void> {
    throw new Error("not built");
  }

  /** Copies an image into the store; what is there is not asked for again. */
  pull(_options: PullOptions): Promise<StoredImage> {
    throw new Error("not built");
  }

  /** @param reference - a name as `parseReference` reads it, a digest, or at least six digits of one. */
  resolve(_reference: string, _options?: ResolveOptions): Promise<StoredImage> {
    throw new Error("not built");
  }

  /** All names, in their order. */
  list(): Promise<NamedImage[]> {
    throw new Error("not built");
  }

  /** Gives an image a(nother) name, which may have stood for another one. */
  tag(_reference: string, _name: string): Promise<void> {
    throw new Error("not built");
  }

  /** Takes a name away. Content goes with the next {@link gc}, if nothing else keeps it. */
  remove(_name: string): Promise<void> {
    throw new Error("not built");
  }

  /** Unpacks what is not unpacked yet. @returns the layers, the base first. */
  unpack(_image: StoredImage, _options?: UnpackImageOptions): Promise<UnpackedLayer[]> {
    throw new Error("not built");
  }

  /** Keeps content beyond its names. A lease of the same id is replaced. */
  lease(_lease: Lease): Promise<void> {
    throw new Error("not built");
  }

  /** Ends a lease; none of this id is fine. */
  release(_id: string): Promise<void> {
    throw new Error("not built");
  }

  leases(): Promise<Lease[]> {
    throw new Error("not built");
  }

  /** Keeps {@link gc} away while content is being put together that nothing refers to yet. Ends with the returned object. */
  hold(): Promise<AsyncDisposable> {
    throw new Error("not built");
  }

  /** Removes what no name and no lease keeps. */
  gc(_options?: { isDryRun?: boolean; timeoutMs?: number }): Promise<CollectionResult> {
    throw new Error("not built");
  }

  usage(): Promise<StoreUsage> {
    throw new Error("not built");
  }

  /** Whether a layer is unpacked, by its chain id. */
  isUnpacked(_chainId: Digest): boolean {
    throw new Error("not built");
  }

  [Symbol.asyncDispose](): Promise<void> {
    throw new Error("not built");
  }
}
