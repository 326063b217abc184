import { SyscallError } from "@runlet/errors";
import { calls, fail, type WriterHandle } from "./file-binding.ts";
import type { Place, Timestamp } from "./file-types.ts";

/** A new regular file, as `createFileAt` makes it. */
export interface NewFile extends Place {
  readonly bytes: Uint8Array;
  readonly mode: number;
  /** -1 for the caller's own. */
  readonly uid: number;
  /** -1 for the caller's own. */
  readonly gid: number;
  readonly mtime: Timestamp;
}

/** How a flush ended: with everything made, or at a file that could not be. */
export interface FlushResult {
  /** How many files were made since the writer was opened, in the order in which they were pushed. */
  readonly done: number;
  /** Why the next one was not; the queue stands still until it is resumed or closed. */
  readonly error: SyscallError | undefined;
}

/**
 * Makes new files on a thread of its own, in order, while the caller prepares the next ones. Files are made as by
 * `createFileAt`: none is replaced, no link followed.
 */
export class FileWriter {
  readonly #handle: WriterHandle;

  /** Starts the thread. @throws SyscallError `EAGAIN` where no more threads may be. */
  constructor() {
    const handle = calls().openFileWriter();
    if (typeof handle === "number") fail("clone", handle);
    this.#handle = handle;
  }

  /**
   * Queues a file, waiting while more than 16 MiB are queued.
   *
   * @param file - its bytes are copied; its directory's descriptor must stay open until a flush.
   * @returns false if a file before it could not be made: a flush says which and why. This one is queued nevertheless.
   * @throws SyscallError `ENOMEM`, or `EBADF` after a close.
   */
  push(file: NewFile): boolean {
    const { dirFd, path, bytes, mode, uid, gid, mtime } = file;
    const { seconds, nanoseconds } = mtime;
    const result = calls().pushFile(this.#handle, dirFd, path, bytes, mode, uid, gid, seconds, nanoseconds);
    if (result < 0) fail("write", result, path);
    return result === 0;
  }

  /** Waits until every file is made, or one cannot be. */
  flush(): FlushResult {
    const [result, done] = calls().flushFiles(this.#handle);
    return { done, error: result === 0 ? undefined : new SyscallError("openat", -result) };
  }

  /** Tries the file that could not be made again, and goes on. */
  resume(): void {
    calls().resumeFiles(this.#handle);
  }

  /** Ends the thread. Files that were not made yet are not made. */
  close(): void {
    calls().closeFileWriter(this.#handle);
  }
}
