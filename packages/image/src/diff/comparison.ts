import { readSync } from "node:fs";
import { closeFd, type FileStatus, fileTypes, readlinkat } from "@runlet/syscall";
import type { ExtendedAttribute } from "@runlet/tar";
import { openEntry, readXattrs, readXattrsOf, typeOf } from "./entry-attributes.ts";
import type { MergedDirectory, MergedEntry } from "./merged-directory.ts";

const chunkBytes = 256 << 10;

/** Whether two entries are the very same file of one layer. */
export function isSameFile(from: FileStatus, to: FileStatus): boolean {
  return from.ino === to.ino && from.dev === to.dev;
}

/**
 * Whether a file is another one than before: in type, owner, mode, time, device, link target, attributes or content. Content is
 * read wherever all else is equal, since a time can be set.
 *
 * @throws SyscallError
 */
export function isFileModified(from: MergedEntry, to: MergedEntry): boolean {
  if (isSameFile(from.status, to.status)) return false;
  if (isStatusModified(from.status, to.status) || !hasSameXattrs(readXattrs(from), readXattrs(to))) return true;
  switch (typeOf(to.status)) {
    case fileTypes.S_IFREG:
      return !hasSameContent(from, to);
    case fileTypes.S_IFLNK:
      return !readlinkat(from.place).equals(readlinkat(to.place));
    default:
      return false;
  }
}

/**
 * Whether the directory itself is another one than before, whatever it holds.
 *
 * @param options.ignoresTime - for one whose time tells only of something that is not compared.
 * @throws SyscallError
 */
export function isDirectoryModified(options: {
  from: { readonly directory: MergedDirectory; readonly status: FileStatus };
  to: { readonly directory: MergedDirectory; readonly status: FileStatus };
  ignoresTime: boolean;
}): boolean {
  const { from, to, ignoresTime } = options;
  if (isSameFile(from.status, to.status)) return false;
  if (isOwnershipModified(from.status, to.status)) return true;
  if (!ignoresTime && !isSameTime(from.status, to.status)) return true;
  return !hasSameXattrs(readXattrsOf(from.directory.fd), readXattrsOf(to.directory.fd));
}

function isStatusModified(from: FileStatus, to: FileStatus): boolean {
  return (
    isOwnershipModified(from, to) ||
    !isSameTime(from, to) ||
    from.nlink !== to.nlink ||
    from.rdevMajor !== to.rdevMajor ||
    from.rdevMinor !== to.rdevMinor ||
    from.sizeBytes !== to.sizeBytes
  );
}

function isOwnershipModified(from: FileStatus, to: FileStatus): boolean {
  return from.mode !== to.mode || from.uid !== to.uid || from.gid !== to.gid;
}

function isSameTime({ mtime: from }: FileStatus, { mtime: to }: FileStatus): boolean {
  return from.seconds === to.seconds && from.nanoseconds === to.nanoseconds;
}

function hasSameXattrs(from: readonly ExtendedAttribute[], to: readonly ExtendedAttribute[]): boolean {
  return (
    from.length === to.length &&
    from.every(({ name, value }, index) => {
      const other = to[index];
      return other !== undefined && name.equals(other.name) && value.equals(other.value);
    })
  );
}

function hasSameContent(from: MergedEntry, to: MergedEntry): boolean {
  let fromFd: number | undefined;
  let toFd: number | undefined;
  try {
    fromFd = openEntry(from);
    toFd = openEntry(to);
    const length = Math.min(chunkBytes, to.status.sizeBytes);
    const before = Buffer.allocUnsafe(length);
    const after = Buffer.allocUnsafe(length);
    for (let offset = 0; offset < to.status.sizeBytes; ) {
      const count = readFully(toFd, after, offset);
      if (count === 0 || readFully(fromFd, before, offset) !== count) return false;
      if (!before.subarray(0, count).equals(after.subarray(0, count))) return false;
      offset += count;
    }
    return true;
  } finally {
    if (fromFd !== undefined) closeFd(fromFd);
    if (toFd !== undefined) closeFd(toFd);
  }
}

function readFully(fd: number, into: Buffer, offset: number): number {
  let done = 0;
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}
