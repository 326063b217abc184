import { chmodSync, constants, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { errnoMessage, isRunletError, quote, RunletError } from "@runlet/errors";
import {
  closeFd,
  connectUnix,
  type FileStatus,
  isUnchanged,
  leadsTo,
  makeDirectory,
  openPath,
  readNames,
  removeDirectory,
  replaceFile,
  SOCK_SEQPACKET,
  statPath,
  tryLock,
  unlinkPath,
} from "@runlet/syscall";
import { alreadyExists, notFound, notYours } from "./container-errors.ts";
import { parseRecord, stringifyRecord } from "./record-json.ts";
import type { StateRecord } from "./state-record.ts";

const recordName = "state.json";
const intentName = "intent.json";
const lockTimeoutMs = 10_000;

/** The socket on which a created container waits for its start. */
export const startSocketName = "start.sock";

/** The directory that a container sees at /run/notify, for the socket by which it says that it is ready. */
export const notifyDirectoryName = "notify";

/** The lock of a container, which ends when it is disposed of, or with the process. */
export interface StateLock extends Disposable {
  /** The container's directory; stays the lock's. */
  readonly directoryFd: number;
}

class HeldLock implements StateLock {
  readonly directoryFd: number;

  constructor(directoryFd: number) {
    this.directoryFd = directoryFd;
  }

  [Symbol.dispose](): void {
    closeFd(this.directoryFd);
  }
}

/** The directory of one container below the state root: its record, its start socket, and its lock. */
export class StateDirectory {
  readonly id: string;
  readonly hostPath: string;
  /** The record that was read or written last, and the file that it stood in. */
  #last: { readonly file: FileStatus | null; readonly record: StateRecord } | null = null;

  /** @param rootHostPath - the state root. */
  constructor(rootHostPath: string, id: string) {
    this.id = id;
    this.hostPath = `${rootHostPath}/${id}`;
  }

  /**
   * Makes the directory, and with it claims the id, and takes its lock.
   *
   * @throws RunletError `ERR_RUNLET_EXISTS`.
   */
  async claim(): Promise<StateLock> {
    this.create();
    let lock: StateLock;
    try {
      lock = await this.lock();
    } catch (error) {
      // Whoever holds the lock, or has deleted the directory meanwhile, has an eye on it.
      if (!isRunletError(error)) this.remove();
      throw error;
    }
    // Ours may have been deleted before it was locked, and this one be another's, who had the lock first.
    if (readNames(lock.directoryFd).length === 0) return lock;
    lock[Symbol.dispose]();
    throw alreadyExists(this.id);
  }

  /**
   * Makes the directory, and with it claims the id.
   *
   * @throws RunletError `ERR_RUNLET_EXISTS`; `ERR_RUNLET_HOST` where nothing can be written.
   */
  create(): void {
    try {
      makeDirectory(this.hostPath, 0o700);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw alreadyExists(this.id);
      throw this.#notWritten(error);
    }
  }

  /**
   * Makes the directory of the notification socket, which everybody may look into whatever the caller's umask. Its path is
   * the host's.
   *
   * @throws RunletError `ERR_RUNLET_HOST` where nothing can be written.
   */
  createNotifyDirectory(): void {
    const hostPath = `${this.hostPath}/${notifyDirectoryName}`;
    try {
      mkdirSync(hostPath);
      chmodSync(hostPath, 0o755);
    } catch (error) {
      throw this.#notWritten(error);
    }
  }

  /** Opens the directory. The descriptor is the caller's. @throws RunletError `ERR_RUNLET_NOT_FOUND`. */
  open(): number {
    try {
      return openPath(this.hostPath, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    } catch (error) {
      throw this.#notFound(error);
    }
  }

  /**
   * Takes the container's lock.
   *
   * @throws RunletError `ERR_RUNLET_LOCKED` when another command holds it for ten seconds, `ERR_RUNLET_NOT_FOUND`, also when
   *   the container has been deleted while the lock was waited for.
   */
  async lock(): Promise<StateLock> {
    const directoryFd = this.open();
    try {
      if (!tryLock(directoryFd)) await this.#awaitLock(directoryFd);
      // A directory that was removed can still be locked, and a new container may have its path.
      if (!leadsTo(this.hostPath, directoryFd)) throw notFound(this.id);
    } catch (error) {
      closeFd(directoryFd);
      throw error;
    }
    return new HeldLock(directoryFd);
  }

  async #awaitLock(directoryFd: number): Promise<void> {
    const deadline = Date.now() + lockTimeoutMs;
    for (let delayMs = 1; !tryLock(directoryFd); delayMs = Math.min(delayMs * 2, 50)) {
      if (Date.now() > deadline) {
        throw new RunletError("ERR_RUNLET_LOCKED", `container ${this.id} is in use by another command`, {
          hint: "wait until that command has ended",
        });
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }

  /**
   * Writes down what is going to be made. It is a file of its own, which {@link complete} takes away, since replacing a file
   * makes ext4 allocate and write the new one at once (`auto_da_alloc`): milliseconds for each container.
   */
  writeIntent(record: StateRecord): void {
    this.#put(intentName, record);
  }

  /** Says that the container is what its record says: its creation has ended. */
  complete(): void {
    unlinkPath(`${this.hostPath}/${intentName}`);
  }

  /**
   * Whether the container is being made: it is not complete, and somebody has the lock. Of a creation that was interrupted
   * what is left is what the record and the process say.
   */
  isBeingMade(): boolean {
    if (identityOf(`${this.hostPath}/${intentName}`) === null) return false;
    const directoryFd = this.open();
    try {
      return !tryLock(directoryFd, "shared");
    } finally {
      closeFd(directoryFd);
    }
  }

  /** Writes the record beside the one that is there and puts it in its place: a reader sees one or the other. @throws RunletError `ERR_RUNLET_HOST` */
  write(record: StateRecord): void {
    this.#last = { file: identityOf(this.#put(recordName, record)), record };
  }

  /** @returns path of the file. */
  #put(name: string, record: StateRecord): string {
    const temporaryHostPath = `${this.hostPath}/.${name}`;
    const hostPath = `${this.hostPath}/${name}`;
    try {
      replaceFile({ temporaryHostPath, hostPath, text: stringifyRecord(record), mode: 0o600 });
    } catch (error) {
      throw this.#notWritten(error);
    }
    return hostPath;
  }

  #notWritten(cause: unknown): RunletError {
    const { code = "EIO", syscall } = cause as NodeJS.ErrnoException;
    const what = `the state of container ${this.id} cannot be written to ${quote(this.hostPath)}`;
    return new RunletError("ERR_RUNLET_HOST", `${what}: ${errnoMessage(code)}`, {
      errno: code,
      syscall,
      hint: code === "ENOSPC" ? "make room there, or name another state root: --root" : undefined,
      cause,
    });
  }

  /**
   * The record as it is now; its text is parsed again only when somebody has replaced it.
   *
   * @returns the record, or what was written down before the creation; null when that ended before there was either.
   * @throws RunletError `ERR_RUNLET_NOT_FOUND`, `ERR_RUNLET_STATE` for a record that cannot be read.
   */
  read(): StateRecord | null {
    const file = identityOf(`${this.hostPath}/${recordName}`);
    if (file !== null && this.#last?.file && isUnchanged(this.#last.file, file)) return this.#last.record;
    // The record replaces the intent: who finds neither may have looked for one before, and for the other after that.
    const text = this.#readText(recordName) ?? this.#readText(intentName) ?? this.#readText(recordName);
    if (text === undefined) {
      closeFd(this.open());
      return null;
    }
    try {
      const record = parseRecord(text);
      this.#last = { file, record };
      return record;
    } catch (cause) {
      throw new RunletError("ERR_RUNLET_STATE", `the state of container ${this.id} is damaged`, {
        hint: `remove what is left of it: runlet delete --force ${this.id}`,
        cause,
      });
    }
  }

  /** As {@link read}, and null for a record that is damaged: what can still be done is to remove it. */
  readIfSound(): StateRecord | null {
    try {
      return this.read();
    } catch (error) {
      if (isRunletError(error) && error.code === "ERR_RUNLET_STATE") return null;
      throw error;
    }
  }

  #readText(name: string): string | undefined {
    try {
      return readFileSync(`${this.hostPath}/${name}`, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw this.#notFound(error);
      return undefined;
    }
  }

  /** Whether somebody listens on the start socket. Whoever connects and says nothing is taken for one who only looks. */
  isAwaitingStart(): boolean {
    let directoryFd: number | undefined;
    try {
      directoryFd = this.open();
      closeFd(connectUnix(directoryFd, startSocketName, SOCK_SEQPACKET));
      return true;
    } catch {
      return false;
    } finally {
      if (directoryFd !== undefined) closeFd(directoryFd);
    }
  }

  /** Removes the start socket, after the start. */
  removeStartSocket(): void {
    unlinkPath(`${this.hostPath}/${startSocketName}`);
  }

  /**
   * Removes everything; what tells of the container goes last, so that an interrupted removal can be done again.
   *
   * @param lock - taken for this: its descriptor spares looking for the directory.
   */
  remove(lock?: StateLock): void {
    const found = lock === undefined ? readdirIfThere(this.hostPath) : readNames(lock.directoryFd);
    for (const name of found.sort((a, b) => Number(isRecord(a)) - Number(isRecord(b)))) {
      if (name === notifyDirectoryName) removeNotifyDirectory(`${this.hostPath}/${name}`);
      else unlinkPath(`${this.hostPath}/${name}`);
    }
    try {
      removeDirectory(this.hostPath);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  #notFound(cause: unknown): unknown {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EACCES") return notYours(this.id, cause);
    if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "ELOOP") return cause;
    return notFound(this.id, cause);
  }
}

function removeNotifyDirectory(hostPath: string): void {
  for (const name of readdirIfThere(hostPath)) unlinkPath(`${hostPath}/${name}`);
  removeDirectory(hostPath);
}

/** @returns null where there is none to be seen. */
function identityOf(hostPath: string): FileStatus | null {
  try {
    return statPath(hostPath) ?? null;
  } catch {
    return null;
  }
}

function isRecord(name: string): boolean {
  return name === recordName || name === intentName;
}

function readdirIfThere(hostPath: string): string[] {
  try {
    return readdirSync(hostPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
