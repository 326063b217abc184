import {
  atFlags,
  chmodat,
  fchmod,
  fchownat,
  fsetxattr,
  type Place,
  setxattrat,
  type Timestamp,
  utimensat,
} from "@runlet/syscall";
import { isErrno } from "./root-directory.ts";

/** An extended attribute, name and value as bytes. */
export interface Xattr {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** What a file carries beside its content. */
export interface Metadata {
  /** -1 leaves the owner that the file has. */
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  readonly xattrs: readonly Xattr[];
  readonly mtime: Timestamp;
  readonly atime: Timestamp;
}

/** Told of an attribute that the file system or the caller's privileges do not allow. */
export type XattrRefused = (xattr: Xattr, errno: string) => void;

/**
 * Sets what a file or directory carries, by descriptor, in the order in which nothing undoes what went before: a change of
 * owner clears set-user-ID and file capabilities, a change of attributes could change the mode, and times come last.
 *
 * @throws SyscallError
 */
export function applyToDescriptor(fd: number, metadata: Metadata, refused: XattrRefused): void {
  const { uid, gid, mode, xattrs, atime, mtime } = metadata;
  if (uid !== -1 || gid !== -1) fchownat({ dirFd: fd, path: "", uid, gid, flags: atFlags.AT_EMPTY_PATH });
  fchmod(fd, mode);
  for (const xattr of xattrs) attempt(xattr, refused, () => setXattr(fd, xattr, mode));
  utimensat({ dirFd: fd, path: null, atime, mtime });
}

/** An attribute of the user's own takes the permission to write, which an owner may give for the time being (xattr(7)). */
function setXattr(fd: number, xattr: Xattr, mode: number): void {
  try {
    fsetxattr({ fd, ...xattr });
  } catch (error) {
    if (!isErrno(error, "EACCES")) throw error;
    fchmod(fd, mode | 0o200);
    try {
      fsetxattr({ fd, ...xattr });
    } finally {
      fchmod(fd, mode);
    }
  }
}

/** The same for a link, device, FIFO or socket, which is not opened for it. @throws SyscallError */
export function applyToPlace(place: Place, metadata: Metadata & { isLink: boolean }, refused: XattrRefused): void {
  const { uid, gid, mode, xattrs, atime, mtime, isLink } = metadata;
  const flags = atFlags.AT_SYMLINK_NOFOLLOW;
  if (uid !== -1 || gid !== -1) fchownat({ ...place, uid, gid, flags });
  if (!isLink) chmodat({ ...place, mode });
  for (const xattr of xattrs) attempt(xattr, refused, () => setxattrat({ ...place, ...xattr }));
  utimensat({ ...place, atime, mtime, flags });
}

function attempt(xattr: Xattr, refused: XattrRefused, set: () => void): void {
  try {
    set();
  } catch (error) {
    const code = ["EPERM", "EOPNOTSUPP", "ENOSYS"].find((candidate) => isErrno(error, candidate));
    if (code === undefined) throw error;
    refused(xattr, code);
  }
}
