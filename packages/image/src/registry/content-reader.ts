import { RunletError } from "@runlet/errors";
import type { OpenContent } from "../transfer.ts";

/** What a {@link ContentReader} reads. */
export interface ContentReaderOptions {
  readonly open: OpenContent;
  readonly totalBytes: number;
  /** What is being done, for messages. */
  readonly what: string;
}

/** Reads a content piece by piece, without opening it anew for a piece that follows the one before. */
export class ContentReader implements AsyncDisposable {
  readonly totalBytes: number;
  readonly #options: ContentReaderOptions;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #offsetBytes = 0;
  /** Read, but not yet given. */
  #rest: Uint8Array = new Uint8Array();

  constructor(options: ContentReaderOptions) {
    this.#options = options;
    this.totalBytes = options.totalBytes;
  }

  /**
   * A part of the content. Only the part that was asked for last may be read.
   *
   * @throws RunletError `ERR_RUNLET_IMAGE` when the content ends before {@link totalBytes}, or goes on beyond.
   */
  async *read(offsetBytes: number, lengthBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#iterator === undefined || offsetBytes !== this.#offsetBytes) await this.#reopen(offsetBytes);
    const endBytes = offsetBytes + lengthBytes;
    while (this.#offsetBytes < endBytes) {
      const chunk = await this.#next();
      if (chunk === undefined) throw this.#wrongLength();
      const part = chunk.subarray(0, endBytes - this.#offsetBytes);
      this.#rest = chunk.subarray(part.length);
      this.#offsetBytes += part.length;
      // The last bytes are held back until it is sure that none follow: with them the request is complete.
      if (this.#offsetBytes === this.totalBytes && (this.#rest.length > 0 || (await this.#next()) !== undefined)) {
        throw this.#wrongLength();
      }
      yield part;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#iterator?.return?.();
  }

  async #reopen(offsetBytes: number): Promise<void> {
    await this.#iterator?.return?.();
    this.#iterator = this.#options.open(offsetBytes)[Symbol.asyncIterator]();
    this.#offsetBytes = offsetBytes;
    this.#rest = new Uint8Array();
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) return this.#rest;
    for (;;) {
      const next = await this.#iterator?.next();
      if (next === undefined || next.done === true) return undefined;
      if (next.value.length > 0) return next.value;
    }
  }

  #wrongLength(): RunletError {
    const { what, totalBytes } = this.#options;
    return new RunletError(
      "ERR_RUNLET_IMAGE",
      `${what}: the content is not of ${totalBytes} bytes, as its descriptor says`,
    );
  }
}
