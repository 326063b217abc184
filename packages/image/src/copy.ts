import { RunletError } from "@runlet/errors";
import type { Descriptor, Digest } from "@runlet/spec";
import { checkContent, sizeOf } from "./digest.ts";
import { type ParsedManifest, parseManifest } from "./manifest.ts";
import { toOciManifest } from "./oci-manifest.ts";
import { choosePlatform, hostPlatform } from "./platform.ts";
import type { CopyOptions, ImageSource, ImageTarget, ManifestContent, OpenContent } from "./transfer.ts";

/** What is copied where. */
export interface CopyRequest extends CopyOptions {
  readonly from: ImageSource;
  readonly to: ImageTarget;
  /** Tag or digest that the source knows; default: its only image. */
  readonly reference?: string | undefined;
  /** What the target calls it; without a tag it is stored by its digest alone. */
  readonly targetReference?: string | undefined;
  /**
   * Whether the index that a platform was chosen from is copied too, though it refers to what is not. A store wants that, so
   * that an image keeps its digest; a registry refuses it. Default false: the image of the platform is what is copied.
   */
  readonly keepsIndex?: boolean | undefined;
  /** What reading and writing a blob is called in progress. Default "download". */
  readonly step?: "download" | "upload" | undefined;
  /** Sees each manifest of an image before its content is copied; what it throws ends the copy. */
  readonly onManifest?: ((manifest: ManifestContent) => void) | undefined;
}

/** What was copied, as the target has it: a manifest that was converted has another digest than at the source. */
export interface CopyResult {
  /** What got the name: a manifest, or an index. */
  readonly target: ManifestContent;
  /** Manifests of images: one, or those of all platforms. */
  readonly manifests: readonly ManifestContent[];
}

/** As many as registries serve one client well. */
const parallelBlobs = 4;
/** An index may list indexes; deeper than this nobody nests them. */
const maxIndexDepth = 4;

/**
 * Copies an image: blobs first, several at once, then the manifests that refer to them, so that what the target lists is
 * there at any moment. What the target has is not read.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` if there is no such image, none for the platform, or it is damaged;
 *   `ERR_RUNLET_ABORTED`; and what source and target throw.
 */
export async function copyImage(request: CopyRequest): Promise<CopyResult> {
  const { from, reference, targetReference, signal, onProgress, platform, keepsIndex } = request;
  throwIfAborted(signal);
  const found = await from.manifest(reference, { signal });
  const { digest } = found.descriptor;
  const size = sizeOf(found.descriptor);
  onProgress?.({ step: "resolve", digest, doneBytes: size, totalBytes: size });
  const writer = new ManifestWriter(request);
  if (platform === "all")
    return await copyTree(request, { writer, content: found, depth: 0, reference: targetReference });
  const { image, indexes } = await chooseImage(request, found);
  await copyContent(request, image);
  const [outermost, ...inner] = keepsIndex === true ? indexes : [];
  if (outermost === undefined) {
    const target = await writer.write(image, targetReference);
    return { target, manifests: [target] };
  }
  const manifest = await writer.write(image);
  for (const index of inner.toReversed()) await writer.write(index);
  return { target: await writer.write(outermost, targetReference), manifests: [manifest] };
}

/** Writes the manifests of one copy, in the types that the target takes: what an index lists before the index. */
class ManifestWriter {
  readonly #request: CopyRequest;
  /** What was written, by the digest that it has at the source. */
  readonly #written = new Map<Digest, Descriptor>();

  constructor(request: CopyRequest) {
    this.#request = request;
  }

  /** Whether a manifest or index of this digest, which it has at the source, was written. */
  has(digest: Digest): boolean {
    return this.#written.has(digest);
  }

  /** @returns what was written. */
  async write(content: ManifestContent, reference?: string): Promise<ManifestContent> {
    const { to, signal } = this.#request;
    const written = to.isOciOnly === true ? await toOciManifest(content, this.#written) : content;
    this.#written.set(content.descriptor.digest, written.descriptor);
    await to.putManifest(written, reference, { signal });
    return written;
  }
}

/** Goes from what was found to the image of the platform, through the indexes on the way. */
async function chooseImage(
  request: CopyRequest,
  found: ManifestContent,
): Promise<{ image: ManifestContent; indexes: readonly ManifestContent[] }> {
  const { from, platform, signal } = request;
  const wanted = platform === undefined || platform === "all" ? hostPlatform() : platform;
  const indexes: ManifestContent[] = [];
  for (let content = found; ; ) {
    throwIfAborted(signal);
    const parsed = await parseChecked(content);
    if (parsed.kind === "manifest") return { image: content, indexes };
    if (indexes.push(content) > maxIndexDepth) throw tooDeep();
    const { manifests } = parsed.index;
    content = await readChild(request, choosePlatform({ manifests, platform: wanted, name: from.name }));
  }
}

/** Copies a manifest or index with all that it refers to. */
async function copyTree(
  request: CopyRequest,
  options: { writer: ManifestWriter; content: ManifestContent; depth: number; reference?: string | undefined },
): Promise<CopyResult> {
  const { writer, content, depth, reference } = options;
  throwIfAborted(request.signal);
  const parsed = await parseChecked(content);
  if (parsed.kind === "manifest") {
    await copyContent(request, content);
    const target = await writer.write(content, reference);
    return { target, manifests: [target] };
  }
  if (depth >= maxIndexDepth) throw tooDeep();
  const manifests: ManifestContent[] = [];
  for (const descriptor of parsed.index.manifests) {
    // Each index that lists another one many times would multiply the work.
    if (writer.has(descriptor.digest)) continue;
    const child = await readChild(request, descriptor);
    // An index may list what is no image, such as an attestation: it is copied as it is.
    const copied = await copyTree(request, { writer, content: child, depth: depth + 1 });
    manifests.push(...copied.manifests);
  }
  return { target: await writer.write(content, reference), manifests };
}

async function parseChecked(content: ManifestContent): Promise<ParsedManifest> {
  await checkContent(content.descriptor, content.bytes);
  return parseManifest(content);
}

/** Reads what an index lists; digest and type are those that the index says. */
async function readChild({ from, signal }: CopyRequest, listed: Descriptor): Promise<ManifestContent> {
  const { mediaType, digest } = listed;
  const { bytes } = await from.manifest(digest, { signal });
  return { bytes, descriptor: { mediaType, digest, size: bytes.length } };
}

/** Copies what an image consists of, besides its manifest. */
async function copyContent(request: CopyRequest, content: ManifestContent): Promise<void> {
  const parsed = parseManifest(content);
  if (parsed.kind !== "manifest") throw new Error("an index has no content");
  request.onManifest?.(content);
  const { config, layers } = parsed.manifest;
  await copyBlobs(request, [config, ...layers]);
}

function tooDeep(): RunletError {
  return new RunletError("ERR_RUNLET_IMAGE", "an index lists indexes too deep");
}

/** Copies blobs, each once, a few at a time; the first failure stops the others. */
async function copyBlobs(request: CopyRequest, descriptors: readonly Descriptor[]): Promise<void> {
  const abort = new AbortController();
  const { signal } = request;
  const forward = () => abort.abort(signal?.reason);
  if (signal?.aborted === true) forward();
  signal?.addEventListener("abort", forward, { once: true });
  const queue = [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()];
  const failures: unknown[] = [];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      try {
        await copyBlob({ ...request, signal: abort.signal }, next);
      } catch (error) {
        failures.push(error);
        queue.length = 0;
        abort.abort(error);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: parallelBlobs }, work));
  } finally {
    signal?.removeEventListener("abort", forward);
  }
  throwIfAborted(signal);
  if (failures.length > 0) throw failures[0];
}

async function copyBlob(request: CopyRequest, descriptor: Descriptor): Promise<void> {
  const { from, to, signal, onProgress, step = "download" } = request;
  const { digest } = descriptor;
  const size = sizeOf(descriptor);
  throwIfAborted(signal);
  if (await to.has(descriptor, { signal })) {
    onProgress?.({ step: "present", digest, doneBytes: size, totalBytes: size });
    return;
  }
  const open: OpenContent = async function* (offsetBytes) {
    let doneBytes = offsetBytes;
    for await (const chunk of from.blob(descriptor, { offsetBytes, signal })) {
      throwIfAborted(signal);
      yield chunk;
      doneBytes += chunk.length;
      onProgress?.({ step, digest, doneBytes, totalBytes: size });
    }
  };
  await to.putBlob(descriptor, open, { signal });
  onProgress?.({ step, digest, doneBytes: size, totalBytes: size });
}

/** @throws RunletError `ERR_RUNLET_ABORTED` */
function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new RunletError("ERR_RUNLET_ABORTED", "the transfer was aborted", { cause: signal.reason });
}
