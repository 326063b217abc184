import { atFlags, closeFd, fileTypes, fstatat, openat, openFlags, type Place, readDirectory } from "@runlet/syscall";
import { hasCode } from "../store/store-error.ts";

const blockUnitBytes = 512;

/**
 * Bytes on disk of a tree, as du(1) counts: each file once, however many names it has. What vanishes meanwhile, and what may
 * not be looked at, is not counted.
 *
 * @param hostPath - a directory or file; none is 0.
 * @throws SyscallError
 */
export function diskBytesOf(hostPath: string): number {
  return bytesAt({ dirFd: atFlags.AT_FDCWD, path: hostPath }, new Set());
}

/** The same for what is in a directory, without the directory's own blocks. @throws SyscallError */
export function diskBytesWithin(hostPath: string): number {
  try {
    return bytesBelow({ dirFd: atFlags.AT_FDCWD, path: hostPath }, new Set());
  } catch (error) {
    if (hasCode(error, "ENOENT")) return 0;
    throw error;
  }
}

function bytesAt(place: Place, linked: Set<string>): number {
  try {
    const status = fstatat({ ...place, flags: atFlags.AT_SYMLINK_NOFOLLOW });
    const isDirectory = (status.mode & fileTypes.S_IFMT) === fileTypes.S_IFDIR;
    if (!isDirectory && status.nlink > 1) {
      const key = `${status.dev}:${status.ino}`;
      if (linked.has(key)) return 0;
      linked.add(key);
    }
    const own = status.blocks * blockUnitBytes;
    return isDirectory ? own + bytesBelow(place, linked) : own;
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "EACCES")) return 0;
    throw error;
  }
}

function bytesBelow(place: Place, linked: Set<string>): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = openFlags;
  const fd = openat({ ...place, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW });
  try {
    let sum = 0;
    for (const { name } of readDirectory(fd)) sum += bytesAt({ dirFd: fd, path: name }, linked);
    return sum;
  } finally {
    closeFd(fd);
  }
}
