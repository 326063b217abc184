import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ImageStore } from "@runlet/image";
import { type ImageConfig, type ImageConfiguration, type ImageManifest, mediaTypes } from "@runlet/spec";
import { type WritableEntry, writeArchive } from "@runlet/tar";
import { probePath } from "./programs.ts";

/** A file of an image: text, or what its archive entry says beside `path`. */
type ImageFile = string | (Partial<WritableEntry> & { readonly content?: Uint8Array });

/** One layer: files by path; a path that ends with a slash is a directory, one before whose name stands `.wh.` a removal. */
export type ImageLayerFiles = Readonly<Record<string, ImageFile>>;

/** An image that tests run. */
export interface TestImage {
  readonly name: string;
  /** The base first; the probe is in the first. */
  readonly layers?: readonly ImageLayerFiles[];
  readonly config?: ImageConfig;
}

/** Read before a test becomes somebody who may not. */
const probeContent = readFileSync(probePath);

const mtime = { seconds: 1_000_000_000, nanoseconds: 0 };

/** Puts an image into a store: by the store's own interface, without any tool. */
export async function addImage(store: ImageStore, image: TestImage): Promise<ImageManifest> {
  const files = image.layers ?? [{}];
  const layers: ImageManifest["layers"] = [];
  const diffIds: string[] = [];
  for (const [index, layer] of files.entries()) {
    const probe: ImageLayerFiles = index === 0 ? { probe: { mode: 0o755, content: probeContent } } : {};
    const archive = await archiveOf({ ...probe, ...layer });
    diffIds.push(`sha256:${createHash("sha256").update(archive).digest("hex")}`);
    layers.push(await store.addBlob({ mediaType: mediaTypes.imageLayer, content: once(archive) }));
  }
  const configuration: ImageConfiguration = {
    os: "linux",
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    config: { Entrypoint: ["/probe"], ...image.config },
    rootfs: { type: "layers", diff_ids: diffIds },
  };
  const config = await store.addBlob({
    mediaType: mediaTypes.imageConfig,
    content: once(Buffer.from(JSON.stringify(configuration))),
  });
  const manifest: ImageManifest = { schemaVersion: 2, mediaType: mediaTypes.imageManifest, config, layers };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const descriptor = { mediaType: mediaTypes.imageManifest, digest, size: bytes.length };
  await store.putManifest({ descriptor, bytes }, image.name);
  return manifest;
}

async function archiveOf(files: ImageLayerFiles): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const entries = Object.entries(files).map(([path, file]) => {
    const { content, ...given } = typeof file === "string" ? { content: Buffer.from(file) } : file;
    const isDirectory = path.endsWith("/");
    const entry: WritableEntry = {
      path,
      type: isDirectory ? "directory" : "file",
      mode: isDirectory ? 0o755 : 0o644,
      mtime,
      ...given,
      sizeBytes: isDirectory ? 0 : (content?.length ?? 0),
    };
    return { entry, content: isDirectory || content === undefined ? [] : [content] };
  });
  for await (const part of writeArchive(entries)) parts.push(part);
  return Buffer.concat(parts);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

/** A store in a directory of the suite's, with images. */
export async function openTestStore(hostPath: string, ...images: readonly TestImage[]): Promise<ImageStore> {
  const store = await ImageStore.open({ hostPath });
  for (const image of images) await addImage(store, image);
  return store;
}
