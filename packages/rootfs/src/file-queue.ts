import { FileWriter, type NewFile } from "@runlet/syscall";
import type { TargetPlace } from "./unpack-target.ts";

/** More files than this are not left pending: what is known about them lies in memory. */
const maxPending = 4096;

interface PendingFile {
  readonly place: TargetPlace;
  readonly entryPath: Buffer;
}

/** What the queue cannot decide itself. */
export interface FileQueueHandler {
  /** Removes what is in the way of a file; called while nothing is being made. */
  removeExisting(place: TargetPlace): void;
  /** A file that could not be made. @returns what is thrown. */
  failure(entryPath: Buffer, error: unknown): unknown;
}

/**
 * Files that are made in the background, while the archive is read on. Whoever does something else at a place where a file
 * is pending, looks a path up that such a name is part of, or removes or links anything, settles first; so the outcome is
 * that of one entry after the other.
 */
export class FileQueue {
  readonly #handler: FileQueueHandler;
  #writer: FileWriter | undefined;
  /** In the order of pushing, from `#base` on. */
  #pending: PendingFile[] = [];
  #base = 0;
  /** The directories in which a file of a name is pending: the name as Latin-1, the directories by device and inode. */
  readonly #directoriesOf = new Map<string, string[]>();
  #isSettling = false;

  constructor(handler: FileQueueHandler) {
    this.#handler = handler;
  }

  /** @param file - its bytes are copied. */
  push(place: TargetPlace, file: NewFile, entryPath: Buffer): void {
    let directories = this.#directoriesOf.get(place.name);
    if (this.#pending.length >= maxPending || directories?.includes(place.directoryId) === true) {
      this.settle();
      directories = undefined;
    }
    this.#writer ??= new FileWriter();
    if (directories === undefined) this.#directoriesOf.set(place.name, [place.directoryId]);
    else directories.push(place.directoryId);
    this.#pending.push({ place, entryPath });
    if (!this.#writer.push(file)) this.settle();
  }

  /** Whether a file is pending at exactly this place. */
  isPendingAt({ name, directoryId }: TargetPlace): boolean {
    return this.#directoriesOf.get(name)?.includes(directoryId) === true;
  }

  /** Whether a file of this name is pending in any directory. @param name - its bytes, as Latin-1. */
  isPendingName(name: string): boolean {
    return this.#directoriesOf.has(name);
  }

  /** Waits until every file is made. @throws what the handler makes of a failure. */
  settle(): void {
    if (this.#writer === undefined || this.#isSettling) return;
    this.#isSettling = true;
    try {
      this.#flush(this.#writer);
    } finally {
      this.#isSettling = false;
    }
  }

  #flush(writer: FileWriter): void {
    let removedFor: PendingFile | undefined;
    for (;;) {
      const { done, error } = writer.flush();
      if (error === undefined) break;
      const file = this.#pending[done - this.#base];
      if (file === undefined) throw error;
      if (error.code !== "EEXIST" || file === removedFor) throw this.#handler.failure(file.entryPath, error);
      removedFor = file;
      this.#handler.removeExisting(file.place);
      writer.resume();
    }
    this.#base += this.#pending.length;
    this.#pending = [];
    this.#directoriesOf.clear();
  }

  /** Ends the thread; what is pending is dropped. */
  close(): void {
    this.#writer?.close();
    this.#writer = undefined;
  }
}
