import { type ErrorDetails, quote, RunletError } from "@runlet/errors";
import { closeFd, fileTypes, lstatIfExists, mkdirat, openat, openFlags, type Place } from "@runlet/syscall";
import { removeTree } from "./remove-tree.ts";
import { errnoOf, isErrno, isParent, joinPath, type RootDirectory, splitPath } from "./root-directory.ts";
import type { UnpackLimits } from "./unpack-limits.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } = openFlags;
/** Descriptors of parents that are kept open: archives list a directory's files one after the other. */
const maxOpenParents = 64;

/** A name below a directory that lies in the root filesystem. */
export interface TargetPlace extends Place {
  readonly path: Buffer;
}

/**
 * The tree that is unpacked into. Whatever an archive's paths and links say, it gives out nothing but a descriptor of a
 * directory inside and a single name below it; calls on that name never follow a link.
 */
export class UnpackTarget {
  readonly #root: RootDirectory;
  readonly #limits: UnpackLimits;
  /** Parents by their path's bytes. Holds only as long as no directory or link is removed. */
  readonly #parents = new Map<string, number>();

  constructor(root: RootDirectory, limits: UnpackLimits) {
    this.#root = root;
    this.#limits = limits;
  }

  get rootFd(): number {
    return this.#root.fd;
  }

  /** Closes what is open; not the root. */
  close(): void {
    for (const fd of this.#parents.values()) closeFd(fd);
    this.#parents.clear();
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
    const path = components[components.length - 1];
    if (path === undefined) throw new Error("the root has no parent");
    if (components.length === 1) return { dirFd: this.#root.fd, path };
    const parent = joinPath(components.slice(0, -1));
    const key = parent.toString("latin1");
    let dirFd = this.#parents.get(key);
    if (dirFd === undefined) {
      dirFd = this.#openParent(parent);
      if (this.#parents.size >= maxOpenParents) this.#closeOldest();
      this.#parents.set(key, dirFd);
    }
    return { dirFd, path };
  }

  /** As {@link place}, but makes nothing. @returns undefined if there is no such directory. */
  placeIfExists(components: readonly Buffer[]): TargetPlace | undefined {
    const path = components[components.length - 1];
    if (path === undefined) throw new Error("the root has no parent");
    if (components.length === 1) return { dirFd: this.#root.fd, path };
    const parent = joinPath(components.slice(0, -1));
    const key = parent.toString("latin1");
    const known = this.#parents.get(key);
    if (known !== undefined) return { dirFd: known, path };
    const dirFd = this.#root.openIfExists(parent, O_PATH | O_DIRECTORY);
    if (dirFd === undefined) return undefined;
    if (this.#parents.size >= maxOpenParents) this.#closeOldest();
    this.#parents.set(key, dirFd);
    return { dirFd, path };
  }

  /** Removes whatever is at a place. */
  remove(place: TargetPlace): void {
    const removed = removeTree(place);
    if (removed === "directory" || removed === "link") this.#forget(place.dirFd);
  }

  /**
   * Makes a directory, or keeps one that is there.
   *
   * @param keepLink - whether a link to a directory will do.
   * @returns a descriptor that the caller closes, and whether the directory is new.
   */
  makeDirectory(place: TargetPlace, options: { keepLink: boolean }): number {
    for (let attempt = 0; ; attempt++) {
      try {
        mkdirat({ ...place, mode: 0o700 });
      } catch (error) {
        if (!isErrno(error, "EEXIST")) throw error;
      }
      try {
        return openat({ ...place, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW });
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
    for (const [key, fd] of this.#parents) {
      if (fd !== place.dirFd) continue;
      const path = Buffer.concat([Buffer.from(`${key}/`, "latin1"), place.path]);
      return this.#root.openIfExists(path, O_RDONLY | O_DIRECTORY);
    }
    return this.#root.openIfExists(place.path, O_RDONLY | O_DIRECTORY);
  }

  #openParent(parent: Buffer): number {
    const existing = this.#root.openIfExists(parent, O_PATH | O_DIRECTORY);
    if (existing !== undefined) return existing;
    try {
      return this.#root.ensureDirectory(parent);
    } catch (error) {
      if (!isErrno(error, "ENOTDIR") && !isErrno(error, "ELOOP") && !isErrno(error, "ENOENT")) throw error;
      throw unpackError(parent, "it is no directory, but there are entries below it", { cause: error });
    }
  }

  #closeOldest(): void {
    for (const [key, fd] of this.#parents) {
      closeFd(fd);
      this.#parents.delete(key);
      return;
    }
  }

  /** Forgets all parents but the one that is in use: any path may lead elsewhere now. */
  #forget(keepFd: number): void {
    for (const [key, fd] of this.#parents) {
      if (fd === keepFd) continue;
      closeFd(fd);
      this.#parents.delete(key);
    }
  }
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
