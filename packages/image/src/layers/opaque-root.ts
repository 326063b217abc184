import {
  atFlags,
  closeFd,
  fileTypes,
  fsetxattr,
  lstatIfExists,
  mknodat,
  openat,
  openFlags,
  type Place,
} from "@runlet/syscall";
import { MergedDirectory } from "../diff/merged-directory.ts";
import { editDirectory } from "./directory-edit.ts";
import { isOpaque } from "./merged-tree.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = openFlags;

/**
 * Hides what the layers below have in their root, where a layer's root is opaque: overlayfs looks for the mark in every
 * directory but the root of a layer, so each name is hidden by itself. Other layers are left as they are.
 *
 * @param options.treeHostPath - the layer.
 * @param options.lowerHostPaths - the layers below, the base first.
 * @throws SyscallError
 */
export function hideBelowOpaqueRoot(options: {
  treeHostPath: string;
  lowerHostPaths: readonly string[];
  opaqueXattr: string;
}): void {
  const { treeHostPath, lowerHostPaths, opaqueXattr } = options;
  const rootFd = openat({ dirFd: atFlags.AT_FDCWD, path: treeHostPath, flags: O_RDONLY | O_DIRECTORY });
  try {
    if (lowerHostPaths.length === 0 || !isOpaque(rootFd)) return;
    using lower = MergedDirectory.open({ layers: lowerHostPaths, form: "overlay" });
    const hidden = lower.entries();
    editDirectory(rootFd, () => {
      for (const { name } of hidden) hide({ dirFd: rootFd, path: name }, opaqueXattr);
    });
  } finally {
    closeFd(rootFd);
  }
}

function hide(place: Place, opaqueXattr: string): void {
  const status = lstatIfExists(place);
  if (status === undefined) mknodat({ ...place, mode: fileTypes.S_IFCHR });
  // Any other file hides by its name alone.
  if (((status?.mode ?? 0) & fileTypes.S_IFMT) !== fileTypes.S_IFDIR) return;
  const fd = openat({ ...place, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW });
  try {
    editDirectory(fd, () => fsetxattr({ fd, name: opaqueXattr, value: Buffer.from("y") }));
  } finally {
    closeFd(fd);
  }
}
