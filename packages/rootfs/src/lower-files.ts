import type { FileStatus, Place } from "@runlet/syscall";

/** A file of the tree that a layer and those below it make together. */
export interface LowerFile extends Place {
  /** What lstat(2) says of it. */
  readonly status: FileStatus;
  /** Where it lies in the tree, the links on the way resolved. */
  readonly components: readonly Buffer[];
}

/** The tree that a layer, as far as it is unpacked, and the layers below it make together. */
export interface LowerFiles {
  /**
   * Finds what a path leads to, hidden by no whiteout and no opaque directory. Links on the way are followed inside the tree,
   * one at the end is not.
   *
   * @param use - gets a place whose descriptor is open during the call.
   * @returns undefined if there is nothing, or a directory.
   * @throws SyscallError
   */
  withFile<Result>(path: Buffer, use: (file: LowerFile) => Result): Result | undefined;
}
