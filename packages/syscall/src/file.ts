import { calls, fail } from "./file-binding.ts";
import { atFlags, fileTypes, openFlags } from "./file-flags.ts";
import type { DirectoryEntry, FileStatus, FileSystemStatus, PathLike, Place, Timestamp } from "./file-types.ts";

/**
 * Opens a file with openat2(2), whose `resolve` flags say how a path may be walked.
 *
 * @param options.flags - {@link openFlags}; `O_CLOEXEC` is always added.
 * @param options.mode - permission bits of a file that `O_CREAT` makes. Default 0.
 * @param options.resolve - {@link resolveFlags}. Default 0.
 * @returns a descriptor that the caller closes.
 * @throws SyscallError `EXDEV` or `ELOOP` where the path breaks a rule of `resolve`, `EAGAIN` where a rename raced with a
 *   `..` of it, `ENOSYS` before Linux 5.6.
 */
export function openat2(options: Place & { flags: number; mode?: number; resolve?: number }): number {
  const { dirFd, path } = options;
  const result = calls().openat2(
    dirFd,
    path,
    options.flags | openFlags.O_CLOEXEC,
    options.mode ?? 0,
    options.resolve ?? 0,
  );
  return result < 0 ? fail("openat2", result, path) : result;
}

/**
 * Opens a file with openat(2).
 *
 * @param options.flags - {@link openFlags}; `O_CLOEXEC` is always added.
 * @returns a descriptor that the caller closes.
 * @throws SyscallError
 */
export function openat(options: Place & { flags: number; mode?: number }): number {
  const { dirFd, path } = options;
  const result = calls().openat(dirFd, path, options.flags | openFlags.O_CLOEXEC, options.mode ?? 0);
  return result < 0 ? fail("openat", result, path) : result;
}

/** mkdirat(2); the umask applies. @throws SyscallError */
export function mkdirat(options: Place & { mode: number }): void {
  const result = calls().mkdirat(options.dirFd, options.path, options.mode);
  if (result < 0) fail("mkdirat", result, options.path);
}

/** mknodat(2): `mode` is type and permission bits, the umask applies. @throws SyscallError */
export function mknodat(options: Place & { mode: number; major?: number; minor?: number }): void {
  const { dirFd, path, mode, major, minor } = options;
  const result = calls().mknodat(dirFd, path, mode, major ?? 0, minor ?? 0);
  if (result < 0) fail("mknodat", result, path);
}

/**
 * symlinkat(2): makes a link at the place that says `target`, whatever that means to whoever follows it.
 *
 * @throws SyscallError
 */
export function symlinkat(options: Place & { target: PathLike }): void {
  const result = calls().symlinkat(options.target, options.dirFd, options.path);
  if (result < 0) fail("symlinkat", result, options.path);
}

/**
 * linkat(2): a second name for `from`.
 *
 * @param options.flags - {@link atFlags}, default 0: a link is not followed.
 * @throws SyscallError
 */
export function linkat(options: { from: Place; to: Place; flags?: number }): void {
  const { from, to } = options;
  const result = calls().linkat(from.dirFd, from.path, to.dirFd, to.path, options.flags ?? 0);
  if (result < 0) fail("linkat", result, to.path);
}

/** unlinkat(2). @param options.flags - `AT_REMOVEDIR` for a directory. @throws SyscallError */
export function unlinkat(options: Place & { flags?: number }): void {
  const result = calls().unlinkat(options.dirFd, options.path, options.flags ?? 0);
  if (result < 0) fail("unlinkat", result, options.path);
}

/** renameat2(2). @param options.flags - {@link renameFlags}. @throws SyscallError */
export function renameat2(options: { from: Place; to: Place; flags?: number }): void {
  const { from, to } = options;
  const result = calls().renameat2(from.dirFd, from.path, to.dirFd, to.path, options.flags ?? 0);
  if (result < 0) fail("renameat2", result, to.path);
}

/** readlinkat(2): what a link says, as bytes. With an empty path, of the `O_PATH` descriptor itself. @throws SyscallError */
export function readlinkat(place: Place): Buffer {
  const into = Buffer.alloc(4096);
  const result = calls().readlinkat(place.dirFd, place.path, into);
  return result < 0 ? fail("readlinkat", result, place.path) : into.subarray(0, result);
}

/**
 * Sets permission bits without following a link in the last component: fchmodat2(2), or before Linux 6.6 fchmodat(2) after
 * a look that there is no link.
 *
 * @throws SyscallError `EOPNOTSUPP` for a link, which has no permission bits.
 */
export function chmodat(options: Place & { mode: number }): void {
  const { dirFd, path, mode } = options;
  let result = calls().fchmodat2(dirFd, path, mode, atFlags.AT_SYMLINK_NOFOLLOW);
  if (result === -38) {
    const status = fstatat({ dirFd, path, flags: atFlags.AT_SYMLINK_NOFOLLOW });
    result = (status.mode & fileTypes.S_IFMT) === fileTypes.S_IFLNK ? -95 : calls().fchmodat(dirFd, path, mode);
  }
  if (result < 0) fail("fchmodat2", result, path);
}

/** fchmod(2). @throws SyscallError */
export function fchmod(fd: number, mode: number): void {
  const result = calls().fchmod(fd, mode);
  if (result < 0) fail("fchmod", result);
}

/** fchownat(2). @param options.flags - `AT_SYMLINK_NOFOLLOW`, or `AT_EMPTY_PATH` for the descriptor itself. @throws SyscallError */
export function fchownat(options: Place & { uid: number; gid: number; flags: number }): void {
  const { dirFd, path, uid, gid, flags } = options;
  const result = calls().fchownat(dirFd, path, uid, gid, flags);
  if (result < 0) fail("fchownat", result, path);
}

/**
 * utimensat(2) to the nanosecond.
 *
 * @param options.path - null for the descriptor itself, which then must not be an `O_PATH` one.
 * @throws SyscallError
 */
export function utimensat(options: {
  dirFd: number;
  path: PathLike | null;
  atime: Timestamp;
  mtime: Timestamp;
  flags?: number;
}): void {
  const { dirFd, path, atime, mtime } = options;
  const result = calls().utimensat(
    dirFd,
    path,
    atime.seconds,
    atime.nanoseconds,
    mtime.seconds,
    mtime.nanoseconds,
    options.flags ?? 0,
  );
  if (result < 0) fail("utimensat", result, path ?? undefined);
}

const statusNumbers = new BigInt64Array(16);
const statusBytes = new Uint8Array(statusNumbers.buffer);

/**
 * fstatat(2).
 *
 * @param options.flags - {@link atFlags}; with `AT_EMPTY_PATH` and an empty path, of the descriptor itself, `O_PATH` included.
 * @throws SyscallError
 */
export function fstatat(options: Place & { flags: number }): FileStatus {
  const result = calls().fstatat(options.dirFd, options.path, options.flags, statusBytes);
  if (result < 0) fail("fstatat", result, options.path);
  return readStatus();
}

/** fstat(2). @throws SyscallError */
export function fstat(fd: number): FileStatus {
  return fstatat({ dirFd: fd, path: "", flags: atFlags.AT_EMPTY_PATH });
}

/** As {@link fstatat}, without following a link; undefined if there is nothing of that name. @throws SyscallError */
export function lstatIfExists(place: Place): FileStatus | undefined {
  const result = calls().fstatat(place.dirFd, place.path, atFlags.AT_SYMLINK_NOFOLLOW, statusBytes);
  if (result === -2) return undefined;
  return result < 0 ? fail("fstatat", result, place.path) : readStatus();
}

/** As {@link fstatat} of a host path, following links; undefined if nothing is there. @throws SyscallError */
export function statPath(hostPath: string): FileStatus | undefined {
  const result = calls().fstatat(atFlags.AT_FDCWD, hostPath, 0, statusBytes);
  if (result === -2) return undefined;
  return result < 0 ? fail("stat", result, hostPath) : readStatus();
}

/** Whether two looks at a path have found the same file, and nothing of it changed between them, as far as its times tell. */
export function isUnchanged(before: FileStatus, after: FileStatus): boolean {
  if (before.ino !== after.ino || before.dev !== after.dev || before.sizeBytes !== after.sizeBytes) return false;
  return isSameTime(before.mtime, after.mtime) && isSameTime(before.ctime, after.ctime);
}

function isSameTime(one: Timestamp, other: Timestamp): boolean {
  return one.seconds === other.seconds && one.nanoseconds === other.nanoseconds;
}

function readStatus(): FileStatus {
  const number = (index: number) => Number(statusNumbers[index]);
  return {
    mode: number(0),
    uid: number(1),
    gid: number(2),
    nlink: number(3),
    sizeBytes: number(4),
    blocks: number(5),
    ino: BigInt.asUintN(64, statusNumbers[6] ?? 0n),
    dev: BigInt.asUintN(64, statusNumbers[7] ?? 0n),
    rdevMajor: number(8),
    rdevMinor: number(9),
    atime: { seconds: number(10), nanoseconds: number(11) },
    mtime: { seconds: number(12), nanoseconds: number(13) },
    ctime: { seconds: number(14), nanoseconds: number(15) },
  };
}

/** What {@link replaceFile} writes. */
export interface FileReplacement {
  /** Beside `hostPath`; what is there is overwritten, and left when the writing fails. */
  readonly temporaryHostPath: string;
  readonly hostPath: string;
  readonly text: string;
  /** Of the new file, less the umask. */
  readonly mode: number;
}

/**
 * Writes a file beside the one that is there, and puts it in its place: a reader sees one or the other.
 *
 * @throws SyscallError of open(2), write(2) or rename(2).
 */
export function replaceFile({ temporaryHostPath, hostPath, text, mode }: FileReplacement): void {
  const failure = calls().replaceFile(temporaryHostPath, hostPath, text, mode);
  if (typeof failure === "number") return;
  const [errno, step] = failure;
  fail(["open", "write", "rename"][step] ?? "", -errno, temporaryHostPath);
}

/**
 * Whether a path leads to the file that is open: it may have been removed meanwhile, and another be there in its place.
 *
 * @throws SyscallError when it cannot be seen.
 */
export function leadsTo(hostPath: string, fd: number): boolean {
  const result = calls().leadsTo(hostPath, fd);
  if (result === -2) return false;
  return result < 0 ? fail("stat", result, hostPath) : result === 1;
}

/** fstatfs(2): of the file system and mount that a descriptor (`O_PATH` included) lies on. @throws SyscallError */
export function fstatfs(fd: number): FileSystemStatus {
  const result = calls().fstatfs(fd);
  if (typeof result === "number") fail("fstatfs", result);
  const [type, flags, blockSizeBytes, blocks, availableBlocks] = result;
  return { type, flags, blockSizeBytes, blocks, availableBlocks };
}

/**
 * copy_file_range(2): copies within the kernel, by reference where the file system can.
 *
 * @returns bytes copied, 0 at the end.
 * @throws SyscallError `EXDEV`, `EINVAL` or `EOPNOTSUPP` where the two files cannot share.
 */
export function copyFileRange(options: {
  inFd: number;
  inOffset: number;
  outFd: number;
  outOffset: number;
  lengthBytes: number;
}): number {
  const { inFd, inOffset, outFd, outOffset, lengthBytes } = options;
  const result = calls().copyFileRange(inFd, inOffset, outFd, outOffset, lengthBytes);
  return result < 0 ? fail("copy_file_range", result) : result;
}

/** lseek(2). @param whence - {@link seekWhence}. @throws SyscallError `ENXIO` for `SEEK_DATA` with only a hole left. */
export function lseek(fd: number, offset: number, whence: number): number {
  const result = calls().lseek(fd, offset, whence);
  return result < 0 ? fail("lseek", result) : result;
}

/**
 * syncfs(2), on a thread of the pool: waits until everything written to a file system is on its disk, by whomever.
 *
 * @param fd - any file of it, open for more than its path; stays open until the promise is settled.
 * @throws SyscallError `EIO`, `ENOSPC` or `EDQUOT` if writing back failed since `fd` was opened (reported from Linux 5.8 on).
 */
export async function syncfs(fd: number): Promise<void> {
  const result = await calls().syncfs(fd);
  if (result < 0) fail("syncfs", result);
}

/** close(2). Whatever it answers, the descriptor is gone. */
export function closeFd(fd: number): void {
  calls().closeFile(fd);
}

/**
 * Reads a directory by descriptor, from where the descriptor stands to the end, without `.` and `..`.
 *
 * @param fd - a descriptor opened with `O_RDONLY | O_DIRECTORY`.
 * @throws SyscallError
 */
export function readDirectory(fd: number): DirectoryEntry[] {
  const packed = readPacked(fd);
  const entries: DirectoryEntry[] = [];
  for (let offset = 0; offset < packed.length; ) {
    const end = packed.indexOf(0, offset + 1);
    entries.push({ name: packed.subarray(offset + 1, end), type: packed[offset] ?? 0 });
    offset = end + 1;
  }
  return entries;
}

/** As {@link readDirectory}, the names alone, as text. */
export function readNames(fd: number): string[] {
  const packed = readPacked(fd).toString();
  const names: string[] = [];
  for (let offset = 0; offset < packed.length; ) {
    const end = packed.indexOf("\0", offset + 1);
    names.push(packed.slice(offset + 1, end));
    offset = end + 1;
  }
  return names;
}

function readPacked(fd: number): Buffer {
  const packed = calls().readDirectory(fd);
  return typeof packed === "number" ? fail("getdents64", packed) : packed;
}
