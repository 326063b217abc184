import { closeSync, constants, ftruncateSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { quote } from "@runlet/errors";
import { formatEnd, formatEntry, formatFilling } from "@runlet/tar";
import { flush, flushDirectory } from "../store/durable-file.ts";
import { storeError } from "../store/store-error.ts";

/**
 * A tar archive of plain files in the making. It has a name of its own until it is finished; entries are written one after
 * the other, whoever asks.
 */
export class ArchiveWriter {
  readonly #hostPath: string;
  readonly #temporaryHostPath: string;
  #fd: number;
  #position = 0;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(hostPath: string, options: { temporaryHostPath: string; fd: number }) {
    this.#hostPath = hostPath;
    this.#temporaryHostPath = options.temporaryHostPath;
    this.#fd = options.fd;
  }

  /** @param hostPath - of the archive; what is there is replaced at the end. @throws RunletError `ERR_RUNLET_STORE` */
  static async create(hostPath: string): Promise<ArchiveWriter> {
    const { randomBytes } = await import("node:crypto");
    const temporaryHostPath = join(dirname(hostPath), `.${basename(hostPath)}.${randomBytes(6).toString("hex")}`);
    try {
      const fd = openSync(temporaryHostPath, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o644);
      return new ArchiveWriter(hostPath, { temporaryHostPath, fd });
    } catch (error) {
      throw storeError(`write the archive ${quote(hostPath)}`, error);
    }
  }

  /**
   * Adds a file. If its content fails, the archive is as it was before.
   *
   * @param content - exactly `sizeBytes`.
   * @throws RunletError `ERR_RUNLET_STORE`; and what the content throws.
   */
  async add(path: string, sizeBytes: number, content: AsyncIterable<Uint8Array>): Promise<void> {
    const added = this.#last.then(() => this.#write(path, sizeBytes, content));
    this.#last = added.catch(() => {});
    await added;
  }

  /** {@link add} of bytes. */
  async addBytes(path: string, bytes: Uint8Array | string): Promise<void> {
    const content = Buffer.from(bytes as string);
    await this.add(path, content.length, single(content));
  }

  async #write(path: string, sizeBytes: number, content: AsyncIterable<Uint8Array>): Promise<void> {
    const start = this.#position;
    try {
      // Nobody's, and as old as Unix: the same images give the same archive.
      this.#append(formatEntry({ type: "file", path, mode: 0o644, sizeBytes }));
      const first = this.#position;
      for await (const chunk of content) this.#append(chunk);
      if (this.#position - first !== sizeBytes) throw new Error("content of another size than was said");
      this.#append(formatFilling(sizeBytes));
    } catch (error) {
      this.#position = start;
      ftruncateSync(this.#fd, start);
      throw storeError(`write the archive ${quote(this.#hostPath)}`, error);
    }
  }

  #append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#position + done);
    this.#position += bytes.length;
  }

  /** Ends the archive and gives it its name. @throws RunletError `ERR_RUNLET_STORE` */
  async finish(): Promise<void> {
    await this.#last;
    try {
      this.#append(formatEnd());
      await flush(this.#fd);
      renameSync(this.#temporaryHostPath, this.#hostPath);
      this.#close();
      await flushDirectory(dirname(this.#hostPath));
    } catch (error) {
      throw storeError(`write the archive ${quote(this.#hostPath)}`, error);
    }
  }

  /** Drops an archive that was not finished. */
  async discard(): Promise<void> {
    await this.#last;
    if (this.#fd < 0) return;
    this.#close();
    rmSync(this.#temporaryHostPath, { force: true });
  }

  #close(): void {
    closeSync(this.#fd);
    this.#fd = -1;
  }
}

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
