import { quote, RunletError } from "@runlet/errors";
import type { OpenContent } from "../transfer.ts";
import { ConnectionFailure } from "./connection-failure.ts";
import { ContentReader } from "./content-reader.ts";
import type { HttpResponse } from "./http-client.ts";
import { drainBody } from "./limited-body.ts";
import { refusal } from "./registry-failure.ts";
import { backoffMs, pause, type RetryPolicy } from "./retry.ts";
import {
  readArrived,
  startUpload,
  type UploadContext,
  type UploadOffer,
  type UploadSession,
} from "./upload-session.ts";

/** How {@link uploadBlob} goes about it. */
export interface UploadOptions extends UploadContext {
  readonly open: OpenContent;
  /** Size of the chunks; undefined: everything in one request. */
  readonly chunkBytes: number | undefined;
  /** An upload that the registry offered when it could not take the blob over from elsewhere. */
  readonly offer: UploadOffer | undefined;
  readonly retry: RetryPolicy;
  /** Whether the registry has the blob. */
  isPresent(): Promise<boolean>;
}

/**
 * Uploads a blob. The registry checks the digest. After a broken connection the upload goes on where it was if it goes in
 * chunks; otherwise it begins anew.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` when the content is not as long as the descriptor says,
 *   `ERR_RUNLET_REGISTRY` when the registry refuses; ConnectionFailure.
 */
export async function uploadBlob(options: UploadOptions): Promise<void> {
  const { open, descriptor, what, chunkBytes } = options;
  const totalBytes = Number(descriptor.size);
  await using content = new ContentReader({ open, totalBytes, what });
  if (chunkBytes !== undefined && totalBytes > chunkBytes) await uploadInChunks(options, { content, chunkBytes });
  else await uploadAtOnce(options, content);
}

async function uploadAtOnce(options: UploadOptions, content: ContentReader): Promise<void> {
  const { retry, signal, what } = options;
  let { offer } = options;
  for (let attempt = 1; ; attempt++) {
    // Asked for again where that may help: what fails nevertheless has failed often enough.
    offer ??= await startUpload(options);
    if (offer === undefined) return;
    try {
      const body = { content: content.read(0, content.totalBytes), lengthBytes: content.totalBytes };
      const response = await offer.session.finish(body);
      if (isSuccess(response)) {
        await drainBody(response);
        return;
      }
      if (!mayHelp(response.status, attempt, retry)) throw await refusal(response, what);
      await drainBody(response);
    } catch (error) {
      if (attempt >= retry.attempts || !(error instanceof ConnectionFailure && error.isTransient)) throw error;
    }
    await pause(backoffMs(attempt, retry), signal);
    // The answer may have been lost, not the content.
    if (await options.isPresent()) return;
    offer = undefined;
  }
}

async function uploadInChunks(
  options: UploadOptions,
  { content, chunkBytes }: { readonly content: ContentReader; readonly chunkBytes: number },
): Promise<void> {
  const offer = options.offer ?? (await startUpload(options));
  if (offer === undefined) return;
  const { session, leastChunkBytes } = offer;
  const lengthBytes = Math.max(chunkBytes, leastChunkBytes);
  for (let doneBytes = 0; doneBytes < content.totalBytes; ) {
    const endBytes = Math.min(doneBytes + lengthBytes, content.totalBytes);
    await sendChunk(options, { session, content, startBytes: doneBytes, endBytes });
    doneBytes = endBytes;
  }
  const response = await session.finish(undefined);
  if (!isSuccess(response)) throw await refusal(response, options.what);
  await drainBody(response);
}

/** Sends a chunk, and after a failure the part of it that has not arrived. */
async function sendChunk(
  { retry, signal, what, descriptor }: UploadOptions,
  {
    session,
    content,
    startBytes,
    endBytes,
  }: {
    readonly session: UploadSession;
    readonly content: ContentReader;
    readonly startBytes: number;
    readonly endBytes: number;
  },
): Promise<void> {
  let doneBytes = startBytes;
  for (let attempt = 1; ; attempt++) {
    try {
      const lengthBytes = endBytes - doneBytes;
      const body = { content: content.read(doneBytes, lengthBytes), lengthBytes };
      const response = await session.append(body, doneBytes);
      // An answer without a range says nothing of what has arrived; all of it, since it is a success.
      if (response.status === 202 && (readArrived(response) ?? endBytes) === endBytes) return;
      const isRetried = response.status === 202 || response.status === 416;
      if (!isRetried && !mayHelp(response.status, attempt, retry)) throw await refusal(response, what);
      await drainBody(response);
    } catch (error) {
      if (attempt >= retry.attempts || !(error instanceof ConnectionFailure && error.isTransient)) throw error;
    }
    await pause(backoffMs(attempt, retry), signal);
    const arrivedBytes = await session.measure();
    if (arrivedBytes === endBytes) return;
    const isWithin = arrivedBytes !== undefined && arrivedBytes >= startBytes && arrivedBytes < endBytes;
    if (!isWithin || attempt >= retry.attempts) {
      const arrived = arrivedBytes === undefined ? "the registry knows nothing of it" : `it has ${arrivedBytes} bytes`;
      throw new RunletError(
        "ERR_RUNLET_REGISTRY",
        `${what}: the upload of ${quote(descriptor.digest)} cannot go on at byte ${doneBytes}: ${arrived}`,
      );
    }
    doneBytes = arrivedBytes;
  }
}

/** Whether sending again may help; a token may have come to its end while the content was on its way, once. */
function mayHelp(status: number, attempt: number, { attempts }: RetryPolicy): boolean {
  if (attempt >= attempts) return false;
  return status >= 500 || status === 429 || status === 408 || (status === 401 && attempt === 1);
}

function isSuccess({ status }: HttpResponse): boolean {
  return status >= 200 && status < 300;
}
