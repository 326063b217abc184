import { DirectoryStack } from "@runlet/rootfs";
import { atFlags, fileTypes, fstatat, openat, openFlags, type Place, readDirectory } from "@runlet/syscall";
import { hasCode } from "../store/store-error.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = openFlags;
const blockUnitBytes = 512;

/**
 * Bytes on disk of a tree, as du(1) counts: each file once, however many names it has. What vanishes meanwhile, and what may
 * not be looked at, is not counted.
 *
 * @param hostPath - a directory or file; none is 0.
 * @throws SyscallError
 */
export function diskBytesOf(hostPath: string): number {
  const linked = new Set<string>();
  const { bytes, fd } = lookAt({ dirFd: atFlags.AT_FDCWD, path: hostPath }, linked);
  return fd === undefined ? bytes : bytes + bytesBelow(fd, linked);
}

/** The same for what is in a directory, without the directory's own blocks. @throws SyscallError */
export function diskBytesWithin(hostPath: string): number {
  let fd: number;
  try {
    fd = openDirectory({ dirFd: atFlags.AT_FDCWD, path: hostPath });
  } catch (error) {
    if (hasCode(error, "ENOENT")) return 0;
    throw error;
  }
  return bytesBelow(fd, new Set());
}

/** The bytes of one file, and a descriptor of it where it is a directory: the caller's. */
function lookAt(place: Place, linked: Set<string>): { bytes: number; fd?: number } {
  try {
    const status = fstatat({ ...place, flags: atFlags.AT_SYMLINK_NOFOLLOW });
    const bytes = status.blocks * blockUnitBytes;
    if ((status.mode & fileTypes.S_IFMT) === fileTypes.S_IFDIR) return { bytes, fd: openDirectory(place) };
    const key = `${status.dev}:${status.ino}`;
    if (status.nlink <= 1) return { bytes };
    if (linked.has(key)) return { bytes: 0 };
    linked.add(key);
    return { bytes };
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "EACCES")) return { bytes: 0 };
    throw error;
  }
}

/** @param fd - of the directory, which is closed. */
function bytesBelow(fd: number, linked: Set<string>): number {
  using stack = new DirectoryStack();
  const levels: Buffer[][] = [];
  const enter = (directoryFd: number) => {
    stack.push(directoryFd);
    levels.push(readDirectory(directoryFd).map(({ name }) => name));
  };
  enter(fd);
  let sum = 0;
  let currentFd: number | undefined = fd;
  for (let left = levels.at(-1); left !== undefined && currentFd !== undefined; left = levels.at(-1)) {
    const name = left.pop();
    if (name === undefined) {
      levels.pop();
      currentFd = stack.pop();
      continue;
    }
    const { bytes, fd: childFd } = lookAt({ dirFd: currentFd, path: name }, linked);
    sum += bytes;
    if (childFd === undefined) continue;
    enter(childFd);
    currentFd = childFd;
  }
  return sum;
}

function openDirectory(place: Place): number {
  return openat({ ...place, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW });
}
