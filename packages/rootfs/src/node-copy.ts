import {
  closeFd,
  type FileStatus,
  fgetxattr,
  fileTypes,
  flistxattr,
  fstat,
  getxattrat,
  listxattrat,
  mknodat,
  openat,
  openFlags,
  type Place,
  readlinkat,
  symlinkat,
} from "@runlet/syscall";
import { copyContent } from "./file-copy.ts";
import { applyToDescriptor, applyToPlace, type Metadata, type Xattr, type XattrRefused } from "./metadata.ts";
import { isErrno } from "./root-directory.ts";
import { createFlags } from "./unpack-target.ts";

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = openFlags;

/** A file that is to be copied. */
export interface NodeCopy {
  readonly from: Place;
  /** Where nothing is. */
  readonly to: Place;
  /** What lstat(2) says of `from`. */
  readonly status: FileStatus;
  /** Whether owners are carried over, which needs root. */
  readonly keepsOwner: boolean;
  readonly refused: XattrRefused;
}

/**
 * Copies one file that is neither a directory nor a socket, with all that it carries: content and holes, or where a link
 * leads, or a device's numbers; owner, mode, attributes, times. No link is followed.
 *
 * @throws SyscallError or Node's error, e.g. `ENOSPC`.
 */
export function copyNode({ from, to, status, keepsOwner, refused }: NodeCopy): void {
  const type = status.mode & fileTypes.S_IFMT;
  if (type === fileTypes.S_IFREG) {
    copyFile({ from, to, keepsOwner, refused });
    return;
  }
  if (type === fileTypes.S_IFLNK) symlinkat({ ...to, target: readlinkat(from) });
  else mknodat({ ...to, mode: status.mode, major: status.rdevMajor, minor: status.rdevMinor });
  const metadata = metadataOf({ status, xattrs: readXattrsAt(from), keepsOwner });
  applyToPlace(to, { ...metadata, isLink: type === fileTypes.S_IFLNK }, refused);
}

function copyFile(options: { from: Place; to: Place; keepsOwner: boolean; refused: XattrRefused }): void {
  const { from, to, keepsOwner, refused } = options;
  const inFd = openat({ ...from, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK });
  let outFd: number | undefined;
  try {
    outFd = openat({ ...to, flags: createFlags, mode: 0o600 });
    copyContent(inFd, outFd);
    applyToDescriptor(outFd, metadataOf({ status: fstat(inFd), xattrs: readXattrs(inFd), keepsOwner }), refused);
  } finally {
    closeFd(inFd);
    if (outFd !== undefined) closeFd(outFd);
  }
}

/** What a file carries, to be given to another one. */
export function metadataOf(options: { status: FileStatus; xattrs: readonly Xattr[]; keepsOwner: boolean }): Metadata {
  const { status, xattrs, keepsOwner } = options;
  const { uid, gid, mode, mtime, atime } = status;
  return { ...(keepsOwner ? { uid, gid } : { uid: -1, gid: -1 }), mode: mode & 0o7777, mtime, atime, xattrs };
}

/** The extended attributes of an open file. @throws SyscallError */
export function readXattrs(fd: number): Xattr[] {
  return collectXattrs(
    () => flistxattr(fd),
    (name) => fgetxattr(fd, name),
  );
}

function readXattrsAt(place: Place): Xattr[] {
  return collectXattrs(
    () => listxattrat(place),
    (name) => getxattrat({ ...place, name }),
  );
}

function collectXattrs(list: () => Buffer[], get: (name: Buffer) => Buffer | undefined): Xattr[] {
  try {
    return list().flatMap((name) => {
      const value = get(name);
      return value === undefined ? [] : [{ name, value }];
    });
  } catch (error) {
    // Before Linux 6.13 those of links and devices cannot be read by descriptor; some file systems have none.
    if (isErrno(error, "ENOSYS") || isErrno(error, "EOPNOTSUPP")) return [];
    throw error;
  }
}
