import { quote, RunletError } from "@runlet/errors";
import type { Descriptor } from "@runlet/spec";
import type { Endpoint, EndpointRequest } from "./endpoint.ts";
import type { HttpResponse } from "./http-client.ts";
import { drainBody } from "./limited-body.ts";
import { resolveLocation } from "./redirect.ts";
import { refusal } from "./registry-failure.ts";

/** What is uploaded, and on whose behalf. */
export interface UploadContext {
  readonly endpoint: Endpoint;
  readonly descriptor: Descriptor;
  readonly scopes: readonly string[];
  readonly signal: AbortSignal | undefined;
  /** What is being done, for messages. */
  readonly what: string;
}

/** What a registry offers for an upload. */
export interface UploadOffer {
  readonly session: UploadSession;
  /** The smallest chunk that the registry takes, but for the last; 1 where it says nothing. */
  readonly leastChunkBytes: number;
}

/**
 * Asks for an upload.
 *
 * @param mountFrom - repository of the same registry from which the blob may be taken over.
 * @returns undefined where the blob has been taken over, so that there is nothing to send.
 */
export async function startUpload(context: UploadContext, mountFrom?: string): Promise<UploadOffer | undefined> {
  const { endpoint, descriptor, what, signal } = context;
  const mount = mountFrom === undefined ? "" : `?${new URLSearchParams({ mount: descriptor.digest, from: mountFrom })}`;
  const scopes = mountFrom === undefined ? context.scopes : [...context.scopes, endpoint.scope("pull", mountFrom)];
  const response = await endpoint.send({ method: "POST", target: `blobs/uploads/${mount}`, scopes, signal });
  if (response.status === 201) {
    await drainBody(response);
    return undefined;
  }
  if (response.status !== 202) throw await refusal(response, what);
  const least = Number(response.header("oci-chunk-min-length") ?? 1);
  const location = await takeLocation(response, context);
  if (location === undefined) {
    throw new RunletError("ERR_RUNLET_REGISTRY", `${what}: ${quote(response.url.host)} names no place to upload to`);
  }
  return {
    session: new UploadSession(context, location),
    leastChunkBytes: Number.isSafeInteger(least) && least > 0 ? least : 1,
  };
}

/** An upload that has begun: where its bytes go, which changes with every answer. */
export class UploadSession {
  readonly #context: UploadContext;
  #location: URL;

  constructor(context: UploadContext, location: URL) {
    this.#context = context;
    this.#location = location;
  }

  /** Sends everything at once, or, without a body, ends an upload in chunks. */
  async finish(body: EndpointRequest["body"]): Promise<HttpResponse> {
    const url = new URL(this.#location);
    // Added by hand: what stands there already is the registry's, and is to stay byte for byte as it is.
    const digest = `digest=${encodeURIComponent(this.#context.descriptor.digest)}`;
    url.search = url.search === "" ? digest : `${url.search}&${digest}`;
    return this.#send({ method: "PUT", target: url, body: body ?? new Uint8Array(), headers: octets });
  }

  /**
   * Sends a chunk.
   *
   * @returns the answer; after 202 the next chunk goes to the place that it names.
   */
  async append(
    body: { readonly content: AsyncIterable<Uint8Array>; readonly lengthBytes: number },
    startBytes: number,
  ): Promise<HttpResponse> {
    const response = await this.#send({
      method: "PATCH",
      target: this.#location,
      body,
      headers: { ...octets, "content-range": `${startBytes}-${startBytes + body.lengthBytes - 1}` },
    });
    if (response.status === 202) await this.#move(response);
    return response;
  }

  /**
   * Asks how much has arrived.
   *
   * @returns bytes; undefined where the upload is gone.
   */
  async measure(): Promise<number | undefined> {
    const { endpoint, scopes, signal } = this.#context;
    const response = await endpoint.send({ method: "GET", target: this.#location, scopes, signal });
    if (response.status !== 204 && response.status !== 202) {
      await drainBody(response);
      return undefined;
    }
    const arrivedBytes = readArrived(response);
    await this.#move(response);
    return arrivedBytes;
  }

  async #move(response: HttpResponse): Promise<void> {
    this.#location = (await takeLocation(response, this.#context)) ?? this.#location;
  }

  /** Once only: whether a body arrived before the connection broke off is for the caller to find out. */
  #send(request: Omit<EndpointRequest, "scopes" | "signal" | "isSentOnce">): Promise<HttpResponse> {
    const { endpoint, scopes, signal } = this.#context;
    return endpoint.send({ ...request, scopes, signal, isSentOnce: true });
  }
}

const octets = { "content-type": "application/octet-stream" };

/** How much of an upload the registry has: `Range: 0-N` names the last byte, and `0-0` also stands for nothing. */
export function readArrived(response: HttpResponse): number | undefined {
  const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(response.header("range") ?? "") ?? [];
  if (last === undefined) return undefined;
  return last === "0" ? 0 : Number(last) + 1;
}

async function takeLocation(response: HttpResponse, { endpoint }: UploadContext): Promise<URL | undefined> {
  const location = response.header("location");
  await drainBody(response);
  return location === undefined ? undefined : resolveLocation(location, response.url, endpoint.plainHttpHosts);
}
