import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type ImageConfiguration, type ImageManifest, mediaTypes } from "@runlet/spec";
import { type WritableEntry, writeArchive } from "@runlet/tar";

/** What a layer holds. */
export interface LayerShape {
  /** For people. */
  readonly title: string;
  readonly files: number;
  /** Size of each file is between none and twice this. */
  readonly meanBytes: number;
}

/** A layer that everybody unpacks. */
export interface BenchLayer {
  readonly shape: LayerShape;
  /** The archive, not compressed: the time is that of making files. */
  readonly archivePath: string;
  /** An image layout with that one layer, whose tag is `latest`. */
  readonly layoutPath: string;
  readonly totalBytes: number;
}

const filesInDirectory = 40;

/** Makes a layer and an image layout of it; the same shape gives the same bytes. */
export async function makeLayer(directory: string, shape: LayerShape): Promise<BenchLayer> {
  const layoutPath = join(directory, `layout-${shape.files}`);
  const blobs = join(layoutPath, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const unnamed = join(layoutPath, "layer");
  const fd = openSync(unnamed, "w");
  const hash = createHash("sha256");
  let size = 0;
  for await (const bytes of writeArchive(entriesOf(shape))) {
    hash.update(bytes);
    size += bytes.length;
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  }
  closeSync(fd);
  const digest = hash.digest("hex");
  const archivePath = join(blobs, digest);
  renameSync(unnamed, archivePath);
  const layer = { mediaType: mediaTypes.imageLayer, digest: `sha256:${digest}`, size };
  const put = (mediaType: string, value: unknown) => {
    const text = JSON.stringify(value);
    const hex = createHash("sha256").update(text).digest("hex");
    writeFileSync(join(blobs, hex), text);
    return { mediaType, digest: `sha256:${hex}`, size: text.length };
  };
  const configuration: ImageConfiguration = {
    os: "linux",
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    config: {},
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  };
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    config: put(mediaTypes.imageConfig, configuration),
    layers: [layer],
  };
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  const target = { ...put(mediaTypes.imageManifest, manifest), annotations };
  writeFileSync(join(layoutPath, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [target] }));
  writeFileSync(join(layoutPath, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  return { shape, archivePath, layoutPath, totalBytes: size };
}

function* entriesOf({ files, meanBytes }: LayerShape): Generator<{ entry: WritableEntry; content: Uint8Array[] }> {
  const mtime = { seconds: 1_700_000_000, nanoseconds: 0 };
  const next = randomNumbers();
  const source = Buffer.alloc(1 << 20);
  for (let offset = 0; offset < source.length; offset += 4) source.writeUInt32LE(next(), offset);
  for (let index = 0; index < files; index++) {
    const parent = `usr/share/package-${Math.floor(index / filesInDirectory)}`;
    if (index % filesInDirectory === 0) {
      yield { entry: { type: "directory", path: parent, mode: 0o755, mtime }, content: [] };
    }
    const sizeBytes = next() % (2 * meanBytes);
    const content: Uint8Array[] = [];
    for (let left = sizeBytes; left > 0; left -= source.length)
      content.push(source.subarray(0, Math.min(left, source.length)));
    yield { entry: { type: "file", path: `${parent}/file-${index}`, mode: 0o644, mtime, sizeBytes }, content };
  }
}

/** The same numbers of 32 bits each time. (Marsaglia's xorshift) */
function randomNumbers(): () => number {
  let state = 0x2545f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
