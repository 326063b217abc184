import { closeSync, read as readAt } from "node:fs";
import { errnoName, quote, RunletError } from "@runlet/errors";
import { RootDirectory } from "@runlet/rootfs";
import { fileTypes, fstat } from "@runlet/syscall";
import type { ReadOptions } from "../transfer.ts";

const chunkBytes = 256 << 10;

/** Files by path, in a directory or in an archive: what an image layout or a docker archive consists of. */
export interface FileTree extends AsyncDisposable {
  /** For messages. */
  readonly name: string;
  /** Size of a regular file; undefined if there is none. */
  sizeIfExists(path: string): number | undefined;
  /** The bytes of a file from an offset on. @throws RunletError `ERR_RUNLET_IMAGE` if there is none. */
  stream(path: string, options?: ReadOptions): AsyncIterable<Uint8Array>;
}

/**
 * Reads a small file whole.
 *
 * @returns undefined if there is none.
 * @throws RunletError `ERR_RUNLET_IMAGE` if it is larger than the limit.
 */
export async function readIfExists(tree: FileTree, path: string, limitBytes: number): Promise<Buffer | undefined> {
  const size = tree.sizeIfExists(path);
  if (size === undefined) return undefined;
  if (size > limitBytes)
    throw new RunletError(
      "ERR_RUNLET_IMAGE",
      `${quote(path)} in ${quote(tree.name)} has ${size} bytes, more than ${limitBytes}`,
    );
  const chunks: Uint8Array[] = [];
  for await (const chunk of tree.stream(path)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A file that a tree lacks. */
export function missingFile(treeName: string, path: string): RunletError {
  return new RunletError("ERR_RUNLET_IMAGE", `${quote(treeName)} has no file ${quote(path)}`, {
    hint: "it is incomplete, or of another format",
  });
}

/** A failure of the file system while an image is read. Errors that say enough pass through. */
export function readError(hostPath: string, error: unknown): unknown {
  const { errno, syscall } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || typeof errno !== "number") return error;
  return new RunletError("ERR_RUNLET_IMAGE", `cannot read ${quote(hostPath)}`, {
    syscall,
    errno: errnoName(Math.abs(errno)),
    cause: error,
  });
}

/** Reads a range of an open file, a piece at a time. */
export async function* readRange(
  fd: number,
  options: { start: number; end: number; signal?: AbortSignal | undefined },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { start, end, signal } = options;
  for (let position = start; position < end; ) {
    if (signal?.aborted === true)
      throw new RunletError("ERR_RUNLET_ABORTED", "the transfer was aborted", { cause: signal.reason });
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, end - position));
    const count = await new Promise<number>((resolve, reject) =>
      readAt(fd, buffer, 0, buffer.length, position, (error, done) => (error === null ? resolve(done) : reject(error))),
    );
    // Shorter than it was: whoever checks the size says so.
    if (count === 0) return;
    yield buffer.subarray(0, count);
    position += count;
  }
}

/** The files of a directory of the host. Links in it are followed inside of it only; what is no regular file is not there. */
export class DirectoryTree implements FileTree {
  readonly name: string;
  readonly #root: RootDirectory;

  private constructor(name: string, root: RootDirectory) {
    this.name = name;
    this.#root = root;
  }

  /** @throws RunletError `ERR_RUNLET_IMAGE` if there is no such directory. */
  static open(hostPath: string): DirectoryTree {
    try {
      return new DirectoryTree(hostPath, RootDirectory.open(hostPath));
    } catch (error) {
      throw readError(hostPath, error);
    }
  }

  sizeIfExists(path: string): number | undefined {
    const fd = this.#open(path);
    if (fd === undefined) return undefined;
    const { sizeBytes } = fstat(fd);
    closeSync(fd);
    return sizeBytes;
  }

  async *stream(path: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const fd = this.#open(path);
    if (fd === undefined) throw missingFile(this.name, path);
    try {
      yield* readRange(fd, {
        start: options.offsetBytes ?? 0,
        end: fstat(fd).sizeBytes,
        signal: options.signal,
      });
    } catch (error) {
      throw readError(`${this.name}/${path}`, error);
    } finally {
      closeSync(fd);
    }
  }

  #open(path: string): number | undefined {
    try {
      const fd = this.#root.openIfExists(path);
      if (fd === undefined || (fstat(fd).mode & fileTypes.S_IFMT) === fileTypes.S_IFREG) return fd;
      closeSync(fd);
      return undefined;
    } catch (error) {
      throw readError(`${this.name}/${path}`, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#root.close();
  }
}
