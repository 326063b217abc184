import { quote } from "@runlet/errors";
import { closeFd, type FileStatus, fileTypes, linkat, lstatIfExists, openFlags } from "@runlet/syscall";
import type { ArchiveEntry } from "@runlet/tar";
import type { FileQueue } from "./file-queue.ts";
import type { LowerFile, LowerFiles } from "./lower-files.ts";
import type { XattrRefused } from "./metadata.ts";
import { copyNode } from "./node-copy.ts";
import { joinPath, type RootDirectory } from "./root-directory.ts";
import { type UnpackTarget, unpackError } from "./unpack-target.ts";
import type { WhiteoutHandler } from "./whiteout.ts";

/** What hard links are made with. */
export interface HardLinksOptions {
  readonly root: RootDirectory;
  readonly target: UnpackTarget;
  readonly queue: Pick<FileQueue, "settle">;
  readonly whiteouts: WhiteoutHandler | undefined;
  /** Where files are looked for that the archive itself has not; undefined if that is all. */
  readonly lower: LowerFiles | undefined;
  /** Whether copies of lower files have their owners. */
  readonly keepsOwner: boolean;
  /** Told how large a file is before it is copied; may throw. */
  readonly beforeCopy: (entry: ArchiveEntry, sizeBytes: number) => void;
}

/** Makes the hard links of an archive. */
export class HardLinks {
  readonly #options: HardLinksOptions;

  constructor(options: HardLinksOptions) {
    this.#options = options;
  }

  /**
   * Gives a file another name. A file that only the layers below have is copied into this one first, as overlayfs does it for
   * link(2): both names are one file then.
   *
   * @param components - where the entry lies.
   * @param refused - told of attributes that a copy could not be given.
   * @throws RunletError `ERR_RUNLET_ARCHIVE`, with `details.linkTarget` where there is no such file.
   */
  make(entry: ArchiveEntry, components: readonly Buffer[], refused: XattrRefused): void {
    const { target, queue } = this.#options;
    const from = target.split(entry.linkTarget);
    queue.settle();
    if (from.length > 0 && this.#link(entry, { from, to: components })) return;
    const copied = from.length === 0 ? undefined : this.#copyUp(entry, { from, refused });
    if (copied !== undefined && this.#link(entry, { from: copied, to: components })) return;
    throw unpackError(entry.path, "it is another name of a file that is not there", {
      details: { linkTarget: quote(entry.linkTarget.toString()) },
    });
  }

  /** @returns false if there is no such file. */
  #link(entry: ArchiveEntry, names: { from: readonly Buffer[]; to: readonly Buffer[] }): boolean {
    const { root, target } = this.#options;
    // Resolved in the root again, whatever the tree has become: finding one parent may close the descriptor of the other,
    // so the target's is opened for this alone.
    const parentFd = root.openIfExists(joinPath(names.from.slice(0, -1)), openFlags.O_PATH | openFlags.O_DIRECTORY);
    if (parentFd === undefined) return false;
    try {
      const from = { dirFd: parentFd, path: names.from.at(-1) ?? Buffer.alloc(0) };
      const status = lstatIfExists(from);
      if (status === undefined || this.#isWhiteout(status)) return false;
      if ((status.mode & fileTypes.S_IFMT) === fileTypes.S_IFDIR)
        throw unpackError(entry.path, "it is another name of a directory");
      const place = target.place(names.to);
      const existing = lstatIfExists(place);
      if (existing?.ino === status.ino && existing.dev === status.dev) return true;
      target.makeNew(place, () => linkat({ from, to: place }));
      return true;
    } finally {
      closeFd(parentFd);
    }
  }

  /** Whether a file stands for one of the layers below that is not there: it gets no second name. */
  #isWhiteout({ mode, rdevMajor, rdevMinor }: FileStatus): boolean {
    const isDevice = (mode & fileTypes.S_IFMT) === fileTypes.S_IFCHR;
    return this.#options.whiteouts?.mode === "overlay" && isDevice && rdevMajor === 0 && rdevMinor === 0;
  }

  /** @returns where the file lies in this layer; undefined if no layer has it. */
  #copyUp(
    entry: ArchiveEntry,
    options: { from: readonly Buffer[]; refused: XattrRefused },
  ): LowerFile["components"] | undefined {
    const { lower, target, whiteouts, keepsOwner, beforeCopy } = this.#options;
    const { from, refused } = options;
    return lower?.withFile(joinPath(from), (file) => {
      const { components, status } = file;
      const to = target.place(components);
      // A link of the layers below may have led to a file of this one.
      if (lstatIfExists(to) !== undefined) return components;
      beforeCopy(entry, status.sizeBytes);
      copyNode({ from: file, to, status, keepsOwner, refused });
      whiteouts?.noteCopy(components);
      return components;
    });
  }
}
