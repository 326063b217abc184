import type { ArchiveEntry } from "./entry.ts";
import { ArchiveReader, type ArchiveReaderOptions } from "./reader.ts";

/** A piece of a file's content. */
export interface ContentPart {
  /** Where it belongs in the file. */
  readonly offset: number;
  /** A view of the source's chunk. */
  readonly bytes: Uint8Array;
}

/** An entry with its content, which is to be read before the next entry is asked for, or not at all. */
export interface ReadableEntry extends ArchiveEntry {
  /** The content's parts in order, holes left out. */
  content(): AsyncGenerator<ContentPart, void, undefined>;
  /**
   * The whole content, holes filled with zeros.
   *
   * @param limitBytes - more is a RangeError. Default 64 MiB.
   */
  readAll(limitBytes?: number): Promise<Buffer>;
}

/**
 * Reads an archive entry by entry, no faster than they are asked for.
 *
 * @param source - the (uncompressed) archive: a stream of Node's, a generator, or an array of pieces.
 * @throws RunletError `ERR_RUNLET_ARCHIVE`, and what the source throws.
 * @example
 * for await (const entry of readArchive(createReadStream("rootfs.tar"))) console.log(entry.path.toString(), entry.sizeBytes);
 */
export async function* readArchive(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ArchiveReaderOptions = {},
): AsyncGenerator<ReadableEntry, void, undefined> {
  const events = new EventQueue(source, options);
  try {
    for (;;) {
      const event = await events.next();
      if (event === undefined) return;
      // Content that was not asked for goes by.
      if (typeof event === "object" && "path" in event) yield new EntryOfQueue(event, events).readable();
    }
  } finally {
    await events.close();
  }
}

type Event = ArchiveEntry | ContentPart | "end";

/** The reader's calls, as a queue that is filled when it runs dry. */
class EventQueue {
  #queue: Event[] = [];
  #at = 0;
  #isFinished = false;
  readonly #iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  readonly #reader: ArchiveReader;

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: ArchiveReaderOptions) {
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#reader = new ArchiveReader(
      {
        entry: (entry) => void this.#queue.push(entry),
        data: (bytes, offset) => void this.#queue.push({ bytes, offset }),
        end: () => void this.#queue.push("end"),
      },
      options,
    );
  }

  async peek(): Promise<Event | undefined> {
    while (this.#at >= this.#queue.length && !this.#isFinished) {
      this.#queue = [];
      this.#at = 0;
      const { done, value } = await this.#iterator.next();
      if (done === true) {
        this.#isFinished = true;
        this.#reader.finish();
      } else this.#reader.push(value);
    }
    return this.#queue[this.#at];
  }

  async next(): Promise<Event | undefined> {
    const event = await this.peek();
    this.#at++;
    return event;
  }

  async close(): Promise<void> {
    if (!this.#isFinished) await this.#iterator.return?.();
  }
}

class EntryOfQueue {
  readonly #entry: ArchiveEntry;
  readonly #events: EventQueue;

  constructor(entry: ArchiveEntry, events: EventQueue) {
    this.#entry = entry;
    this.#events = events;
  }

  readable(): ReadableEntry {
    return {
      ...this.#entry,
      content: () => this.#content(),
      readAll: (limitBytes) => this.#readAll(limitBytes ?? 64 << 20),
    };
  }

  async *#content(): AsyncGenerator<ContentPart, void, undefined> {
    for (;;) {
      const event = await this.#events.peek();
      if (event === undefined || event === "end" || "path" in event) return;
      await this.#events.next();
      yield event;
    }
  }

  async #readAll(limitBytes: number): Promise<Buffer> {
    const { sizeBytes } = this.#entry;
    if (sizeBytes > limitBytes) throw new RangeError(`a file of ${sizeBytes} bytes, more than ${limitBytes}`);
    const whole = Buffer.alloc(sizeBytes);
    for await (const { bytes, offset } of this.#content()) whole.set(bytes, offset);
    return whole;
  }
}
