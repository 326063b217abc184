import type { Descriptor, Platform } from "@runlet/spec";

/** A manifest or an index: its bytes as they are stored, and what they are. */
export interface ManifestContent {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** How something is asked for. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

/** How content is read. */
export interface ReadOptions extends RequestOptions {
  /** First byte wanted. Default 0. */
  readonly offsetBytes?: number | undefined;
}

/**
 * Opens the content of a blob. The target asks for it once it knows what it lacks, so that a transfer that broke off goes on
 * where it ended; it may ask again, from the start, if what it had proves damaged.
 *
 * @param offsetBytes - first byte wanted.
 */
export type OpenContent = (offsetBytes: number) => AsyncIterable<Uint8Array>;

/**
 * Where images come from: an image layout, a docker archive, a repository of a registry, the store itself. A source does
 * not check digests: what it gives is checked by whoever stores it.
 */
export interface ImageSource extends AsyncDisposable {
  /** For messages and for the store's records, such as `docker.io/library/alpine`. */
  readonly name: string;
  /**
   * The manifest or index of a name or digest.
   *
   * @param reference - a tag, or a digest; without one, the source's only or default image.
   * @throws RunletError `ERR_RUNLET_IMAGE` if there is none.
   */
  manifest(reference?: string, options?: RequestOptions): Promise<ManifestContent>;
  /** The bytes of a blob from an offset on. */
  blob(descriptor: Descriptor, options?: ReadOptions): AsyncIterable<Uint8Array>;
}

/** Where images go to. */
export interface ImageTarget extends AsyncDisposable {
  readonly name: string;
  /**
   * Whether it holds manifests of the image specification's types only. Docker's are converted on their way then, and get
   * another digest. Default false.
   */
  readonly isOciOnly?: boolean;
  /** Whether a blob or manifest is there, whole. */
  has(descriptor: Descriptor, options?: RequestOptions): Promise<boolean>;
  /** Stores a blob; the target checks its size and digest. */
  putBlob(descriptor: Descriptor, open: OpenContent, options?: RequestOptions): Promise<void>;
  /** Stores a manifest, after its blobs, under a tag if there is one. */
  putManifest(manifest: ManifestContent, reference?: string, options?: RequestOptions): Promise<void>;
}

/** One step of a transfer or of unpacking. */
export interface Progress {
  /** `present`: nothing had to be done, the target has it. */
  readonly step: "resolve" | "download" | "upload" | "unpack" | "present";
  readonly digest: string;
  /** Bytes done of {@link totalBytes}. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** How an image is copied. */
export interface CopyOptions {
  /** The platform that is chosen from an index; "all" copies every one. Default: this machine's. */
  readonly platform?: Platform | "all" | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}
