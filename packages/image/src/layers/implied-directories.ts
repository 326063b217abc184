import { atFlags, fchmod, fchownat, fgetxattr, flistxattr, fsetxattr, fstat, utimensat } from "@runlet/syscall";
import { MergedTree, splitPath } from "./merged-tree.ts";

const epoch = { seconds: 0, nanoseconds: 0 };

/**
 * Gives directories that a layer has no entry for what the layers below say of them: overlayfs shows the mode, owner, times
 * and attributes that the uppermost layer has. Those that are nowhere below are as old as Unix, so that a layer unpacks to
 * the same tree every time.
 *
 * @param options.treeHostPath - the layer.
 * @param options.directories - their paths in it, parents first.
 * @param options.lowerHostPaths - the layers below, the base first.
 * @throws SyscallError
 */
export function completeImpliedDirectories(options: {
  treeHostPath: string;
  directories: readonly Buffer[];
  lowerHostPaths: readonly string[];
}): void {
  const { treeHostPath, directories, lowerHostPaths } = options;
  if (directories.length === 0) return;
  using tree = MergedTree.open([...lowerHostPaths, treeHostPath]);
  for (const path of directories) {
    tree.withDirectoryBelow(splitPath(path), (fd, lowerFd) => {
      if (lowerFd === undefined) utimensat({ dirFd: fd, path: null, atime: epoch, mtime: epoch });
      else copyMetadata(lowerFd, fd);
    });
  }
}

function copyMetadata(fromFd: number, toFd: number): void {
  const { uid, gid, mode, atime, mtime } = fstat(fromFd);
  const current = fstat(toFd);
  if (current.uid !== uid || current.gid !== gid)
    fchownat({ dirFd: toFd, path: "", uid, gid, flags: atFlags.AT_EMPTY_PATH });
  fchmod(toFd, mode & 0o7777);
  for (const name of flistxattr(fromFd)) {
    if (/^(trusted|user)\.overlay\./.test(name.toString("latin1"))) continue;
    const value = fgetxattr(fromFd, name);
    if (value !== undefined) fsetxattr({ fd: toFd, name, value });
  }
  utimensat({ dirFd: toFd, path: null, atime, mtime });
}
