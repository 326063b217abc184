import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Descriptor, ImageConfig, ImageConfiguration, ImageIndex, ImageManifest, Platform } from "@runlet/spec";
import { mediaTypes } from "@runlet/spec";
import { formatEnd, formatEntry, formatFilling, type WritableEntry } from "@runlet/tar";

/** An entry of a test's layer; `content` makes it a file. */
export type LayerEntry = Partial<WritableEntry> & { path: string; content?: string | Uint8Array };

/** The digest of bytes. */
export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A layer's archive, uncompressed. What is no file is a directory unless it says what it is. */
export function buildLayer(...entries: LayerEntry[]): Buffer {
  const parts = entries.map(({ content, ...entry }) => {
    const bytes = Buffer.from((content ?? "") as string);
    const type = entry.type ?? (content === undefined ? "directory" : "file");
    const header = formatEntry({
      mode: type === "directory" ? 0o755 : 0o644,
      mtime: { seconds: 1_700_000_000, nanoseconds: 0 },
      ...entry,
      type,
      ...(type === "file" ? { sizeBytes: bytes.length } : {}),
    });
    return Buffer.concat([header, bytes, formatFilling(bytes.length)]);
  });
  return Buffer.concat([...parts, formatEnd()]);
}

/** What a test's image is made of. */
export interface TestImage {
  readonly layers?: readonly Uint8Array[];
  readonly config?: ImageConfig;
  /** Replaces parts of the configuration. */
  readonly configuration?: Partial<ImageConfiguration>;
  /** Replaces parts of the manifest. */
  readonly manifest?: Partial<ImageManifest>;
  readonly platform?: Platform;
  readonly compression?: "none" | "gzip";
}

/** An image layout in the making, with nothing checked: it can be as wrong as a test needs. */
export class LayoutBuilder {
  readonly hostPath: string;
  readonly #manifests: Descriptor[] = [];

  constructor(hostPath: string) {
    this.hostPath = hostPath;
    mkdirSync(join(hostPath, "blobs/sha256"), { recursive: true });
    writeFileSync(join(hostPath, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  }

  blob(bytes: Uint8Array | string, mediaType: string): Descriptor {
    const digest = sha256(bytes);
    writeFileSync(join(this.hostPath, "blobs/sha256", digest.slice(7)), bytes);
    return { mediaType, digest, size: Buffer.byteLength(bytes) };
  }

  /** Content that was stored before. */
  read({ digest }: Descriptor): Buffer {
    return readFileSync(join(this.hostPath, "blobs/sha256", digest.slice(7)));
  }

  /** Stores an image. @returns the descriptor of its manifest. */
  image(image: TestImage = {}): Descriptor {
    const { layers = [], config = {}, configuration, manifest, compression = "gzip" } = image;
    const platform = image.platform ?? { os: "linux", architecture: "amd64" };
    const whole: ImageConfiguration = {
      ...platform,
      config,
      rootfs: { type: "layers", diff_ids: layers.map(sha256) },
      ...configuration,
    };
    const isPlain = compression === "none";
    const layerType = isPlain ? mediaTypes.imageLayer : mediaTypes.imageLayerGzip;
    const document: ImageManifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.imageManifest,
      config: this.blob(JSON.stringify(whole), mediaTypes.imageConfig),
      layers: layers.map((layer) => this.blob(isPlain ? layer : gzipSync(layer), layerType)),
      ...manifest,
    };
    return this.blob(JSON.stringify(document), mediaTypes.imageManifest);
  }

  /** Stores an index. */
  index(manifests: readonly Descriptor[]): Descriptor {
    const document: ImageIndex = { schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests: [...manifests] };
    return this.blob(JSON.stringify(document), mediaTypes.imageIndex);
  }

  /** Lists something in `index.json`. */
  list(descriptor: Descriptor, name?: string): this {
    this.#manifests.push({
      ...descriptor,
      ...(name === undefined ? {} : { annotations: { "org.opencontainers.image.ref.name": name } }),
    });
    const document = { schemaVersion: 2, manifests: this.#manifests };
    writeFileSync(join(this.hostPath, "index.json"), JSON.stringify(document));
    return this;
  }
}

/** A layout with one image, named `latest`. */
export function buildLayout(hostPath: string, image: TestImage = {}): LayoutBuilder {
  const builder = new LayoutBuilder(hostPath);
  return builder.list(builder.image(image), "latest");
}
