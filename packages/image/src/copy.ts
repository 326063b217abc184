import { RunletError } from "@runlet/errors";
import type { Descriptor } from "@runlet/spec";
import { checkContent, sizeOf } from "./digest.ts";
import { parseManifest } from "./manifest.ts";
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
  /** Sees each manifest of an image before its content is copied; what it throws ends the copy. */
  readonly onManifest?: ((manifest: ManifestContent) => void) | undefined;
}

/** What was copied. */
export interface CopyResult {
  /** What the reference stands for: a manifest, or an index. */
  readonly target: ManifestContent;
  /** Manifests of images that were copied: one, or those of all platforms. */
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
  const { from, to, reference, targetReference, signal, onProgress } = request;
  throwIfAborted(signal);
  const target = await from.manifest(reference, { signal });
  const { digest } = target.descriptor;
  const size = sizeOf(target.descriptor);
  onProgress?.({ step: "resolve", digest, doneBytes: size, totalBytes: size });
  const manifests = await copyTree(request, { content: target, depth: 0 });
  await to.putManifest(target, targetReference, { signal });
  return { target, manifests };
}

/** Copies what a manifest or index refers to, but not itself. @returns the manifests of images in it. */
async function copyTree(
  request: CopyRequest,
  options: { content: ManifestContent; depth: number },
): Promise<ManifestContent[]> {
  const { content, depth } = options;
  const { from, to, signal, platform = hostPlatform(), onManifest } = request;
  throwIfAborted(signal);
  await checkContent(content.descriptor, content.bytes);
  const parsed = parseManifest(content);
  if (parsed.kind === "manifest") {
    onManifest?.(content);
    const { config, layers } = parsed.manifest;
    await copyBlobs(request, [config, ...layers]);
    return [content];
  }
  if (depth >= maxIndexDepth) throw new RunletError("ERR_RUNLET_IMAGE", "an index lists indexes too deep");
  const { manifests } = parsed.index;
  const chosen = platform === "all" ? manifests : [choosePlatform({ manifests, platform, name: from.name })];
  const found: ManifestContent[] = [];
  for (const descriptor of chosen) {
    const child = await from.manifest(descriptor.digest, { signal });
    const { mediaType, digest } = descriptor;
    const announced = { bytes: child.bytes, descriptor: { mediaType, digest, size: child.bytes.length } };
    // An index may list what is no image, such as an attestation: of all platforms it is copied as it is.
    found.push(...(await copyTree(request, { content: announced, depth: depth + 1 })));
    await to.putManifest(announced, undefined, { signal });
  }
  return found;
}

/** Copies blobs, each once, a few at a time; the first failure stops the others. */
async function copyBlobs(request: CopyRequest, descriptors: readonly Descriptor[]): Promise<void> {
  const abort = new AbortController();
  const { signal } = request;
  const forward = () => abort.abort(signal?.reason);
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
  const { from, to, signal, onProgress } = request;
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
      onProgress?.({ step: "download", digest, doneBytes, totalBytes: size });
    }
  };
  await to.putBlob(descriptor, open, { signal });
  onProgress?.({ step: "download", digest, doneBytes: size, totalBytes: size });
}

/** @throws RunletError `ERR_RUNLET_ABORTED` */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new RunletError("ERR_RUNLET_ABORTED", "the transfer was aborted", { cause: signal.reason });
}
