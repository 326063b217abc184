import { quote, RunletError } from "@runlet/errors";
import type { Descriptor } from "@runlet/spec";
import { acceptedManifestTypes, isForeignLayerType } from "../media-types.ts";
import type { ImageSource, ManifestContent, ReadOptions, RequestOptions } from "../transfer.ts";
import { type BlobRequest, openBlob } from "./blob-download.ts";
import { ConnectionFailure } from "./connection-failure.ts";
import { Endpoint } from "./endpoint.ts";
import { readManifestAnswer } from "./manifest-answer.ts";
import { checkReference, type RegistryOptions, type RegistrySettings, readOptions } from "./options.ts";
import { explainConnection, refusal } from "./registry-failure.ts";
import { backoffMs, pause } from "./retry.ts";

/** After so many bytes a connection that breaks off counts as a new failure, not as one more of the same. */
const progressBytes = 1024 * 1024;

/**
 * Opens a repository of a registry to read images. Nothing is asked before the first call.
 *
 * @throws RunletError `ERR_RUNLET_USAGE` for a host, a repository or a mirror that is none.
 */
export function openRegistrySource(options: RegistryOptions): ImageSource {
  return new RegistrySource(readOptions(options));
}

type Headers = Readonly<Record<string, string>>;

/** One of the places where a blob may be. */
interface Place extends Pick<BlobRequest, "send"> {
  /** For messages. */
  readonly name: string;
}

class RegistrySource implements ImageSource {
  readonly name: string;
  readonly #settings: RegistrySettings;
  /** In the order in which they are asked; the registry itself is the last. */
  readonly #endpoints: readonly Endpoint[];

  constructor(settings: RegistrySettings) {
    const { host, repository, mirrors } = settings;
    this.name = `${host}/${repository}`;
    this.#settings = settings;
    this.#endpoints = [...mirrors, { host, repository }].map((location) => new Endpoint(location, settings));
  }

  async manifest(reference = "latest", { signal }: RequestOptions = {}): Promise<ManifestContent> {
    checkReference(reference);
    return this.#askEach(async (endpoint) => {
      const what = `cannot read the manifest of ${quote(reference)} in ${quote(`${endpoint.host}/${endpoint.repository}`)}`;
      try {
        const response = await endpoint.send({
          method: "GET",
          target: `manifests/${reference}`,
          headers: { accept: acceptedManifestTypes.join(", ") },
          signal,
        });
        if (response.status === 200) return await readManifestAnswer(response, reference);
        const error = await refusal(response, what);
        if (response.status !== 404) throw error;
        throw new RunletError("ERR_RUNLET_IMAGE", error.message, { hint: error.hint, details: error.details });
      } catch (error) {
        throw explainConnection(error, what);
      }
    });
  }

  async *blob(
    descriptor: Descriptor,
    { offsetBytes = 0, signal }: ReadOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    checkReference(descriptor.digest);
    const totalBytes = Number(descriptor.size);
    const places = this.#placesOf(descriptor, signal);
    let doneBytes = offsetBytes;
    for (const [index, { name, send }] of places.entries()) {
      const what = `cannot read the blob ${descriptor.digest} of ${quote(name)}`;
      try {
        for await (const chunk of this.#download({ descriptor, offsetBytes: doneBytes, signal, what, send })) {
          doneBytes += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        const isLast = index === places.length - 1;
        if (isLast || !isOfServer(error)) throw explainConnection(error, what, "try again: what was received is kept");
      }
      if (doneBytes === totalBytes) return;
    }
  }

  /**
   * Where a blob may be: at the mirrors, at the registry, and, of a layer that registries may not distribute, where its
   * descriptor says. There it is asked for without credentials.
   *
   * @see OCI image specification, layer.md#non-distributable-layers
   */
  #placesOf({ digest, mediaType, urls = [] }: Descriptor, signal: AbortSignal | undefined): Place[] {
    const registries = this.#endpoints.map((endpoint) => ({
      name: `${endpoint.host}/${endpoint.repository}`,
      send: (headers: Headers) => endpoint.send({ method: "GET", target: `blobs/${digest}`, headers, signal }),
    }));
    const home = this.#endpoints.at(-1);
    if (home === undefined || !isForeignLayerType(mediaType)) return registries;
    const elsewhere = urls.map((url) => ({
      name: url,
      send: async (headers: Headers) =>
        home.send({ method: "GET", target: await home.resolve(url, signal), headers, signal }),
    }));
    return [...registries, ...elsewhere];
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#settings.client[Symbol.dispose]();
    return Promise.resolve();
  }

  /** Reads from one place, going on where a connection has broken off. */
  async *#download(
    request: Omit<BlobRequest, "entityTag"> & { readonly signal: AbortSignal | undefined },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { retry } = this.#settings;
    const { descriptor, offsetBytes, signal } = request;
    const totalBytes = Number(descriptor.size);
    let doneBytes = offsetBytes;
    let failedAtBytes = offsetBytes;
    let failures = 0;
    let entityTag: string | undefined;
    while (doneBytes < totalBytes || doneBytes === 0) {
      // A request is sent again where that may help: what fails nevertheless has failed often enough.
      const opened = await openBlob({ ...request, offsetBytes: doneBytes, entityTag });
      entityTag = opened.entityTag;
      try {
        for await (const chunk of opened.content) {
          doneBytes += chunk.length;
          yield chunk;
        }
        if (doneBytes < totalBytes) throw ConnectionFailure.truncated(opened.url, { doneBytes, totalBytes });
        return;
      } catch (error) {
        if (!(error instanceof ConnectionFailure && error.isTransient)) throw error;
        failures = doneBytes - failedAtBytes >= progressBytes ? 1 : failures + 1;
        failedAtBytes = doneBytes;
        if (failures >= retry.attempts) throw error;
        await pause(backoffMs(failures, retry), signal);
      }
    }
  }

  /** Asks the mirrors and then the registry, whose error counts in the end. */
  async #askEach<Result>(ask: (endpoint: Endpoint) => Promise<Result>): Promise<Result> {
    let failure: unknown;
    for (const endpoint of this.#endpoints) {
      try {
        return await ask(endpoint);
      } catch (error) {
        if (!isOfServer(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }
}

/** Whether another server may do better. */
function isOfServer(error: unknown): boolean {
  if (error instanceof ConnectionFailure) return true;
  if (!(error instanceof RunletError)) return false;
  return error.code !== "ERR_RUNLET_ABORTED" && error.code !== "ERR_RUNLET_USAGE";
}
