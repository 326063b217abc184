import { type ErrorDetails, quote, RunletError } from "@runlet/errors";
import {
  closeFd,
  fchmod,
  fileTypes,
  fstat,
  lstatIfExists,
  mkdirat,
  openat,
  openFlags,
  type Place,
} from "@runlet/syscall";
import type { FileQueue } from "./file-queue.ts";
import { removeTree } from "./remove-tree.ts";
import { errnoOf, isErrno, isParent, joinPath, type RootDirectory, splitPath } from "./root-directory.ts";
import type { UnpackLimits } from "./unpack-limits.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } = openFlags;
/** Descriptors of parents that are kept open: archives list a directory's files one after the other. */
const maxOpenParents = 64;
const maxRetired = 256;
const slash = 0x2f;
const dot = 0x2e;

/** A name below a directory that lies in the root filesystem. */
export interface TargetPlace extends Place {
  readonly path: Buffer;
  /** The bytes of `path`, as Latin-1. */
  readonly name: string;
  /** Device and inode of the directory. */
  readonly directoryId: string;
  /** How the archive's path leads to the directory: its components with slashes between, as Latin-1. */
  readonly directoryPath: string;
}

/** An open directory. */
interface Parent {
  readonly fd: number;
  readonly id: string;
  /** {@link TargetPlace.directoryPath} */
  readonly path: string;
}

/** Options of {@link UnpackTarget}. */
export interface UnpackTargetOptions {
  readonly root: RootDirectory;
  readonly limits: UnpackLimits;
  /** Files that are being made; settled before anything is removed, or a descriptor closed. */
  readonly queue: Pick<FileQueue, "settle" | "isPendingName">;
  /** Called before a directory or a link is removed, which paths may lead through. */
  readonly beforePathsChange: () => void;
  /** Called with a descriptor of each directory that is removed: a file system may give the next one its inode. */
  readonly onDirectoryRemoved: (fd: number) => void;
}

/**
 * The tree that is unpacked into. Whatever an archive's paths and links say, it gives out nothing but a descriptor of a
 * directory inside and a single name below it; calls on that name never follow a link.
 */
export class UnpackTarget {
  readonly #root: RootDirectory;
  readonly #limits: UnpackLimits;
  /** Parents by their path's bytes. Holds only as long as no directory or link is removed. */
  readonly #parents = new Map<string, Parent>();
  /** Parents that are no longer looked up, but may be in use by files that are being made. */
  #retired: number[] = [];
  readonly #rootParent: Parent;
  /** The last entry's parent, as the archive wrote it. */
  #last: { readonly path: Buffer; readonly parent: Parent } | undefined;
  /** Every name in the paths of `#parents`. */
  readonly #parentNames = new Set<string>();
  /** Paths of directories that were made for what lies below them; bytes as Latin-1. */
  readonly #implied = new Set<string>();
  readonly #queue: UnpackTargetOptions["queue"];
  readonly #beforePathsChange: () => void;
  readonly #onDirectoryRemoved: UnpackTargetOptions["onDirectoryRemoved"];

  constructor({ root, limits, queue, beforePathsChange, onDirectoryRemoved }: UnpackTargetOptions) {
    this.#root = root;
    this.#limits = limits;
    this.#queue = queue;
    this.#beforePathsChange = beforePathsChange;
    this.#onDirectoryRemoved = onDirectoryRemoved;
    this.#rootParent = { fd: root.fd, id: idOf(root.fd), path: "" };
  }

  get rootFd(): number {
    return this.#root.fd;
  }

  /** Closes what is open; not the root. */
  close(): void {
    this.#closeAllRetired();
    for (const { fd } of this.#parents.values()) closeFd(fd);
    this.#parents.clear();
  }

  /** Closes descriptors that nothing looks up any more, once there are many. To be called between two entries. */
  closeRetired(): void {
    if (this.#retired.length <= maxRetired) return;
    this.#queue.settle();
    this.#closeAllRetired();
  }

  #closeAllRetired(): void {
    for (const fd of this.#retired) closeFd(fd);
    this.#retired = [];
  }

  /**
   * The components of a path of the archive, taken from the root whether it is absolute or not.
   *
   * @throws RunletError `ERR_RUNLET_ARCHIVE` for `..` and for what passes the limits.
   */
  split(path: Buffer): readonly Buffer[] {
    if (path.length > this.#limits.pathBytes)
      throw unpackError(path, `its path has ${path.length} bytes, more than ${this.#limits.pathBytes}`);
    const components = splitPath(path);
    if (components.length > this.#limits.pathDepth)
      throw unpackError(path, `its path has ${components.length} components, more than ${this.#limits.pathDepth}`);
    // Where `..` leads depends on links; no tool writes it.
    if (components.some(isParent)) throw unpackError(path, 'its path holds ".."');
    return components;
  }

  /**
   * Finds the directory that a path's last component lies in, making what is missing. Links on the way are followed inside the
   * root, as distributions have `/bin` for a link to `usr/bin`.
   *
   * @param components - at least one.
   * @returns a place whose descriptor is this object's, and open until the next call.
   * @throws RunletError `ERR_RUNLET_ARCHIVE` where something on the way is no directory.
   */
  place(components: readonly Buffer[]): TargetPlace {
    return this.#placeIn(components, (parent) => this.#openParent(parent)) ?? unreachable();
  }

  /** As {@link place}, but makes nothing. @returns undefined if there is no such directory. */
  placeIfExists(components: readonly Buffer[]): TargetPlace | undefined {
    return this.#placeIn(components, (parent) => this.#root.openIfExists(parent, O_PATH | O_DIRECTORY));
  }

  /**
   * Whether the directory of a path's last component is there or can be made. Where a layer has a file in place of a
   * directory, umoci writes whiteouts for what was below: nothing is left that they could hide.
   */
  canPlace(components: readonly Buffer[]): boolean {
    if (this.placeIfExists(components) !== undefined) return true;
    this.#queue.settle();
    for (let depth = components.length - 1; depth > 0; depth--) {
      const path = joinPath(components.slice(0, depth));
      const fd = this.#root.openIfExists(path, O_PATH | O_NOFOLLOW);
      if (fd === undefined) continue;
      const isDirectory = (fstat(fd).mode & fileTypes.S_IFMT) === fileTypes.S_IFDIR;
      closeFd(fd);
      return isDirectory;
    }
    return true;
  }

  /**
   * The place of a path whose directory is that of the last one, which most are.
   *
   * @returns undefined if it is another directory, or the path is not a plain one.
   */
  placeBesideLast(path: Buffer): TargetPlace | undefined {
    if (this.#last === undefined || path.length > this.#limits.pathBytes) return undefined;
    const { path: directory, parent } = this.#last;
    const start = directory.length;
    if (path.length <= start || path.lastIndexOf(slash) !== start - 1) return undefined;
    if (path.compare(directory, 0, start, 0, start) !== 0) return undefined;
    const name = path.subarray(start);
    if (name[0] === dot && (name.length === 1 || isParent(name))) return undefined;
    return placeBelow(parent, name);
  }

  /** Whether a directory that was looked up may have this name in its path, so that a file at the place could replace it. */
  isOnTheWay({ name }: TargetPlace): boolean {
    return this.#parentNames.has(name);
  }

  /** Remembers where a path led, for {@link placeBesideLast}. */
  remember(path: Buffer, place: TargetPlace): void {
    const end = path.lastIndexOf(slash) + 1;
    const { dirFd: fd, directoryId: id, directoryPath } = place;
    this.#last = { path: path.subarray(0, end), parent: { fd, id, path: directoryPath } };
  }

  #placeIn(components: readonly Buffer[], open: (parent: Buffer) => number | undefined): TargetPlace | undefined {
    const path = components[components.length - 1];
    if (path === undefined) throw new Error("the root has no parent");
    if (components.length === 1) return placeBelow(this.#rootParent, path);
    const parentPath = joinPath(components.slice(0, -1));
    const key = parentPath.toString("latin1");
    let parent = this.#parents.get(key);
    if (parent === undefined) {
      const names = components.slice(0, -1).map((component) => component.toString("latin1"));
      if (names.some((name) => this.#queue.isPendingName(name))) this.#queue.settle();
      const fd = open(parentPath);
      if (fd === undefined) return undefined;
      parent = { fd, id: idOf(fd), path: key };
      if (this.#parents.size >= maxOpenParents) this.#forget();
      this.#parents.set(key, parent);
      for (const name of names) this.#parentNames.add(name);
    }
    return placeBelow(parent, path);
  }

  /** Waits until every file is made that is pending: a directory is listed with all that the archive has put there. */
  settle(): void {
    this.#queue.settle();
  }

  /** Removes whatever is at a place, after pending files were made. */
  remove(place: Place): void {
    this.#queue.settle();
    this.removeSettled(place);
  }

  /** Removes whatever is at a place while nothing is pending, or what is pending stands still. */
  removeSettled(place: Place): void {
    const type = (lstatIfExists(place)?.mode ?? 0) & fileTypes.S_IFMT;
    const mayBeOnTheWay = type === fileTypes.S_IFDIR || type === fileTypes.S_IFLNK;
    if (mayBeOnTheWay) this.#beforePathsChange();
    removeTree(place, this.#onDirectoryRemoved);
    // Any path may lead elsewhere now.
    if (mayBeOnTheWay) this.#forget();
  }

  /** Makes something at a place; what was there is removed first. */
  makeNew(place: TargetPlace, make: () => void): void {
    try {
      make();
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      this.remove(place);
      make();
    }
  }

  /**
   * Makes a directory, or keeps one that is there.
   *
   * @param options.keepLink - whether a link to a directory will do.
   * @param options.mode - of a new directory. Default: nobody else's, until it gets what it carries.
   * @returns a descriptor that the caller closes, and whether the directory is new.
   */
  makeDirectory(place: TargetPlace, options: { keepLink: boolean; mode?: number }): number {
    for (let attempt = 0; ; attempt++) {
      let isNew = true;
      try {
        mkdirat({ ...place, mode: 0o700 });
      } catch (error) {
        if (!isErrno(error, "EEXIST")) throw error;
        isNew = false;
      }
      try {
        const fd = openat({ ...place, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW });
        if (isNew && options.mode !== undefined) fchmod(fd, options.mode);
        return fd;
      } catch (error) {
        const isOther = isErrno(error, "ENOTDIR") || isErrno(error, "ELOOP");
        if (!isOther || attempt > 0) throw error;
      }
      if (options.keepLink) {
        const fd = this.#openLinkedDirectory(place);
        if (fd !== undefined) return fd;
      }
      this.remove(place);
    }
  }

  /** Opens what a link in a directory leads to, inside the root, if that is a directory. */
  #openLinkedDirectory(place: TargetPlace): number | undefined {
    const status = lstatIfExists(place);
    if (status === undefined || (status.mode & fileTypes.S_IFMT) !== fileTypes.S_IFLNK) return undefined;
    for (const [key, { fd }] of this.#parents) {
      if (fd !== place.dirFd) continue;
      const path = Buffer.concat([Buffer.from(`${key}/`, "latin1"), place.path]);
      return this.#root.openIfExists(path, O_RDONLY | O_DIRECTORY);
    }
    return this.#root.openIfExists(place.path, O_RDONLY | O_DIRECTORY);
  }

  #openParent(parent: Buffer): number {
    const existing = this.#root.openIfExists(parent, O_PATH | O_DIRECTORY);
    if (existing !== undefined) return existing;
    this.noteImplied(splitPath(parent));
    try {
      return this.#root.ensureDirectory(parent);
    } catch (error) {
      if (!isErrno(error, "ENOTDIR") && !isErrno(error, "ELOOP") && !isErrno(error, "ENOENT")) throw error;
      throw unpackError(parent, "it is no directory, but there are entries below it", { cause: error });
    }
  }

  /** Remembers that a directory, and those on the way to it, may be there without an entry of their own. */
  noteImplied(components: readonly Buffer[]): void {
    for (let depth = components.length; depth > 0; depth--) {
      const path = joinPath(components.slice(0, depth)).toString("latin1");
      if (this.#implied.has(path)) return;
      this.#implied.add(path);
    }
  }

  /** What {@link noteImplied} was told, parents first. */
  impliedPaths(): Buffer[] {
    return [...this.#implied].sort().map((path) => Buffer.from(path, "latin1"));
  }

  /** Looks no parent up again. Their descriptors stay open, for places that are in use, until {@link closeRetired}. */
  #forget(): void {
    for (const { fd } of this.#parents.values()) this.#retired.push(fd);
    this.#parents.clear();
    this.#parentNames.clear();
    this.#last = undefined;
  }
}

function placeBelow(parent: Parent, path: Buffer): TargetPlace {
  const name = path.toString("latin1");
  return { dirFd: parent.fd, path, name, directoryId: parent.id, directoryPath: parent.path };
}

/** Device and inode. */
export function idOf(fd: number): string {
  const { dev, ino } = fstat(fd);
  return `${dev}:${ino}`;
}

function unreachable(): never {
  throw new Error("a parent that was to be made is missing");
}

/** An entry that cannot be unpacked. */
export function unpackError(path: Uint8Array, words: string, details: ErrorDetails = {}): RunletError {
  return new RunletError(
    "ERR_RUNLET_ARCHIVE",
    `cannot unpack ${quote(Buffer.from(path).toString())}: ${words}`,
    details,
  );
}

/** An entry whose system call failed; errors that say enough pass through. */
export function wrapUnpackError(path: Uint8Array, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  const hint = hints[errno];
  return unpackError(path, "the file system refuses it", {
    syscall: (error as { syscall?: string }).syscall,
    errno,
    hint,
    cause: error,
  });
}

const hints: Readonly<Record<string, string>> = {
  ENOSPC: "free some space, or unpack to another file system",
  EDQUOT: "free some space, or have the quota raised",
  EINVAL: "ids must be mapped in the user namespace: unpack with the caller as owner",
  EPERM: "as an ordinary user, unpack with the caller as owner and without devices",
  ENAMETOOLONG: "names have at most 255 bytes",
};

/** Flags of a file that is newly made. */
export const createFlags = openFlags.O_WRONLY | openFlags.O_CREAT | openFlags.O_EXCL | O_NOFOLLOW;
