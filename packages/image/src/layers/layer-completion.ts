import {
  atFlags,
  closeFd,
  fchmod,
  fchownat,
  fgetxattr,
  fileTypes,
  flistxattr,
  fsetxattr,
  fstat,
  lstatIfExists,
  openat,
  openFlags,
  type Place,
  unlinkat,
  utimensat,
} from "@runlet/syscall";
import { hasCode } from "../store/store-error.ts";
import { editDirectory } from "./directory-edit.ts";
import { MergedTree, splitPath } from "./merged-tree.ts";

const epoch = { seconds: 0, nanoseconds: 0 };

/**
 * Completes a layer that was unpacked alone by what the layers below say:
 *
 * - Whiteouts of what is not there go, and directories that were there for them alone: overlayfs shows the names of whiteouts
 *   in a directory that only one layer has.
 * - Directories that the layer has no entry for get what the layers below say of them: overlayfs shows the mode, owner, times
 *   and attributes that the uppermost layer has. Those that are nowhere below are as old as Unix, so that a layer unpacks to
 *   the same tree every time.
 *
 * @param options.treeHostPath - the layer.
 * @param options.lowerHostPaths - the layers below, the base first.
 * @param options.impliedDirectories - paths in the layer, parents first.
 * @param options.whiteouts - paths in the layer.
 * @throws SyscallError
 */
export function completeLayer(options: {
  treeHostPath: string;
  lowerHostPaths: readonly string[];
  impliedDirectories: readonly Buffer[];
  whiteouts: readonly Buffer[];
}): void {
  const { treeHostPath, lowerHostPaths, impliedDirectories, whiteouts } = options;
  if (impliedDirectories.length === 0 && whiteouts.length === 0) return;
  using tree = MergedTree.open([...lowerHostPaths, treeHostPath]);
  for (const path of whiteouts)
    tree.withPlace(splitPath(path), (place) => {
      const { dirFd, path: name, below } = place;
      if (below === undefined && isWhiteout(place)) editDirectory(dirFd, () => unlinkat({ dirFd, path: name }));
    });
  const directories = impliedDirectories.map(splitPath);
  for (const path of directories.toReversed())
    if (path.length > 0)
      tree.withPlace(path, ({ dirFd, path: name, below }) => {
        if (below !== "directory") editDirectory(dirFd, () => removeIfEmpty({ dirFd, path: name }));
      });
  for (const path of directories) {
    if (path.length === 0) completeRoot(tree, lowerHostPaths);
    else tree.withPlace(path, (place) => completeDirectoryAt(place, place.lowerFd));
  }
}

/** An opaque root hides what lies in the one below, not what that carries. */
function completeRoot(tree: MergedTree, lowerHostPaths: readonly string[]): void {
  if (tree.rootFd === undefined) return;
  using lower = MergedTree.open(lowerHostPaths.slice(-1));
  completeDirectory(tree.rootFd, lower.rootFd);
}

function isWhiteout(place: Place): boolean {
  const status = lstatIfExists({ dirFd: place.dirFd, path: place.path });
  if (status === undefined || (status.mode & fileTypes.S_IFMT) !== fileTypes.S_IFCHR) return false;
  return status.rdevMajor === 0 && status.rdevMinor === 0;
}

function removeIfEmpty(place: Place): void {
  try {
    unlinkat({ ...place, flags: atFlags.AT_REMOVEDIR });
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST", "ENOTDIR", "ENOENT"].some((code) => hasCode(error, code))) throw error;
  }
}

function completeDirectoryAt({ dirFd, path }: Place, lowerFd: number | undefined): void {
  const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = openFlags;
  let fd: number;
  try {
    fd = openat({ dirFd, path, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW });
  } catch (error) {
    // It was there for whiteouts alone.
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  try {
    completeDirectory(fd, lowerFd);
  } finally {
    closeFd(fd);
  }
}

function completeDirectory(fd: number, lowerFd: number | undefined): void {
  if (lowerFd !== undefined) {
    copyMetadata(lowerFd, fd);
    return;
  }
  fchmod(fd, 0o755);
  utimensat({ dirFd: fd, path: null, atime: epoch, mtime: epoch });
}

function copyMetadata(fromFd: number, toFd: number): void {
  const { uid, gid, mode, atime, mtime } = fstat(fromFd);
  const current = fstat(toFd);
  if (current.uid !== uid || current.gid !== gid)
    fchownat({ dirFd: toFd, path: "", uid, gid, flags: atFlags.AT_EMPTY_PATH });
  // Before the mode, which may keep an ordinary user from it.
  for (const name of flistxattr(fromFd)) {
    if (/^(trusted|user)\.overlay\./.test(name.toString("latin1"))) continue;
    const value = fgetxattr(fromFd, name);
    if (value !== undefined) fsetxattr({ fd: toFd, name, value });
  }
  fchmod(toFd, mode & 0o7777);
  utimensat({ dirFd: toFd, path: null, atime, mtime });
}
