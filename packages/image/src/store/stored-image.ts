import type { UnpackLimits } from "@runlet/rootfs";
import type { Descriptor, Digest, ImageConfiguration, ImageManifest, Platform } from "@runlet/spec";
import type { CopyOptions, ImageSource, Progress } from "../transfer.ts";

/** A name of the store, and what it stands for. */
export interface NamedImage {
  /** As `formatReference` writes it: `docker.io/library/alpine:3.20`. */
  readonly name: string;
  /** A manifest, or an index of manifests for several platforms. */
  readonly target: Descriptor;
}

/** An image of the store, for one platform. */
export interface StoredImage {
  /** The name by which it was found; undefined for a digest. */
  readonly name: string | undefined;
  /** What the name stands for: the manifest itself, or the index that it was chosen from. */
  readonly target: Descriptor;
  /** The manifest. */
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly configuration: ImageConfiguration;
  /** The layers, the base first. */
  readonly layers: readonly ImageLayer[];
}

/** A layer of an image. */
export interface ImageLayer {
  /** The archive. */
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed archive. */
  readonly diffId: Digest;
  /** Digest of this layer on top of those below. */
  readonly chainId: Digest;
}

/** A layer that lies unpacked in the store, in overlayfs's form. */
export interface UnpackedLayer extends ImageLayer {
  /** A `lowerdir` for overlayfs. Never to be written to. */
  readonly hostPath: string;
}

/** Which image is wanted. */
export interface ResolveOptions {
  /** Chosen from an index. Default: this machine's. */
  readonly platform?: Platform | undefined;
}

/** What is pulled into the store. */
export interface PullOptions extends CopyOptions {
  readonly source: ImageSource;
  /** Tag or digest that the source knows; default: its only image. */
  readonly reference?: string | undefined;
  /** The store's name for it, of any form that `parseReference` reads. Without one only the digest leads to it, until `gc`. */
  readonly name?: string | undefined;
}

/** How layers are unpacked. */
export interface UnpackImageOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Bounds of each layer. */
  readonly limits?: Partial<UnpackLimits> | undefined;
}

/** Something outside the names that keeps content, such as a snapshot. */
export interface Lease {
  /** Letters, digits, `_`, `.`, `-`; 1 to 128, not beginning with a dot. */
  readonly id: string;
  /** Chain ids of layers that stay unpacked, those below them included. */
  readonly layers: readonly Digest[];
  /** Blobs that stay: a manifest keeps its configuration and its layers' archives. */
  readonly blobs: readonly Digest[];
}

/** What a garbage collection removed, or would. */
export interface CollectionResult {
  /** Digests of blobs. */
  readonly blobs: readonly Digest[];
  /** Chain ids of unpacked layers. */
  readonly layers: readonly Digest[];
  /** Downloads and unpackings that were broken off, and what was left of containers. */
  readonly leftovers: number;
  /** Bytes of the file system that became free, as `du` counts. */
  readonly freedBytes: number;
}

/** A blob of the store. */
export interface BlobUsage {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** How many names and leases keep it, directly or not. */
  readonly references: number;
}

/** An unpacked layer of the store. */
export interface LayerUsage {
  readonly chainId: Digest;
  readonly diffId: Digest;
  /** The layer below; undefined for a base. */
  readonly parent: Digest | undefined;
  /** Bytes on disk, as `du` counts. */
  readonly diskBytes: number;
  /** How many names and leases keep it. */
  readonly references: number;
}

/** What the store holds, in bytes. */
export interface StoreUsage {
  readonly blobs: readonly BlobUsage[];
  readonly layers: readonly LayerUsage[];
  /** Downloads that were broken off and can go on. */
  readonly partialBytes: number;
}
