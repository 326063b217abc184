import { closeSync, readSync } from "node:fs";
import { quote, RunletError } from "@runlet/errors";
import type { LowerFile, LowerFiles } from "@runlet/rootfs";
import {
  atFlags,
  closeFd,
  type FileStatus,
  fgetxattr,
  fileTypes,
  fstat,
  lstatIfExists,
  openat,
  openFlags,
  type Place,
  readlinkat,
} from "@runlet/syscall";
import { hasCode } from "../store/store-error.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = openFlags;
const directoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
/** As the kernel has it (MAXSYMLINKS). */
const maxLinks = 40;
const slash = 0x2f;

/** Files of a container, as its processes would find them. */
export interface ContainerFiles {
  /**
   * Reads a regular file, links followed inside the root.
   *
   * @param limitBytes - a larger file is refused.
   * @returns undefined if there is none, or something else.
   */
  readFileIfExists(containerPath: string, limitBytes: number): Buffer | undefined;
  /** Whose a directory is, links followed inside the root; undefined if there is none. */
  directoryIfExists(containerPath: string): DirectoryOwner | undefined;
}

/** Owner and permission bits of a directory. */
export interface DirectoryOwner {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** One directory of the merged tree: what each layer has of it, the upper ones first. */
type Level = readonly number[];

/** Which links a path is followed through: all, all but one at its end, none. */
type FollowedLinks = "all" | "parents" | "none";

type Found =
  | { readonly kind: "directory"; readonly level: Level }
  | { readonly kind: "other"; readonly status: FileStatus; readonly dirFd: number; readonly name: Buffer };

/** A place in the uppermost layer of a tree. */
export interface PlaceInLayer extends Place {
  /** What the layers below have there, if anything. */
  readonly below: Found["kind"] | undefined;
  /** Their directory of this path. */
  readonly lowerFd: number | undefined;
}

/**
 * Unpacked layers seen as one tree, without a mount: whiteouts and opaque directories hide as overlayfs would have it. Walks
 * by descriptor, one component at a time; a link is followed with this tree's root for `/`, never out of it.
 */
export class MergedTree implements ContainerFiles, LowerFiles, Disposable {
  readonly #root: Level;

  private constructor(root: Level) {
    this.#root = root;
  }

  /**
   * @param hostPaths - directories of the layers, the base first. Those below one whose root is opaque are not seen.
   * @throws SyscallError
   */
  static open(hostPaths: readonly string[]): MergedTree {
    const opened: number[] = [];
    try {
      for (const path of hostPaths.toReversed()) {
        const fd = openat({ dirFd: atFlags.AT_FDCWD, path, flags: O_RDONLY | O_DIRECTORY });
        opened.push(fd);
        if (isOpaque(fd)) break;
      }
    } catch (error) {
      closeLevel(opened);
      throw error;
    }
    return new MergedTree(opened);
  }

  [Symbol.dispose](): void {
    closeLevel(this.#root);
  }

  readFileIfExists(containerPath: string, limitBytes: number): Buffer | undefined {
    return this.#walk(splitPath(Buffer.from(containerPath)), "all", (found) => {
      if (found.kind !== "other" || (found.status.mode & fileTypes.S_IFMT) !== fileTypes.S_IFREG) return undefined;
      const fd = openat({
        dirFd: found.dirFd,
        path: found.name,
        flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
      });
      return readAndClose(fd, { containerPath, limitBytes });
    });
  }

  directoryIfExists(containerPath: string): DirectoryOwner | undefined {
    return this.#walk(splitPath(Buffer.from(containerPath)), "all", (found) => {
      const fd = found.kind === "directory" ? found.level[0] : undefined;
      if (fd === undefined) return undefined;
      const { uid, gid, mode } = fstat(fd);
      return { uid, gid, mode: mode & 0o7777 };
    });
  }

  /**
   * Finds the place of a path in the uppermost layer, and what the layers below have there: what a container would see if the
   * uppermost layer had only what is around it.
   *
   * @param components - the path, none of them a link; at least one.
   * @param use - gets a place and descriptors that are closed afterwards. Not called if the uppermost layer has no such place.
   */
  withPlace(components: readonly Buffer[], use: (place: PlaceInLayer) => void): void {
    const path = components[components.length - 1];
    if (path === undefined) throw new Error("the root has no place in a directory");
    this.#walk(components.slice(0, -1), "none", (found) => {
      if (found.kind !== "directory") return;
      const [dirFd = -1, ...lower] = found.level;
      const below = lookUp(lower, path);
      try {
        use({ dirFd, path, below: below?.kind, lowerFd: below?.kind === "directory" ? below.level[0] : undefined });
      } finally {
        if (below?.kind === "directory") closeLevel(below.level);
      }
    });
  }

  /** The root of the uppermost layer, open for reading; undefined where there is no layer. It stays this object's. */
  get rootFd(): number | undefined {
    return this.#root[0];
  }

  withFile<Result>(path: Buffer, use: (file: LowerFile) => Result): Result | undefined {
    return this.#walk(splitPath(path), "parents", (found, parents) => {
      if (found.kind !== "other") return undefined;
      const { dirFd, name, status } = found;
      return use({ dirFd, path: name, status, components: [...parents, name] });
    });
  }

  /** The uppermost layer may be on its way: its root becomes opaque when its archive says so. */
  #visibleRoot(): Level {
    const [top, ...lower] = this.#root;
    return top !== undefined && lower.length > 0 && isOpaque(top) ? [top] : this.#root;
  }

  /** @param use - gets what was found, and the names of the directories that lead to it. */
  #walk<Result>(
    components: readonly Buffer[],
    followed: FollowedLinks,
    use: (found: Found, parents: readonly Buffer[]) => Result | undefined,
  ): Result | undefined {
    const root = this.#visibleRoot();
    const stack: { readonly level: Level; readonly name: Buffer }[] = [];
    const top = () => stack[stack.length - 1]?.level ?? root;
    const pop = () => closeLevel(stack.pop()?.level ?? []);
    try {
      const pending = [...components];
      let links = 0;
      for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
        if (name.equals(Buffer.from(".."))) {
          pop();
          continue;
        }
        const found = lookUp(top(), name);
        if (found === undefined) return undefined;
        if (found.kind === "directory") {
          stack.push({ level: found.level, name });
          continue;
        }
        const isLink = (found.status.mode & fileTypes.S_IFMT) === fileTypes.S_IFLNK;
        if (isLink && (followed === "all" || (followed === "parents" && pending.length > 0))) {
          if (++links > maxLinks) return undefined;
          const target = readlinkat({ dirFd: found.dirFd, path: found.name });
          if (target[0] === slash) while (stack.length > 0) pop();
          pending.unshift(...splitPath(target));
          continue;
        }
        const parents = stack.map((directory) => directory.name);
        return pending.length > 0 ? undefined : use(found, parents);
      }
      return use({ kind: "directory", level: top() }, []);
    } finally {
      while (stack.length > 0) pop();
    }
  }
}

/** Finds a name in a directory of the merged tree. A directory that is found is the caller's to close. */
function lookUp(level: Level, name: Buffer): Found | undefined {
  const directories: number[] = [];
  try {
    for (const dirFd of level) {
      const status = lstatIfExists({ dirFd, path: name });
      if (status === undefined) continue;
      const type = status.mode & fileTypes.S_IFMT;
      if (type === fileTypes.S_IFDIR) {
        const fd = openat({ dirFd, path: name, flags: directoryFlags });
        directories.push(fd);
        if (isOpaque(fd)) break;
        continue;
      }
      const isWhiteout = type === fileTypes.S_IFCHR && status.rdevMajor === 0 && status.rdevMinor === 0;
      if (directories.length === 0 && !isWhiteout) return { kind: "other", status, dirFd, name };
      break;
    }
  } catch (error) {
    closeLevel(directories);
    throw error;
  }
  return directories.length === 0 ? undefined : { kind: "directory", level: directories };
}

/** Whether an open directory of a layer hides what the layers below have of it. */
export function isOpaque(fd: number): boolean {
  return ["trusted.overlay.opaque", "user.overlay.opaque"].some((name) => {
    try {
      return fgetxattr(fd, name)?.toString() === "y";
    } catch (error) {
      // File systems without extended attributes have none that are opaque.
      if (hasCode(error, "EOPNOTSUPP")) return false;
      throw error;
    }
  });
}

function closeLevel(level: Level): void {
  for (const fd of level) closeFd(fd);
}

/** The components of a path, without empty ones and `.`. */
export function splitPath(path: Buffer): Buffer[] {
  const components: Buffer[] = [];
  for (let start = 0; start <= path.length; ) {
    const found = path.indexOf(slash, start);
    const end = found < 0 ? path.length : found;
    const component = path.subarray(start, end);
    if (component.length > 0 && !component.equals(Buffer.from("."))) components.push(component);
    start = end + 1;
  }
  return components;
}

/**
 * Reads a whole file from its descriptor, which is closed.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` if it is larger than the limit.
 */
export function readAndClose(fd: number, options: { containerPath: string; limitBytes: number }): Buffer {
  const { containerPath, limitBytes } = options;
  try {
    const { sizeBytes } = fstat(fd);
    if (sizeBytes > limitBytes)
      throw new RunletError(
        "ERR_RUNLET_IMAGE",
        `${quote(containerPath)} in the image has ${sizeBytes} bytes, more than ${limitBytes}`,
      );
    const bytes = Buffer.alloc(sizeBytes);
    let done = 0;
    while (done < sizeBytes) {
      const count = readSync(fd, bytes, done, sizeBytes - done, done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(fd);
  }
}
