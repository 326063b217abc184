import { quote, RunletError } from "@runlet/errors";
import { ConnectionFailure } from "./connection-failure.ts";
import type { HttpResponse } from "./http-client.ts";

/**
 * Reads a whole body into memory.
 *
 * @param limitBytes - the most that is taken.
 * @param what - what it is, for the message.
 * @throws RunletError `ERR_RUNLET_REGISTRY` beyond the limit, {@link ConnectionFailure} when it breaks off.
 */
export async function readBody(
  response: HttpResponse,
  { limitBytes, what }: { readonly limitBytes: number; readonly what: string },
): Promise<Uint8Array> {
  const announcedBytes = Number(response.header("content-length") ?? Number.NaN);
  const tooLong = () =>
    new RunletError("ERR_RUNLET_REGISTRY", `${what} of ${quote(response.url.host)} is longer than ${limitBytes} bytes`);
  if (announcedBytes > limitBytes) {
    response.discard();
    throw tooLong();
  }
  const chunks: Uint8Array[] = [];
  let doneBytes = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk);
    doneBytes += chunk.length;
    if (doneBytes > limitBytes) throw tooLong();
  }
  if (doneBytes < announcedBytes) {
    throw ConnectionFailure.truncated(response.url, { doneBytes, totalBytes: announcedBytes });
  }
  const bytes = new Uint8Array(doneBytes);
  let offsetBytes = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offsetBytes);
    offsetBytes += chunk.length;
  }
  return bytes;
}

/** The most that is read of a body only to keep its connection. */
const drainLimitBytes = 64 * 1024;

/** Reads a body that nobody wants, so that its connection can be used again; a long one is given up. */
export async function drainBody(response: HttpResponse): Promise<void> {
  try {
    await readBody(response, { limitBytes: drainLimitBytes, what: "an answer" });
  } catch {
    response.discard();
  }
}
