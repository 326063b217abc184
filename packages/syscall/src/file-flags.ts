const isArm = process.arch === "arm64";

/** Flags of open(2) and openat2(2), as this architecture's kernel numbers them. */
export const openFlags = {
  O_RDONLY: 0,
  O_WRONLY: 0o1,
  O_RDWR: 0o2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NOCTTY: 0o400,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DIRECTORY: isArm ? 0o40000 : 0o200000,
  O_NOFOLLOW: isArm ? 0o100000 : 0o400000,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
} as const;

/** Flags of the `resolve` field of openat2(2). */
export const resolveFlags = {
  RESOLVE_NO_XDEV: 0x01,
  RESOLVE_NO_MAGICLINKS: 0x02,
  RESOLVE_NO_SYMLINKS: 0x04,
  RESOLVE_BENEATH: 0x08,
  RESOLVE_IN_ROOT: 0x10,
} as const;

/** Flags of the *at calls. */
export const atFlags = {
  AT_FDCWD: -100,
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_REMOVEDIR: 0x200,
  AT_SYMLINK_FOLLOW: 0x400,
  AT_EMPTY_PATH: 0x1000,
} as const;

/** Flags of renameat2(2). */
export const renameFlags = { RENAME_NOREPLACE: 1, RENAME_EXCHANGE: 2 } as const;

/** The nanoseconds that tell utimensat(2) to leave a time as it is, or to take the current one. */
export const utime = { UTIME_NOW: 0x3fffffff, UTIME_OMIT: 0x3ffffffe } as const;

/** `whence` of lseek(2). */
export const seekWhence = { SEEK_SET: 0, SEEK_CUR: 1, SEEK_END: 2, SEEK_DATA: 3, SEEK_HOLE: 4 } as const;

/** The bits of `mode` that say what a file is, as stat(2) names them. */
export const fileTypes = {
  S_IFMT: 0o170000,
  S_IFSOCK: 0o140000,
  S_IFLNK: 0o120000,
  S_IFREG: 0o100000,
  S_IFBLK: 0o060000,
  S_IFDIR: 0o040000,
  S_IFCHR: 0o020000,
  S_IFIFO: 0o010000,
} as const;

/** `d_type` of a directory entry. `DT_UNKNOWN` where the file system does not say. */
export const directoryEntryTypes = {
  DT_UNKNOWN: 0,
  DT_FIFO: 1,
  DT_CHR: 2,
  DT_DIR: 4,
  DT_BLK: 6,
  DT_REG: 8,
  DT_LNK: 10,
  DT_SOCK: 12,
} as const;

/** Flags that statfs(2) reports for a mount. */
export const mountFlags = { ST_RDONLY: 1, ST_NOSUID: 2, ST_NODEV: 4, ST_NOEXEC: 8 } as const;
