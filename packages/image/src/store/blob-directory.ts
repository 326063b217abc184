import {
  closeSync,
  constants,
  createReadStream,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import type { Descriptor, Digest } from "@runlet/spec";
import { checkContent, createHasher, type Hasher, parseDigest, sizeOf, wrongDigest, wrongSize } from "../digest.ts";
import type { OpenContent, ReadOptions, RequestOptions } from "../transfer.ts";
import { flush, flushDirectory } from "./durable-file.ts";
import { lockPath } from "./file-lock.ts";
import { hasCode, storeError } from "./store-error.ts";

type Identity = Pick<Descriptor, "digest" | "size">;

const chunkBytes = 256 << 10;
const partialFlags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/**
 * The `blobs` directory of an image layout, and beside it what is on its way there. A file gets its name in `blobs` when
 * size and digest were found right and the content is on the disk; so what is there is whole. The file of a download that
 * broke off stays, and the next one goes on where it ended; it is also the lock that keeps two downloads of one blob apart.
 */
export class BlobDirectory {
  readonly #blobsHostPath: string;
  readonly #partialHostPath: string;

  /** @param options - both on one file system; made when they are needed. */
  constructor(options: { blobsHostPath: string; partialHostPath: string }) {
    this.#blobsHostPath = options.blobsHostPath;
    this.#partialHostPath = options.partialHostPath;
  }

  /** Where a blob lies or would lie. @throws RunletError `ERR_RUNLET_IMAGE` for what is no digest. */
  pathOf(digest: Digest): string {
    const { algorithm, hex } = parseDigest(digest);
    return join(this.#blobsHostPath, algorithm, hex);
  }

  #partialPathOf(digest: Digest): string {
    const { algorithm, hex } = parseDigest(digest);
    return join(this.#partialHostPath, `${algorithm}-${hex}`);
  }

  /** Size of a blob; undefined if there is none. */
  sizeIfExists(digest: Digest): number | undefined {
    const status = lstatSync(this.pathOf(digest), { throwIfNoEntry: false });
    return status?.isFile() === true ? status.size : undefined;
  }

  /** Whether there is a blob of this digest and size. */
  has(descriptor: Identity): boolean {
    return this.sizeIfExists(descriptor.digest) === sizeOf(descriptor);
  }

  /**
   * Stores a blob, going on where an earlier attempt ended. Waits for another process that stores the same.
   *
   * @throws RunletError `ERR_RUNLET_IMAGE` for another size or digest; `ERR_RUNLET_STORE`; and what the content throws.
   */
  async put(descriptor: Identity, open: OpenContent, options: RequestOptions = {}): Promise<void> {
    const { digest } = descriptor;
    const path = this.#partialPathOf(digest);
    const fd = await this.#lockPartial(digest, path, options.signal);
    try {
      // Whoever had the lock before may have stored it.
      if (this.has(descriptor)) {
        unlinkSync(path);
        return;
      }
      await this.#receive(fd, descriptor, open);
      await this.#accept(fd, digest, path);
    } catch (error) {
      throw storeError(`store the blob ${digest}`, error);
    } finally {
      closeSync(fd);
    }
  }

  #lockPartial(digest: Digest, path: string, signal: AbortSignal | undefined): Promise<number> {
    const open = () => {
      try {
        mkdirSync(this.#partialHostPath, { recursive: true, mode: 0o700 });
        return openSync(path, partialFlags, 0o600);
      } catch (error) {
        throw storeError(`store the blob ${digest}`, error);
      }
    };
    return lockPath(path, open, { subject: `the blob ${digest}`, signal });
  }

  async #receive(fd: number, descriptor: Identity, open: OpenContent): Promise<void> {
    const { digest } = descriptor;
    const expected = sizeOf(descriptor);
    const { algorithm } = parseDigest(digest);
    let hasher = await createHasher(algorithm);
    let done = fstatSync(fd).size;
    if (done > expected) done = 0;
    ftruncateSync(fd, done);
    hashPrefix(fd, hasher, done);
    for (let attempt = 0; ; attempt++) {
      const start = done;
      if (done < expected || start === 0) {
        for await (const chunk of open(done)) {
          if (done + chunk.length > expected) {
            ftruncateSync(fd, 0);
            throw wrongSize(digest, { expected, actual: done + chunk.length });
          }
          writeFully(fd, chunk, done);
          hasher.update(chunk);
          done += chunk.length;
        }
      }
      if (done < expected) throw wrongSize(digest, { expected, actual: done });
      const actual = hasher.digest();
      if (actual === digest) return;
      ftruncateSync(fd, 0);
      // What was there from an earlier attempt may be what is wrong.
      if (start === 0 || attempt > 0) throw wrongDigest(digest, actual);
      done = 0;
      hasher = await createHasher(algorithm);
    }
  }

  async #accept(fd: number, digest: Digest, path: string): Promise<void> {
    fchmodSync(fd, 0o644);
    await flush(fd);
    const target = this.pathOf(digest);
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    renameSync(path, target);
    await flushDirectory(dirname(target));
  }

  /**
   * Stores content of which nothing is known before it has been read.
   *
   * @returns digest and size.
   * @throws RunletError `ERR_RUNLET_STORE`; and what the content throws.
   */
  async add(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<{ digest: Digest; size: number }> {
    // A name that no digest has, and that no two processes share.
    const { randomBytes } = await import("node:crypto");
    const path = join(this.#partialHostPath, `new-${randomBytes(16).toString("hex")}`);
    let fd: number | undefined;
    try {
      mkdirSync(this.#partialHostPath, { recursive: true, mode: 0o700 });
      fd = openSync(path, partialFlags | constants.O_EXCL, 0o600);
      const hasher = await createHasher("sha256");
      let size = 0;
      for await (const chunk of content) {
        writeFully(fd, chunk, size);
        hasher.update(chunk);
        size += chunk.length;
      }
      const digest = hasher.digest();
      if (this.has({ digest, size })) unlinkSync(path);
      else await this.#accept(fd, digest, path);
      return { digest, size };
    } catch (error) {
      if (fd !== undefined) removeIfThere(path);
      throw storeError("store new content", error);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  /**
   * Reads a small blob whole, and checks it.
   *
   * @param limitBytes - a larger one is refused.
   * @throws RunletError `ERR_RUNLET_IMAGE` if there is none; `ERR_RUNLET_STORE` if it is damaged or cannot be read.
   */
  async read(digest: Digest, limitBytes: number): Promise<Buffer> {
    const size = this.sizeIfExists(digest);
    if (size === undefined) throw missingBlob(digest);
    if (size > limitBytes)
      throw new RunletError("ERR_RUNLET_IMAGE", `${digest} has ${size} bytes, more than ${limitBytes}`);
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.pathOf(digest));
    } catch (error) {
      throw storeError(`read the blob ${digest}`, error);
    }
    try {
      await checkContent({ digest, size }, bytes);
    } catch (error) {
      throw damagedBlob(digest, error);
    }
    return bytes;
  }

  /** The bytes of a blob from an offset on. @throws RunletError as {@link read}, but does not check the digest. */
  async *stream(digest: Digest, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.sizeIfExists(digest) === undefined) throw missingBlob(digest);
    const { offsetBytes: start = 0, signal } = options;
    const stream = createReadStream(this.pathOf(digest), { start, highWaterMark: chunkBytes, signal });
    try {
      for await (const chunk of stream) yield chunk as Buffer;
    } catch (error) {
      if (signal?.aborted === true)
        throw new RunletError("ERR_RUNLET_ABORTED", "the transfer was aborted", { cause: signal.reason });
      throw storeError(`read the blob ${digest}`, error);
    } finally {
      stream.destroy();
    }
  }

  /** Whether a blob still has the digest that it is called by. */
  async isIntact(digest: Digest): Promise<boolean> {
    const hasher = await createHasher(parseDigest(digest).algorithm);
    for await (const chunk of this.stream(digest)) hasher.update(chunk);
    return hasher.digest() === digest;
  }

  /** Removes a blob; none is fine. */
  remove(digest: Digest): void {
    try {
      removeIfThere(this.pathOf(digest));
    } catch (error) {
      throw storeError(`remove the blob ${digest}`, error);
    }
  }
}

/** Content that is not there. */
export function missingBlob(digest: Digest): RunletError {
  return new RunletError("ERR_RUNLET_IMAGE", `there is no content ${digest}`, { hint: "pull the image again" });
}

/** Content of the store that has changed since it was stored. */
export function damagedBlob(digest: Digest, cause: unknown): RunletError {
  return new RunletError("ERR_RUNLET_STORE", `the content of ${quote(digest)} in the store is damaged`, {
    hint: "check the disk; then pull the image again",
    details: { digest },
    cause,
  });
}

function removeIfThere(hostPath: string): void {
  try {
    unlinkSync(hostPath);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
  }
}

function hashPrefix(fd: number, hasher: Hasher, lengthBytes: number): void {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (let done = 0; done < lengthBytes; ) {
    const count = readSync(fd, buffer, 0, Math.min(chunkBytes, lengthBytes - done), done);
    if (count === 0) throw new Error("a file became shorter while it was locked");
    hasher.update(buffer.subarray(0, count));
    done += count;
  }
}

function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}
