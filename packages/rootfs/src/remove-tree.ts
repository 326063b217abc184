import {
  atFlags,
  chmodat,
  fchmod,
  fileTypes,
  lstatIfExists,
  openat,
  openFlags,
  type Place,
  readDirectory,
  unlinkat,
} from "@runlet/syscall";
import { DirectoryStack } from "./directory-stack.ts";
import { isErrno } from "./root-directory.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = openFlags;

/**
 * Removes whatever is at a place, a directory with all that it holds. Walks by descriptor and follows no link.
 *
 * @param place - one name below a directory.
 * @param onDirectory - told of each directory by a descriptor of its, before it is removed.
 * @returns what was removed; "nothing" if there was nothing.
 * @throws SyscallError
 */
export function removeTree(
  place: Place,
  onDirectory?: (fd: number) => void,
): "nothing" | "directory" | "link" | "other" {
  const status = lstatIfExists(place);
  if (status === undefined) return "nothing";
  const type = status.mode & fileTypes.S_IFMT;
  if (type !== fileTypes.S_IFDIR) {
    unlinkat(place);
    return type === fileTypes.S_IFLNK ? "link" : "other";
  }
  removeDirectory(place, onDirectory);
  return "directory";
}

/** What is left of a directory. */
interface Level {
  readonly name: Place["path"];
  readonly left: Buffer[];
  /** Whether its owner, an ordinary user, has got the permission to write. */
  isWritable: boolean;
}

/** However deep: neither calls nor descriptors are as many as the levels. */
function removeDirectory(place: Place, onDirectory?: (fd: number) => void): void {
  using stack = new DirectoryStack();
  const levels: Level[] = [];
  let fd = -1;
  const enter = (child: Place) => {
    fd = openDirectory(child);
    stack.push(fd);
    levels.push({ name: child.path, left: readDirectory(fd).map(({ name }) => name), isWritable: false });
  };
  enter(place);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const name = level.left.pop();
    if (name !== undefined) {
      if (!removeFile(fd, name, level)) enter({ dirFd: fd, path: name });
      continue;
    }
    onDirectory?.(fd);
    levels.pop();
    fd = stack.pop() ?? place.dirFd;
    unlinkat({ dirFd: fd, path: level.name, flags: atFlags.AT_REMOVEDIR });
  }
}

/** @returns false for a directory. */
function removeFile(fd: number, name: Buffer, level: Level): boolean {
  try {
    unlinkat({ dirFd: fd, path: name });
    return true;
  } catch (error) {
    if (isErrno(error, "EACCES") && !level.isWritable) {
      fchmod(fd, 0o700);
      level.isWritable = true;
      return removeFile(fd, name, level);
    }
    // unlink(2) of a directory: EISDIR, or EPERM as POSIX has it.
    if (!isErrno(error, "EISDIR") && !isErrno(error, "EPERM")) throw error;
    return false;
  }
}

/** Opens a directory that is to be removed, also one that its owner may not read. */
function openDirectory(place: Place): number {
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  try {
    return openat({ ...place, flags });
  } catch (error) {
    if (!isErrno(error, "EACCES")) throw error;
    chmodat({ ...place, mode: 0o700 });
    return openat({ ...place, flags });
  }
}
