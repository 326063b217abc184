import {
  atFlags,
  closeFd,
  type FileStatus,
  fgetxattr,
  fileTypes,
  lstatIfExists,
  openat,
  openFlags,
  type Place,
  readDirectory,
} from "@runlet/syscall";

/** A tree of files: one directory, or several that overlayfs would lay over each other. */
export interface Tree {
  /** Host paths, the base first. Only one where `form` is `plain`. */
  readonly layers: readonly string[];
  /** `overlay`: the layers hold overlayfs's whiteouts and opaque directories. `plain`: every file is just that. */
  readonly form: "overlay" | "plain";
}

/** What a name of a merged directory stands for. */
export interface MergedEntry {
  readonly name: Buffer;
  /** Where it lies, valid as long as its directory is open. */
  readonly place: Place;
  readonly status: FileStatus;
  /** All directories that make up a merged one, the topmost first; empty for everything else. */
  readonly directories: readonly Place[];
}

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = openFlags;
const opaqueXattrs = ["trusted.overlay.opaque", "user.overlay.opaque"];

/**
 * A directory of a {@link Tree} as a container sees it, read without mounting anything: the kernel's rules for lower layers,
 * followed by descriptor.
 *
 * @see Documentation/filesystems/overlayfs.rst#whiteouts-and-opaque-directories
 */
export class MergedDirectory implements Disposable {
  /** The same directory in each layer that has it, the topmost first. */
  readonly #fds: readonly number[];
  readonly #form: Tree["form"];

  private constructor(fds: readonly number[], form: Tree["form"]) {
    this.#fds = fds;
    this.#form = form;
  }

  /** Opens the root of a tree. @throws SyscallError */
  static open({ layers, form }: Tree): MergedDirectory {
    if (form === "plain" && layers.length !== 1) throw new Error(`a plain tree of ${layers.length} layers`);
    const places = [...layers].reverse().map((path) => ({ dirFd: atFlags.AT_FDCWD, path }));
    return new MergedDirectory(openAll(places, O_RDONLY | O_DIRECTORY), form);
  }

  /** Opens a directory among this one's entries. @throws SyscallError */
  openEntry({ directories }: MergedEntry): MergedDirectory {
    return new MergedDirectory(openAll(directories, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), this.#form);
  }

  /** The topmost layer's descriptor, whose owner, mode and times are those of the merged directory. Stays this one's. */
  get fd(): number {
    return this.#fds[0] ?? -1;
  }

  /**
   * What the directory holds, sorted by the bytes of the names. To be called once.
   *
   * @throws SyscallError
   */
  entries(): MergedEntry[] {
    const found = new Map<string, Candidate>();
    for (const [depth, dirFd] of this.#fds.entries()) {
      const isLowest = depth === this.#fds.length - 1;
      for (const { name } of readDirectory(dirFd)) this.#take(found, { dirFd, path: name }, isLowest);
    }
    const entries: MergedEntry[] = [];
    for (const { entry } of found.values()) if (entry !== undefined) entries.push(entry);
    return entries.sort((a, b) => Buffer.compare(a.name, b.name));
  }

  #take(found: Map<string, Candidate>, place: { dirFd: number; path: Buffer }, isLowest: boolean): void {
    const key = place.path.toString("latin1");
    const above = found.get(key);
    if (above?.isComplete) return;
    const status = lstatIfExists(place);
    if (status === undefined) return;
    if (this.#form === "overlay" && isWhiteout(status)) {
      if (above === undefined) found.set(key, { entry: undefined, directories: [], isComplete: true });
      else above.isComplete = true;
      return;
    }
    const isDirectory = (status.mode & fileTypes.S_IFMT) === fileTypes.S_IFDIR;
    if (above !== undefined) {
      if (isDirectory) above.directories.push(place);
      above.isComplete = !isDirectory || (!isLowest && this.#isOpaque(place));
      return;
    }
    const directories = isDirectory ? [place] : [];
    const isComplete = !isDirectory || (!isLowest && this.#isOpaque(place));
    found.set(key, { entry: { name: place.path, place, status, directories }, directories, isComplete });
  }

  #isOpaque(place: Place): boolean {
    if (this.#form === "plain") return false;
    const fd = openat({ ...place, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW });
    try {
      return opaqueXattrs.some((name) => fgetxattr(fd, name)?.toString("latin1") === "y");
    } finally {
      closeFd(fd);
    }
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds) closeFd(fd);
  }
}

/** What is known of a name while the layers are gone through from the top. */
interface Candidate {
  /** Undefined: a whiteout. */
  readonly entry: MergedEntry | undefined;
  readonly directories: Place[];
  /** Whether lower layers have no say any more. */
  isComplete: boolean;
}

/** Whether overlayfs takes a file for the absence of one. */
function isWhiteout({ mode, rdevMajor, rdevMinor }: FileStatus): boolean {
  return (mode & fileTypes.S_IFMT) === fileTypes.S_IFCHR && rdevMajor === 0 && rdevMinor === 0;
}

function openAll(places: readonly Place[], flags: number): number[] {
  const fds: number[] = [];
  try {
    for (const place of places) fds.push(openat({ ...place, flags }));
    return fds;
  } catch (error) {
    for (const fd of fds) closeFd(fd);
    throw error;
  }
}
