import { quote, RunletError } from "@runlet/errors";
import type { Descriptor } from "@runlet/spec";
import type { HttpResponse } from "./http-client.ts";
import { refusal } from "./registry-failure.ts";

/** What is wanted of a blob. */
export interface BlobRequest {
  readonly descriptor: Descriptor;
  /** First byte wanted; less than the size, or 0. */
  readonly offsetBytes: number;
  /** What the server called the content in an earlier answer, with quotation marks. */
  readonly entityTag: string | undefined;
  /** What is being done, for messages. */
  readonly what: string;
  /** Asks for the blob where it is, whatever the answer. */
  send(headers: Readonly<Record<string, string>>): Promise<HttpResponse>;
}

/** A blob that is being read. */
export interface OpenedBlob {
  /** From the offset on; may end early. */
  readonly content: AsyncIterable<Uint8Array>;
  readonly entityTag: string | undefined;
  readonly url: URL;
}

/**
 * Asks for a blob, or for the rest of it. A server that does not know ranges, or whose content has changed, sends it all:
 * what has been read before is passed over then.
 *
 * @throws RunletError `ERR_RUNLET_REGISTRY` for an answer that is not the part of the blob that was asked for.
 * @see RFC 9110 sections 13.1.5 (If-Range), 14.2 (Range) and 14.4 (Content-Range)
 */
export async function openBlob(request: BlobRequest): Promise<OpenedBlob> {
  const { descriptor, offsetBytes, entityTag, what } = request;
  const isRest = offsetBytes > 0;
  // A weak tag says nothing of the bytes.
  const isTagged = isRest && entityTag?.startsWith('"') === true;
  const response = await request.send({
    ...(isRest ? { range: `bytes=${offsetBytes}-` } : {}),
    ...(isTagged ? { "if-range": entityTag } : {}),
  });
  if (response.status !== 200 && response.status !== 206) {
    throw await refusal(response, what, { 404: "the registry lacks a part of the image: have it pushed again" });
  }
  const sizeBytes = Number(descriptor.size);
  const startBytes = response.status === 206 ? offsetBytes : 0;
  const problem =
    encodingProblem(response) ??
    (response.status === 206 ? rangeProblem(response, { offsetBytes, sizeBytes }) : lengthProblem(response, sizeBytes));
  if (problem !== undefined) {
    response.discard();
    throw new RunletError("ERR_RUNLET_REGISTRY", `${what}: ${quote(response.url.host)} ${problem}`, {
      hint: "the registry, or a proxy on the way, is at fault: try again later, or another source",
    });
  }
  return {
    content: limit(response, { skippedBytes: offsetBytes - startBytes, remainingBytes: sizeBytes - offsetBytes, what }),
    entityTag: response.header("etag"),
    url: response.url,
  };
}

function encodingProblem(response: HttpResponse): string | undefined {
  const encoding = response.header("content-encoding") ?? "identity";
  return encoding === "identity" ? undefined : `encodes it as ${quote(encoding)}`;
}

function lengthProblem(response: HttpResponse, sizeBytes: number): string | undefined {
  const length = response.header("content-length");
  if (length === undefined || Number(length) === sizeBytes) return undefined;
  return `sends ${quote(length)} bytes; the manifest says ${sizeBytes}`;
}

function rangeProblem(
  response: HttpResponse,
  { offsetBytes, sizeBytes }: { readonly offsetBytes: number; readonly sizeBytes: number },
): string | undefined {
  const range = response.header("content-range") ?? "";
  const [, start, , total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
  const isRest = start !== undefined && Number(start) === offsetBytes && (total === "*" || Number(total) === sizeBytes);
  return isRest
    ? undefined
    : `sends the range ${quote(range)}; asked for was ${offsetBytes}-${sizeBytes - 1}/${sizeBytes}`;
}

async function* limit(
  response: HttpResponse,
  { skippedBytes, remainingBytes, what }: { skippedBytes: number; remainingBytes: number; what: string },
): AsyncGenerator<Uint8Array, void, undefined> {
  let skipBytes = skippedBytes;
  let leftBytes = remainingBytes;
  for await (const chunk of response.body) {
    const wanted = chunk.subarray(Math.min(skipBytes, chunk.length));
    skipBytes -= chunk.length - wanted.length;
    if (wanted.length > leftBytes) {
      throw new RunletError(
        "ERR_RUNLET_REGISTRY",
        `${what}: ${quote(response.url.host)} sends more bytes than the manifest says`,
      );
    }
    leftBytes -= wanted.length;
    if (wanted.length > 0) yield wanted;
  }
}
