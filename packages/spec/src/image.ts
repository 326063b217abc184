import type { Int64 } from "./integer.ts";

/** Media types of the image specification. (media-types.md) */
export const mediaTypes = {
  descriptor: "application/vnd.oci.descriptor.v1+json",
  layoutHeader: "application/vnd.oci.layout.header.v1+json",
  imageIndex: "application/vnd.oci.image.index.v1+json",
  imageManifest: "application/vnd.oci.image.manifest.v1+json",
  imageConfig: "application/vnd.oci.image.config.v1+json",
  imageLayer: "application/vnd.oci.image.layer.v1.tar",
  imageLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  imageLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  emptyJSON: "application/vnd.oci.empty.v1+json",
} as const;

/**
 * Algorithm and hash of a content: `sha256:` and 64 hexadecimal digits.
 *
 * @pattern ^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$
 * @see descriptor.md#digests
 */
export type Digest = string;

/**
 * A content by its type, size and hash.
 *
 * @see descriptor.md
 */
export interface Descriptor {
  /** Type of the content, RFC 6838. */
  mediaType: string;
  /** Hash of the content. */
  digest: Digest;
  /**
   * Size of the content in bytes; what is longer MUST NOT be trusted.
   *
   * @asType integer
   * @minimum 0
   * @maximum 9223372036854775807
   */
  size: Int64;
  /** Addresses from which the content may be fetched. */
  urls?: string[];
  /** Metadata. */
  annotations?: Record<string, string>;
  /** The content itself, base64. */
  data?: string;
  /** Type of the artifact that the content is. */
  artifactType?: string;
  /** Platform of the image, in an index. */
  platform?: Platform;
}

/**
 * What an image runs on.
 *
 * @see image-index.md#image-index-property-descriptions
 */
export interface Platform {
  /** Architecture in Go's words: `amd64`, `arm64`. */
  architecture: string;
  /** Operating system in Go's words: `linux`. */
  os: string;
  /** Version of the operating system. */
  "os.version"?: string;
  /** Features of the operating system. */
  "os.features"?: string[];
  /** Variant of the CPU: `v8`. */
  variant?: string;
  /** Features of the CPU; reserved. */
  features?: string[];
}

/**
 * Images for several platforms, or the entry point of a layout.
 *
 * @see image-index.md
 */
export interface ImageIndex {
  /** MUST be 2. */
  schemaVersion: 2;
  /** MUST be that of an image index where it is set. */
  mediaType?: string;
  /** Type of the artifact. */
  artifactType?: string;
  /** Manifests. */
  manifests: Descriptor[];
  /** Another manifest that this one refers to. */
  subject?: Descriptor;
  /** Metadata. */
  annotations?: Record<string, string>;
}

/**
 * One image: a configuration and layers.
 *
 * @see manifest.md
 */
export interface ImageManifest {
  /** MUST be 2. */
  schemaVersion: 2;
  /** MUST be that of an image manifest where it is set. */
  mediaType?: string;
  /** Type of the artifact. */
  artifactType?: string;
  /** The image's configuration. */
  config: Descriptor;
  /**
   * Layers, the base first.
   *
   * @minItems 1
   */
  layers: Descriptor[];
  /** Another manifest that this one refers to. */
  subject?: Descriptor;
  /** Metadata. */
  annotations?: Record<string, string>;
}

/**
 * Configuration of an image.
 *
 * @see config.md of the image specification
 */
export interface ImageConfiguration extends Platform {
  /** Time of creation, RFC 3339. */
  created?: string;
  /** Who made it. */
  author?: string;
  /** How a container of the image runs by default. */
  config?: ImageConfig;
  /** The layers' content. */
  rootfs: RootFS;
  /** How the layers came to be. */
  history?: History[];
}

/** How a container of an image runs by default. */
export interface ImageConfig {
  /** `user`, `uid`, `user:group`, `uid:gid`, `uid:group`, `user:gid`. */
  User?: string;
  /** Ports as `port`, `port/tcp` or `port/udp`; the values are empty objects. */
  ExposedPorts?: Record<string, Record<string, never>>;
  /** Environment as `NAME=value`. */
  Env?: string[];
  /** Arguments that stand before `Cmd`. */
  Entrypoint?: string[];
  /** Default arguments. */
  Cmd?: string[];
  /** Directories that hold data of the container's own; the values are empty objects. */
  Volumes?: Record<string, Record<string, never>>;
  /** Working directory. */
  WorkingDir?: string;
  /** Metadata. */
  Labels?: Record<string, string>;
  /** Signal that ends the container: `SIGTERM`, `SIGRTMIN+3`. */
  StopSignal?: string;
  /**
   * Whether `Entrypoint` or `Cmd` was one string, Windows.
   *
   * @deprecated The specification reserves it.
   */
  ArgsEscaped?: boolean;
}

/** The content of an image's layers. */
export interface RootFS {
  /** MUST be `layers`. */
  type: "layers";
  /** Hashes of the uncompressed layers, the base first. */
  diff_ids: Digest[];
}

/** How a layer came to be. */
export interface History {
  /** Time, RFC 3339. */
  created?: string;
  /** Command. */
  created_by?: string;
  /** Author. */
  author?: string;
  /** Message. */
  comment?: string;
  /** Whether the entry made no layer. */
  empty_layer?: boolean;
}

/**
 * The `oci-layout` file.
 *
 * @see image-layout.md#oci-layout-file
 */
export interface ImageLayout {
  /** Version of the layout: `1.0.0`. */
  imageLayoutVersion: string;
}
