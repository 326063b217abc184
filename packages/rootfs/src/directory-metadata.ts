import { readlinkSync } from "node:fs";
import { closeFd, openFlags } from "@runlet/syscall";
import { applyToDescriptor, type Metadata } from "./metadata.ts";
import { isErrno, joinPath, type RootDirectory, splitPath } from "./root-directory.ts";
import { idOf, wrapUnpackError } from "./unpack-target.ts";

const { O_DIRECTORY, O_PATH, O_RDONLY } = openFlags;

interface DeferredDirectory {
  readonly id: string;
  readonly components: readonly Buffer[];
  readonly metadata: Metadata;
}

/**
 * What the directories of an archive carry, to be set when all lies in them: a file that is made changes its directory's times,
 * and needs the permission to write there.
 */
export class DirectoryMetadata {
  readonly #root: RootDirectory;
  /** By device and inode. */
  readonly #directories = new Map<string, DeferredDirectory>();
  /** Those whose path may lead through a link. */
  readonly #unresolved = new Set<string>();

  constructor(root: RootDirectory) {
    this.#root = root;
  }

  /**
   * @param components - the directory's path, through links maybe.
   * @param fd - of the directory; stays the caller's.
   */
  defer(components: readonly Buffer[], fd: number, metadata: Metadata): void {
    const id = idOf(fd);
    this.#directories.set(id, { id, components, metadata });
    this.#unresolved.add(id);
  }

  /** Whether a directory is to carry anything. */
  has(fd: number): boolean {
    return this.#directories.has(idOf(fd));
  }

  /** Forgets a directory that is being removed. */
  forget(fd: number): void {
    const id = idOf(fd);
    this.#directories.delete(id);
    this.#unresolved.delete(id);
  }

  /** Finds out where the directories lie without any link: to be called before a link is removed that a path may lead through. */
  resolve(): void {
    for (const id of this.#unresolved) {
      const directory = this.#directories.get(id);
      if (directory !== undefined) this.#directories.set(id, { ...directory, components: this.#realPath(directory) });
    }
    this.#unresolved.clear();
  }

  #realPath(directory: DeferredDirectory): readonly Buffer[] {
    const fd = this.#openIfThere(directory, O_PATH);
    if (fd === undefined) return directory.components;
    try {
      const rootPath = pathOf(this.#root.fd);
      const path = pathOf(fd);
      return path.subarray(0, rootPath.length).equals(rootPath)
        ? splitPath(path.subarray(rootPath.length))
        : directory.components;
    } catch (error) {
      // Nobody needs procfs to unpack, and what lies deep has a longer path there than it gives; without one, a directory that
      // only a link led to keeps the mode that it was made with.
      if (isErrno(error, "ENOENT") || isErrno(error, "ENAMETOOLONG")) return directory.components;
      throw error;
    } finally {
      closeFd(fd);
    }
  }

  /**
   * Sets what is to be set, deepest first.
   *
   * @param refused - told of each extended attribute that could not be set.
   * @throws RunletError `ERR_RUNLET_ARCHIVE`
   */
  apply(refused: (path: Buffer, name: Buffer, errno: string) => void): void {
    const deepestFirst = [...this.#directories.values()].sort((a, b) => b.components.length - a.components.length);
    for (const directory of deepestFirst) {
      const path = joinPath(directory.components);
      const fd = this.#openIfThere(directory, O_RDONLY);
      if (fd === undefined) continue;
      try {
        applyToDescriptor(fd, directory.metadata, (xattr, errno) => refused(path, xattr.name, errno));
      } catch (error) {
        throw wrapUnpackError(path, error);
      } finally {
        closeFd(fd);
      }
    }
  }

  /** It may have been replaced since: what is there instead has its own entry, or none. */
  #openIfThere({ id, components }: DeferredDirectory, flags: number): number | undefined {
    const fd = this.#root.openIfExists(joinPath(components), flags | O_DIRECTORY);
    if (fd === undefined || idOf(fd) === id) return fd;
    closeFd(fd);
    return undefined;
  }
}

function pathOf(fd: number): Buffer {
  return readlinkSync(`/proc/self/fd/${fd}`, "buffer");
}
