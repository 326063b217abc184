import { isRunletError, quote, RunletError } from "@runlet/errors";
import type { Descriptor } from "@runlet/spec";
import { acceptedManifestTypes, isForeignLayerType, isIndexType, isManifestType } from "../media-types.ts";
import type { ImageTarget, ManifestContent, OpenContent, RequestOptions } from "../transfer.ts";
import { uploadBlob } from "./blob-upload.ts";
import { Endpoint } from "./endpoint.ts";
import { drainBody } from "./limited-body.ts";
import {
  checkReference,
  checkRepository,
  type RegistryOptions,
  type RegistrySettings,
  readOptions,
} from "./options.ts";
import { explainConnection, refusal } from "./registry-failure.ts";
import { startUpload, type UploadContext, type UploadOffer } from "./upload-session.ts";

/** How images are written to a registry. */
export interface RegistryTargetOptions extends Omit<RegistryOptions, "mirrors"> {
  /** Repositories of the same registry that may have blobs already: those are taken over instead of being sent. */
  readonly mountFrom?: readonly string[] | undefined;
  /**
   * Sends blobs in chunks of that size in bytes, at least 1, so that a broken upload goes on where it was. Default: each blob
   * in one request, which all registries understand.
   */
  readonly uploadChunkBytes?: number | undefined;
}

/**
 * Opens a repository of a registry to write images. Nothing is asked before the first call.
 *
 * @throws RunletError `ERR_RUNLET_USAGE` for a host or a repository that is none, and for chunks of nothing.
 */
export function openRegistryTarget(options: RegistryTargetOptions): ImageTarget {
  const { uploadChunkBytes = 1 } = options;
  if (!Number.isSafeInteger(uploadChunkBytes) || uploadChunkBytes < 1)
    throw new RunletError("ERR_RUNLET_USAGE", `a blob cannot be sent in chunks of ${uploadChunkBytes} bytes`);
  for (const repository of options.mountFrom ?? []) checkRepository(repository);
  return new RegistryTarget(options);
}

class RegistryTarget implements ImageTarget {
  readonly name: string;
  readonly #options: RegistryTargetOptions;
  readonly #settings: RegistrySettings;
  readonly #endpoint: Endpoint;
  readonly #scopes: readonly string[];
  /** Uploads that the registry offered when it was asked to take a blob over, by digest. */
  readonly #offers = new Map<string, UploadOffer>();

  constructor(options: RegistryTargetOptions) {
    const { host, repository } = options;
    this.name = `${host}/${repository}`;
    this.#options = options;
    this.#settings = readOptions(options);
    this.#endpoint = new Endpoint({ host, repository }, this.#settings);
    this.#scopes = [this.#endpoint.scope("pull,push")];
  }

  /**
   * Whether the repository has a content; takes it over from another repository if it can. A layer that registries may not
   * distribute is never sent: its descriptor says where it is.
   *
   * @see OCI image specification, layer.md#non-distributable-layers
   */
  async has(descriptor: Descriptor, { signal }: RequestOptions = {}): Promise<boolean> {
    checkReference(descriptor.digest);
    if (isForeignLayerType(descriptor.mediaType) && (descriptor.urls ?? []).length > 0) return true;
    const what = `cannot look for ${descriptor.digest} in ${quote(this.name)}`;
    const context = this.#context({ descriptor, signal, what });
    return this.#explain(what, async () => {
      if (await this.#isPresent(context)) return true;
      if (isStoredAsManifest(descriptor)) return false;
      for (const repository of this.#options.mountFrom ?? []) {
        if (repository !== this.#endpoint.repository && (await this.#takeOver(context, repository))) return true;
      }
      return false;
    });
  }

  async putBlob(descriptor: Descriptor, open: OpenContent, { signal }: RequestOptions = {}): Promise<void> {
    checkReference(descriptor.digest);
    const what = `cannot write the blob ${descriptor.digest} to ${quote(this.name)}`;
    const context = this.#context({ descriptor, signal, what });
    const offer = this.#offers.get(descriptor.digest);
    this.#offers.delete(descriptor.digest);
    await this.#explain(what, () =>
      uploadBlob({
        ...context,
        open,
        chunkBytes: this.#options.uploadChunkBytes,
        offer,
        retry: this.#settings.retry,
        isPresent: () => this.#isPresent(context),
      }),
    );
  }

  async putManifest(manifest: ManifestContent, reference?: string, { signal }: RequestOptions = {}): Promise<void> {
    const { descriptor, bytes } = manifest;
    const name = reference ?? descriptor.digest;
    checkReference(name);
    const what = `cannot write the manifest of ${quote(name)} to ${quote(this.name)}`;
    await this.#explain(what, async () => {
      const response = await this.#endpoint.send({
        method: "PUT",
        target: `manifests/${name}`,
        headers: { "content-type": descriptor.mediaType },
        body: bytes,
        scopes: this.#scopes,
        signal,
      });
      if (response.status < 200 || response.status >= 300) throw await refusal(response, what);
      const stored = response.header("docker-content-digest");
      await drainBody(response);
      if (stored !== undefined && stored !== descriptor.digest && sameAlgorithm(stored, descriptor.digest)) {
        const problem = `the registry has stored it as ${quote(stored)}, not as ${descriptor.digest}`;
        throw new RunletError("ERR_RUNLET_REGISTRY", `${what}: ${problem}`);
      }
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#settings.client[Symbol.dispose]();
    return Promise.resolve();
  }

  /** @returns whether the registry has taken the blob over. One that does not want to may take the blob itself. */
  async #takeOver(context: UploadContext, repository: string): Promise<boolean> {
    try {
      const offer = await startUpload(context, repository);
      if (offer === undefined) return true;
      this.#offers.set(context.descriptor.digest, offer);
    } catch (error) {
      if (!isRunletError(error) || error.code !== "ERR_RUNLET_REGISTRY") throw error;
    }
    return false;
  }

  #context(part: Pick<UploadContext, "descriptor" | "signal" | "what">): UploadContext {
    return { ...part, endpoint: this.#endpoint, scopes: this.#scopes };
  }

  async #isPresent({ descriptor, signal, what }: UploadContext): Promise<boolean> {
    const { digest } = descriptor;
    const isManifest = isStoredAsManifest(descriptor);
    const response = await this.#endpoint.send({
      method: "HEAD",
      target: `${isManifest ? "manifests" : "blobs"}/${digest}`,
      headers: isManifest ? { accept: acceptedManifestTypes.join(", ") } : {},
      scopes: this.#scopes,
      signal,
    });
    if (response.status !== 200 && response.status !== 404) throw await refusal(response, what);
    await drainBody(response);
    return response.status === 200;
  }

  async #explain<Result>(what: string, action: () => Promise<Result>): Promise<Result> {
    try {
      return await action();
    } catch (error) {
      throw explainConnection(error, what);
    }
  }
}

function sameAlgorithm(left: string, right: string): boolean {
  return left.split(":", 1)[0] === right.split(":", 1)[0];
}

/** A registry keeps manifests apart from all other content. */
function isStoredAsManifest({ mediaType }: Descriptor): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType);
}
