import { release } from "node:os";
import { atFlags, closeFd, fstatfs, openat, openFlags } from "@runlet/syscall";

/** File systems on which an upper directory cannot lie, by the magic number that statfs(2) gives. @see <linux/magic.h> */
const unsuitable: ReadonlyMap<number, string> = new Map([
  [0x794c7630, "overlay"],
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x517b, "smb"],
  [0x65735546, "fuse"],
  [0x01021997, "9p"],
  [0x61756673, "aufs"],
  [0xf15f, "ecryptfs"],
  [0x4d44, "vfat"],
  [0x2011bab0, "exfat"],
]);
const tmpfsMagic = 0x01021994;

/** What decides whether an upper directory can lie somewhere. */
export interface OverlayGround {
  /** Magic number of the file system, statfs(2). */
  readonly fileSystemType: number;
  /** Where overlayfs's attributes are to be. */
  readonly xattrs: "trusted" | "user";
  /** Version of the kernel, uname(2). */
  readonly kernelRelease: string;
}

/**
 * Why an overlay's upper directory cannot lie in a directory: its file system keeps no whiteouts or no attributes.
 *
 * @returns a phrase; undefined where nothing is known against it.
 * @throws SyscallError
 */
export function overlayObstacle({ hostPath, xattrs }: { hostPath: string; xattrs: "trusted" | "user" }) {
  const fd = openat({ dirFd: atFlags.AT_FDCWD, path: hostPath, flags: openFlags.O_PATH });
  try {
    return obstacleOf({ fileSystemType: fstatfs(fd).type, xattrs, kernelRelease: release() });
  } finally {
    closeFd(fd);
  }
}

/** As {@link overlayObstacle}, from facts. */
export function obstacleOf({ fileSystemType, xattrs, kernelRelease }: OverlayGround): string | undefined {
  const type = fileSystemType >>> 0;
  const name = unsuitable.get(type);
  if (name !== undefined) return `an overlay cannot keep its changes on ${name}`;
  const [major = 0, minor = 0] = kernelRelease.split(/[.-]/).map(Number);
  const hasUserXattrs = major > 6 || (major === 6 && minor >= 6);
  return type === tmpfsMagic && xattrs === "user" && !hasUserXattrs
    ? "tmpfs keeps no attributes of users before Linux 6.6"
    : undefined;
}
