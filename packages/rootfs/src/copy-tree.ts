import { quote, RunletError } from "@runlet/errors";
import {
  closeFd,
  type FileStatus,
  fileTypes,
  fstat,
  linkat,
  lstatIfExists,
  mkdirat,
  openat,
  openFlags,
  type Place,
  readDirectory,
} from "@runlet/syscall";
import { applyToDescriptor, type Xattr } from "./metadata.ts";
import { copyNode, metadataOf, readXattrs } from "./node-copy.ts";
import { removeTree } from "./remove-tree.ts";
import { errnoOf, isErrno, type RootDirectory } from "./root-directory.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = openFlags;
/** Twice what an archive may have. Each level is a call within a call: many more would be too many. */
const maxDepth = 1000;

interface Copy {
  /** Whether owners, devices and privileged attributes are carried over, which needs root. */
  readonly isPrivileged: boolean;
  /** First copy of each file with several names, by device and inode. */
  readonly linked: Map<string, string>;
  readonly to: RootDirectory;
  /** Device and inode of the root that is copied to. */
  readonly toKey: string;
  readonly notes: Set<string>;
}

/**
 * Copies what a directory holds into another: hard links, devices, FIFOs, extended attributes, holes, times. Both sides are
 * walked by descriptor and no link is followed. Sockets are left out, as nobody listens on a copy. A directory in which the
 * root itself lies is refused: its copy would hold a copy of the copy, without end.
 *
 * @param options.fromFd - the directory to copy, open for reading. Stays the caller's.
 * @param options.to - the root to copy to.
 * @param options.containerPath - the directory in it that takes the content; made if missing.
 * @returns what was left out, in sentences.
 * @throws RunletError `ERR_RUNLET_BUNDLE`
 */
export function copyTree(options: { fromFd: number; to: RootDirectory; containerPath: string }): string[] {
  const { fromFd, to, containerPath } = options;
  const isPrivileged = process.geteuid?.() === 0;
  const copy: Copy = { isPrivileged, linked: new Map(), to, toKey: keyOf(fstat(to.fd)), notes: new Set() };
  const toFd = to.ensureDirectory(containerPath);
  try {
    copyDirectory(copy, { fromFd, toFd, path: containerPath.replace(/\/+$/, ""), depth: 0 });
  } finally {
    closeFd(toFd);
  }
  return [...copy.notes];
}

function copyDirectory(copy: Copy, options: { fromFd: number; toFd: number; path: string; depth: number }): void {
  const { fromFd, toFd, path, depth } = options;
  if (depth > maxDepth)
    throw new RunletError("ERR_RUNLET_BUNDLE", `cannot copy ${quote(path)}: directories lie too deep`);
  if (keyOf(fstat(fromFd)) === copy.toKey)
    throw new RunletError("ERR_RUNLET_BUNDLE", "cannot copy a directory into itself: the bundle lies in it", {
      hint: "make the bundle in a directory that is not among its sources",
    });
  for (const { name } of readDirectory(fromFd)) {
    // Bytes as Latin-1: a name for messages and for links, given back byte for byte.
    const childPath = `${path}/${name.toString("latin1")}`;
    try {
      copyChild(copy, { from: { dirFd: fromFd, path: name }, to: { dirFd: toFd, path: name }, childPath, depth });
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      throw new RunletError("ERR_RUNLET_BUNDLE", `cannot copy ${quote(childPath)}`, {
        syscall: (error as { syscall?: string }).syscall,
        errno,
        cause: error,
      });
    }
  }
  const metadata = metadataOf({
    status: fstat(fromFd),
    xattrs: readXattrs(fromFd),
    keepsOwner: copy.isPrivileged,
  });
  applyToDescriptor(toFd, metadata, refuse(copy, path));
}

function copyChild(copy: Copy, options: { from: Place; to: Place; childPath: string; depth: number }): void {
  const { from, to, childPath, depth } = options;
  const status = lstatIfExists(from);
  if (status === undefined) return;
  const type = status.mode & fileTypes.S_IFMT;
  if (type === fileTypes.S_IFDIR) {
    copySubdirectory(copy, { from, to, childPath, depth });
    return;
  }
  if (status.nlink > 1 && linkToFirst(copy, { status, to, childPath })) return;
  if (lstatIfExists(to) !== undefined) removeTree(to);
  if (type === fileTypes.S_IFSOCK) {
    copy.notes.add(`the socket ${quote(childPath)} was left out`);
    return;
  }
  const isDevice = type === fileTypes.S_IFCHR || type === fileTypes.S_IFBLK;
  if (isDevice && !copy.isPrivileged) {
    copy.notes.add(`the device ${quote(childPath)} was left out: making devices needs root`);
    return;
  }
  copyNode({ from, to, status, keepsOwner: copy.isPrivileged, refused: refuse(copy, childPath) });
}

function copySubdirectory(copy: Copy, options: { from: Place; to: Place; childPath: string; depth: number }): void {
  const { from, to, childPath, depth } = options;
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  const fromFd = openat({ ...from, flags });
  let toFd: number | undefined;
  try {
    const existing = lstatIfExists(to);
    if (existing !== undefined && (existing.mode & fileTypes.S_IFMT) !== fileTypes.S_IFDIR) removeTree(to);
    try {
      mkdirat({ ...to, mode: 0o700 });
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
    }
    toFd = openat({ ...to, flags });
    copyDirectory(copy, { fromFd, toFd, path: childPath, depth: depth + 1 });
  } finally {
    closeFd(fromFd);
    if (toFd !== undefined) closeFd(toFd);
  }
}

/** What a file is known by, whatever its names. */
function keyOf(status: FileStatus): string {
  return `${status.dev}:${status.ino}`;
}

/** Gives the first copy of a file another name. @returns false if this is the first. */
function linkToFirst(copy: Copy, options: { status: FileStatus; to: Place; childPath: string }): boolean {
  const { status, to, childPath } = options;
  const key = keyOf(status);
  const first = copy.linked.get(key);
  if (first === undefined) {
    copy.linked.set(key, childPath);
    return false;
  }
  const slash = first.lastIndexOf("/");
  const dirFd = copy.to.open(Buffer.from(first.slice(0, slash + 1), "latin1"), openFlags.O_PATH | O_DIRECTORY);
  try {
    if (lstatIfExists(to) !== undefined) removeTree(to);
    linkat({ from: { dirFd, path: Buffer.from(first.slice(slash + 1), "latin1") }, to });
    return true;
  } finally {
    closeFd(dirFd);
  }
}

function refuse(copy: Copy, path: string) {
  return (xattr: Xattr, errno: string) =>
    void copy.notes.add(`the attribute ${quote(xattr.name.toString())} of ${quote(path)} was left out: ${errno}`);
}
