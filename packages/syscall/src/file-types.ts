/** A name or path: text is passed to the kernel as UTF-8, bytes as they are. Neither may hold a NUL. */
export type PathLike = string | Uint8Array;

/** Where a path starts and what it is called: every call resolves `path` from the directory `dirFd`. */
export interface Place {
  /** A directory's descriptor, `O_PATH` will do; or `AT_FDCWD`. Stays open and stays the caller's. */
  readonly dirFd: number;
  readonly path: PathLike;
}

/** A point in time since the Unix epoch. */
export interface Timestamp {
  /** Whole seconds, rounded down; negative before 1970. */
  readonly seconds: number;
  /** 0 to 999 999 999, always counted forwards from `seconds`. */
  readonly nanoseconds: number;
}

/** What fstatat(2) says. Numbers that can pass 2^53 are BigInts. */
export interface FileStatus {
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly sizeBytes: number;
  /** Allocated blocks of 512 bytes: fewer than the size needs where a file has holes. */
  readonly blocks: number;
  readonly ino: bigint;
  readonly dev: bigint;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly atime: Timestamp;
  readonly mtime: Timestamp;
  readonly ctime: Timestamp;
}

/** An entry of a directory; its name is bytes and may be no UTF-8. */
export interface DirectoryEntry {
  readonly name: Buffer;
  /** One of {@link directoryEntryTypes}. */
  readonly type: number;
}

/** What fstatfs(2) says. */
export interface FileSystemStatus {
  /** Magic number of the file system type. */
  readonly type: number;
  /** Bits of {@link mountFlags}. */
  readonly flags: number;
  readonly blockSizeBytes: number;
  readonly blocks: number;
  readonly availableBlocks: number;
}
