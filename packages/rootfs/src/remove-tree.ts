import {
  atFlags,
  chmodat,
  closeFd,
  fchmod,
  fileTypes,
  lstatIfExists,
  openat,
  openFlags,
  type Place,
  readDirectory,
  unlinkat,
} from "@runlet/syscall";
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

/** One level at a time, with one descriptor for each level of the path that is being removed. */
function removeDirectory(place: Place, onDirectory?: (fd: number) => void): void {
  const fd = openDirectory(place);
  let isOpened = false;
  try {
    for (const { name } of readDirectory(fd)) {
      const child = { dirFd: fd, path: name };
      try {
        unlinkat(child);
      } catch (error) {
        if (isErrno(error, "EACCES") && !isOpened) {
          // An ordinary user's directory without the permission to write. A change of mode holds for the whole listing.
          fchmod(fd, 0o700);
          isOpened = true;
          if (removeTree(child, onDirectory) !== "nothing") continue;
        }
        // unlink(2) of a directory: EISDIR, or EPERM as POSIX has it.
        if (!isErrno(error, "EISDIR") && !isErrno(error, "EPERM")) throw error;
        removeDirectory(child, onDirectory);
      }
    }
    onDirectory?.(fd);
  } finally {
    closeFd(fd);
  }
  unlinkat({ ...place, flags: atFlags.AT_REMOVEDIR });
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
