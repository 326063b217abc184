import { closeSync } from "node:fs";
import { binding } from "./binding.ts";
import { check } from "./check.ts";

interface MountBinding {
  fsopen(type: string, flags: number): number;
  fsconfig(fd: number, command: number, key: string | null, value: string | null): number;
  fsmount(fd: number, flags: number, attributes: number): number;
  openTree(path: string, flags: number): number;
  mountSetattr(fd: number, flags: number, set: number, propagation: number, userNamespaceFd: number): number;
}

const OPEN_TREE_CLONE = 1;
const O_CLOEXEC = 0o2000000;
const AT_RECURSIVE = 0x8000;
const MOUNT_ATTR_IDMAP = 0x00100000;
const MS_SLAVE = 0x80000;
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;

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

/**
 * Begins a new file system, fsopen(2).
 *
 * @returns a descriptor, close-on-exec, the caller's, from which the kernel's words on a later refusal can be read.
 * @throws {@link SyscallError} `ENODEV` when the kernel has no such type.
 */
export function openFilesystem(type: string): number {
  return check(binding<MountBinding>().fsopen(type, FSOPEN_CLOEXEC), "fsopen", type);
}

/** Gives a new file system an option, or its `source`, fsconfig(2); null is an option without a value. */
export function configureFilesystem(filesystemFd: number, key: string, value: string | null): void {
  const command = value === null ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
  check(binding<MountBinding>().fsconfig(filesystemFd, command, key, value), "fsconfig", key);
}

/**
 * Makes a new file system, fsconfig(2) with FSCONFIG_CMD_CREATE, and a detached mount of it, fsmount(2), without attributes.
 *
 * @returns the mount's descriptor, close-on-exec, the caller's.
 * @throws {@link SyscallError} of `mount` when the file system cannot be made.
 */
export function mountFilesystem(filesystemFd: number): number {
  check(binding<MountBinding>().fsconfig(filesystemFd, FSCONFIG_CMD_CREATE, null, null), "mount");
  return check(binding<MountBinding>().fsmount(filesystemFd, FSMOUNT_CLOEXEC, 0), "fsmount");
}
