import { errno, SyscallError } from "@runlet/errors";
import { calls, fail, type WriterHandle } from "./file-binding.ts";
import type { Place, Timestamp } from "./file-types.ts";

/** A new regular file. */
export interface NewFile extends Place {
  /** A single name below `dirFd`. */
  readonly path: Uint8Array;
  readonly bytes: Uint8Array;
  /** Permission bits, 0 to 07777. */
  readonly mode: number;
  /** -1 for the caller's own. */
  readonly uid: number;
  /** -1 for the caller's own. */
  readonly gid: number;
  /** Of modification, and of access alike. */
  readonly mtime: Timestamp;
}

/** How a flush ended: with everything made, or at a file that could not be. */
export interface FlushResult {
  /** How many files were made since the writer was opened, in the order in which they were pushed. */
  readonly done: number;
  /** Why the next one was not; the queue stands still until it is resumed or closed. */
  readonly error: SyscallError | undefined;
}

/** Files are handed on when so many are put down, or so much of their names and contents. */
const batchFiles = 128;
const batchBytes = 256 << 10;
/** As native/addon/file-writer.c reads them. */
const fieldsOfFile = 8;

/**
 * Makes new files on a thread of its own, in order, while the caller prepares the next ones. None is replaced, no link
 * followed; a file that could not be finished is not there.
 */
export class FileWriter {
  readonly #handle: WriterHandle;
  /** The batch that is put together. */
  readonly #fields = new Float64Array(batchFiles * fieldsOfFile);
  #data = new Uint8Array(batchBytes);
  #files = 0;
  #dataBytes = 0;
  /** Whether the queue is known to stand still. */
  #isStalled = false;
  #isClosed = false;

  /** Starts the thread. @throws SyscallError `EAGAIN` where no more threads may be. */
  constructor() {
    const handle = calls().openFileWriter();
    if (typeof handle === "number") fail("clone", handle);
    this.#handle = handle;
  }

  /**
   * Queues a file, waiting while more than 16 MiB are queued. It is made some time later, at a flush at the latest.
   *
   * @param file - its bytes are copied; its directory's descriptor must stay open until a flush.
   * @returns false if a file before it is known not to have been made: a flush says which and why. This one is queued
   *   nevertheless.
   * @throws SyscallError `ENOMEM`, or `EBADF` after a close.
   */
  push(file: NewFile): boolean {
    const { path, bytes, mtime } = file;
    if (this.#isClosed) throw new SyscallError("write", errno.EBADF);
    const neededBytes = path.length + 1 + bytes.length;
    if (this.#files === batchFiles || this.#dataBytes + neededBytes > this.#data.length) this.#submit();
    if (neededBytes > this.#data.length) this.#data = new Uint8Array(neededBytes);
    const fields = this.#fields;
    let field = this.#files++ * fieldsOfFile;
    fields[field++] = file.dirFd;
    fields[field++] = file.mode;
    fields[field++] = file.uid;
    fields[field++] = file.gid;
    fields[field++] = mtime.seconds;
    fields[field++] = mtime.nanoseconds;
    fields[field++] = path.length;
    fields[field++] = bytes.length;
    const data = this.#data;
    data.set(path, this.#dataBytes);
    data[this.#dataBytes + path.length] = 0;
    data.set(bytes, this.#dataBytes + path.length + 1);
    this.#dataBytes += neededBytes;
    return !this.#isStalled;
  }

  #submit(): void {
    if (this.#files === 0) return;
    const fields = new Uint8Array(this.#fields.buffer, 0, this.#files * fieldsOfFile * Float64Array.BYTES_PER_ELEMENT);
    const data = this.#data.subarray(0, this.#dataBytes);
    this.#files = 0;
    this.#dataBytes = 0;
    const result = calls().pushFiles(this.#handle, fields, data);
    if (result < 0) fail("write", result);
    this.#isStalled = result > 0;
  }

  /** Waits until every file is made, or one cannot be. @throws SyscallError as {@link push} */
  flush(): FlushResult {
    if (!this.#isClosed) this.#submit();
    const [result, done] = calls().flushFiles(this.#handle);
    this.#isStalled = result < 0;
    return { done, error: result === 0 ? undefined : new SyscallError("openat", -result) };
  }

  /** Tries the file that could not be made again, and goes on. */
  resume(): void {
    this.#isStalled = false;
    calls().resumeFiles(this.#handle);
  }

  /** Ends the thread. Files that were not made yet are not made. */
  close(): void {
    this.#isClosed = true;
    calls().closeFileWriter(this.#handle);
  }
}
