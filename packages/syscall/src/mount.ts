import { closeSync } from "node:fs";
import { binding } from "./binding.ts";
import { check } from "./check.ts";

interface MountBinding {
  openTree(path: string, flags: number): number;
  mountSetattr(fd: number, flags: number, set: number, propagation: number, userNamespaceFd: number): number;
}

const OPEN_TREE_CLONE = 1;
const O_CLOEXEC = 0o2000000;
const AT_RECURSIVE = 0x8000;
const MOUNT_ATTR_IDMAP = 0x00100000;
const MS_SLAVE = 0x80000;

/**
 * A detached copy of a tree of mounts, open_tree(2): a slave, to which what the host mounts there later still comes, and from
 * which nothing goes back.
 *
 * @returns its descriptor, close-on-exec, the caller's.
 */
export function cloneTree(hostPath: string, recursive: boolean): number {
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  const treeFd = check(binding<MountBinding>().openTree(hostPath, flags), "open_tree", hostPath);
  const result = binding<MountBinding>().mountSetattr(treeFd, AT_RECURSIVE, 0, MS_SLAVE, 0);
  if (result < 0) closeSync(treeFd);
  check(result, "mount_setattr", hostPath);
  return treeFd;
}

/**
 * Gives a detached tree the id maps of a user namespace, mount_setattr(2) with MOUNT_ATTR_IDMAP.
 *
 * @throws {@link SyscallError} `EINVAL` when a file system of it does not offer that, `EPERM` without CAP_SYS_ADMIN over it.
 */
export function mapTreeIds(treeFd: number, userNamespaceFd: number, recursive: boolean): void {
  const flags = recursive ? AT_RECURSIVE : 0;
  check(binding<MountBinding>().mountSetattr(treeFd, flags, MOUNT_ATTR_IDMAP, 0, userNamespaceFd), "mount_setattr");
}
