import {
  closeFd,
  type DirectoryEntry,
  directoryEntryTypes,
  fileTypes,
  fsetxattr,
  lstatIfExists,
  mknodat,
  openat,
  openFlags,
  type PathLike,
  type Place,
  readDirectory,
} from "@runlet/syscall";
import type { ArchiveEntry } from "@runlet/tar";
import { isErrno, joinPath } from "./root-directory.ts";
import type { Whiteouts } from "./unpack-options.ts";
import { type TargetPlace, type UnpackTarget, unpackError } from "./unpack-target.ts";

const { DT_DIR, DT_UNKNOWN } = directoryEntryTypes;
const prefix = Buffer.from(".wh.");
const opaque = Buffer.from(".wh..wh..opq");
/** aufs's own files, which images made on it hold. */
const reserved = Buffer.from(".wh..wh.");
/** The directory of aufs with the files that have several names, which the layer's hard links name. */
const linkedFiles = Buffer.from(".wh..wh.plnk");

/**
 * The `.wh.` entries of an image's layer: `.wh.NAME` takes NAME of the layers below away, `.wh..wh..opq` all of its directory.
 * What the layer itself brings is not touched, whatever the order of its entries. What aufs has left of its own in old images is
 * left out.
 *
 * @see OCI image specification, layer.md#whiteouts
 */
export class WhiteoutHandler {
  readonly #target: UnpackTarget;
  /** What becomes of whiteouts. */
  readonly mode: Exclude<Whiteouts, "keep">;
  readonly #opaqueXattr: string;
  #namesLeft: number;
  /** Paths that the layer itself has brought, and those on the way to them: names by the path of their directory. */
  readonly #upper = new Map<string, Set<string>>();
  /** Files of the layers below that were copied into this one. */
  readonly #copied = new Map<string, readonly Buffer[]>();
  #hasLinkedFiles = false;
  /** Paths that stand as overlayfs's whiteouts. */
  readonly #whitedOut = new Set<string>();

  /** @param options.maxNames - how many names may be looked at, in all, to find what whiteouts take away. */
  constructor(options: {
    target: UnpackTarget;
    mode: Exclude<Whiteouts, "keep">;
    opaqueXattr: string;
    maxNames: number;
  }) {
    this.#target = options.target;
    this.mode = options.mode;
    this.#opaqueXattr = options.opaqueXattr;
    this.#namesLeft = options.maxNames;
  }

  /**
   * Carries a whiteout out, and remembers every other entry.
   *
   * @param components - at least one.
   * @returns whether the entry was a whiteout, and so is no file.
   * @throws RunletError `ERR_RUNLET_ARCHIVE` for one that names nothing, `.` or `..`.
   */
  take(entry: ArchiveEntry, components: readonly Buffer[]): boolean {
    const name = components[components.length - 1] ?? Buffer.alloc(0);
    const parent = components.slice(0, -1);
    if (parent[0] !== undefined && isReserved(parent[0])) {
      const isLinkedFile = entry.type === "file" && parent.length === 1 && parent[0].equals(linkedFiles);
      this.#hasLinkedFiles ||= isLinkedFile;
      return !isLinkedFile;
    }
    if (parent.some(isWhiteout)) throw unpackError(entry.path, "it lies below a whiteout");
    if (!isWhiteout(name)) {
      if (this.#whitedOut.size > 0) this.#replaceWhiteouts(components, entry.type === "directory");
      this.#noteUpper(keyOf(components));
      return false;
    }
    if (name.equals(opaque)) {
      if (this.mode === "apply" || this.#target.canPlace(components)) this.#clear(parent);
    } else if (!isReserved(name)) this.#remove(entry, parent, name.subarray(prefix.length));
    return true;
  }

  /**
   * Remembers a file of the layers below that was copied into this one: what takes it away there takes the copy away too, but
   * not other names that the layer itself has given it.
   */
  noteCopy(components: readonly Buffer[]): void {
    this.#copied.set(keyOf(components), components);
  }

  /**
   * Whether a file is no whiteout and meets none, as a file of its directory was taken before it; it is remembered then. To be
   * asked of a file in the directory of the last one.
   */
  isPlainBeside({ path, name, directoryPath }: TargetPlace): boolean {
    if (this.#whitedOut.size > 0 || isWhiteout(path)) return false;
    this.#noteName(directoryPath, name);
    return true;
  }

  #noteUpper(path: string): void {
    const slash = path.lastIndexOf("/");
    const directoryPath = path.slice(0, Math.max(0, slash));
    // What is on the way was noted with the first name in a directory.
    if (this.#noteName(directoryPath, path.slice(slash + 1)) && slash > 0) this.#noteUpper(directoryPath);
  }

  /** @returns whether it is the first of its directory. */
  #noteName(directoryPath: string, name: string): boolean {
    const names = this.#upper.get(directoryPath);
    if (names === undefined) this.#upper.set(directoryPath, new Set([name]));
    else names.add(name);
    return names === undefined;
  }

  #isUpper(components: readonly Buffer[]): boolean {
    const name = components[components.length - 1]?.toString("latin1") ?? "";
    return this.#upper.get(keyOf(components.slice(0, -1)))?.has(name) === true;
  }

  /** Removes what was there for the layer's hard links alone. To be called before directories get their times. */
  finish(): void {
    if (this.#hasLinkedFiles) this.#target.remove({ dirFd: this.#target.rootFd, path: linkedFiles });
  }

  /** Where whiteouts were made. */
  paths(): Buffer[] {
    return [...this.#whitedOut].map((path) => Buffer.from(path, "latin1"));
  }

  #remove(entry: ArchiveEntry, parent: readonly Buffer[], name: Buffer): void {
    if (name.length === 0 || name.equals(Buffer.from(".")) || name.equals(Buffer.from("..")))
      throw unpackError(entry.path, "it is a whiteout of nothing");
    const components = [...parent, name];
    if (this.#isUpper(components)) {
      // What the layer puts in place of a directory is not merged with it.
      const place = this.#target.placeIfExists(components);
      const type = (place === undefined ? 0 : (lstatIfExists(place)?.mode ?? 0)) & fileTypes.S_IFMT;
      if (type === fileTypes.S_IFDIR) this.#clear(components);
      return;
    }
    if (this.mode === "overlay") {
      if (!this.#target.canPlace(components)) return;
      const place = this.#target.place(components);
      if (!this.#removeLower(place, components)) return;
      mknodat({ ...place, mode: fileTypes.S_IFCHR });
      this.#whitedOut.add(keyOf(components));
      return;
    }
    const place = this.#target.placeIfExists(components);
    if (place !== undefined) this.#target.remove(place);
  }

  /** Where the layer has a directory in place of what it takes away, that is an opaque one. */
  #replaceWhiteouts(components: readonly Buffer[], isDirectory: boolean): void {
    for (let depth = 1; depth <= components.length - (isDirectory ? 0 : 1); depth++) {
      const directory = components.slice(0, depth);
      if (this.#whitedOut.delete(keyOf(directory))) this.#clear(directory);
    }
  }

  #clear(parent: readonly Buffer[]): void {
    const fd = this.#openDirectory(parent);
    if (fd === undefined) return;
    try {
      if (this.mode === "overlay") {
        this.#removeCopies(parent);
        fsetxattr({ fd, name: this.#opaqueXattr, value: Buffer.from("y") });
        return;
      }
      this.#clearBelow(fd, parent);
    } finally {
      closeFd(fd);
    }
  }

  /** Removes copies below a directory, and directories that are there for them alone. */
  #removeCopies(parent: readonly Buffer[]): void {
    const isBelow = (path: readonly Buffer[]) =>
      path.length > parent.length && parent.every((component, index) => path[index]?.equals(component) === true);
    this.#countNames(this.#copied.size, parent);
    for (const path of [...this.#copied.values()].filter(isBelow)) {
      for (let depth = parent.length + 1; depth <= path.length; depth++) {
        const doomed = path.slice(0, depth);
        if (this.#isUpper(doomed)) continue;
        const place = this.#target.placeIfExists(doomed);
        if (place === undefined || this.#removeLower(place, doomed)) break;
      }
    }
  }

  /**
   * Removes what is at a place and is not the layer's own.
   *
   * @returns whether nothing is there then.
   */
  #removeLower(place: TargetPlace, components: readonly Buffer[]): boolean {
    if (lstatIfExists(place) === undefined) return true;
    if (this.#whitedOut.has(keyOf(components)) || !this.#isLower(place, components)) return false;
    this.#target.remove(place);
    return true;
  }

  /**
   * Whether a place holds nothing but copies of what the layers below have, whiteouts, and directories for these.
   *
   * @param type - what readdir(3) says of it, if that was asked.
   */
  #isLower(place: Place, components: readonly Buffer[], type: number = DT_UNKNOWN): boolean {
    const fd = mayBeDirectory(type) ? openDirectoryAt(place.dirFd, place.path) : undefined;
    if (fd === undefined) return this.#copied.has(keyOf(components)) || this.#whitedOut.has(keyOf(components));
    try {
      return this.#list(fd, components).every(({ name, type: childType }) =>
        this.#isLower({ dirFd: fd, path: name }, [...components, name], childType),
      );
    } finally {
      closeFd(fd);
    }
  }

  #clearBelow(fd: number, parent: readonly Buffer[]): void {
    const upper = this.#upper.get(keyOf(parent));
    for (const { name, type } of this.#list(fd, parent)) {
      if (upper?.has(name.toString("latin1")) !== true) {
        this.#target.remove({ dirFd: fd, path: name });
        continue;
      }
      if (!mayBeDirectory(type)) continue;
      const childFd = openDirectoryAt(fd, name);
      if (childFd === undefined) continue;
      try {
        this.#clearBelow(childFd, [...parent, name]);
      } finally {
        closeFd(childFd);
      }
    }
  }

  #list(fd: number, components: readonly Buffer[]): DirectoryEntry[] {
    this.#target.settle();
    const entries = readDirectory(fd);
    this.#countNames(entries.length, components);
    return entries;
  }

  /** A few bytes of an archive could have a large directory looked through again and again. */
  #countNames(count: number, components: readonly Buffer[]): void {
    this.#namesLeft -= count;
    if (this.#namesLeft < 0) throw unpackError(joinPath(components), "too many whiteouts are about too many files");
  }

  #openDirectory(components: readonly Buffer[]): number | undefined {
    if (components.length === 0) return openDirectoryAt(this.#target.rootFd, Buffer.from("."));
    if (this.mode === "overlay" && !this.#target.canPlace(components)) return undefined;
    const place = this.mode === "overlay" ? this.#target.place(components) : this.#target.placeIfExists(components);
    if (place === undefined) return undefined;
    if (this.mode === "overlay") {
      this.#target.noteImplied(components);
      return this.#target.makeDirectory(place, { keepLink: false, mode: 0o755 });
    }
    return openDirectoryAt(place.dirFd, place.path);
  }
}

function openDirectoryAt(dirFd: number, path: PathLike): number | undefined {
  try {
    return openat({ dirFd, path, flags: openFlags.O_RDONLY | openFlags.O_DIRECTORY | openFlags.O_NOFOLLOW });
  } catch (error) {
    if (isErrno(error, "ENOTDIR") || isErrno(error, "ELOOP") || isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Some file systems do not say. */
function mayBeDirectory(type: number): boolean {
  return type === DT_DIR || type === DT_UNKNOWN;
}

function isWhiteout(name: Buffer): boolean {
  return name.length >= prefix.length && name.subarray(0, prefix.length).equals(prefix);
}

function isReserved(name: Buffer): boolean {
  return name.subarray(0, reserved.length).equals(reserved);
}

function keyOf(components: readonly Buffer[]): string {
  return joinPath(components).toString("latin1");
}

/**
 * Whether an attribute is overlayfs's own: one that an archive brings could redirect a directory of a snapshot to another.
 */
export function isReservedXattr(name: Buffer): boolean {
  return /^(trusted|user)\.overlay\./.test(name.toString("latin1"));
}
