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

/**
 * Why an overlay's upper directory cannot lie in a directory: its file system keeps no whiteouts or no attributes.
 *
 * @param options.xattrs - where overlayfs's attributes are to be.
 * @returns a phrase; undefined where nothing is known against it.
 * @throws SyscallError
 */
export function overlayObstacle(options: { hostPath: string; xattrs: "trusted" | "user" }): string | undefined {
  const fd = openat({ dirFd: atFlags.AT_FDCWD, path: options.hostPath, flags: openFlags.O_PATH });
  try {
    const type = fstatfs(fd).type >>> 0;
    const name = unsuitable.get(type);
    if (name !== undefined) return `an overlay cannot keep its changes on ${name}`;
    if (type === tmpfsMagic && options.xattrs === "user" && !isKernelAtLeast(6, 6))
      return "tmpfs keeps no attributes of users before Linux 6.6";
    return undefined;
  } finally {
    closeFd(fd);
  }
}

function isKernelAtLeast(major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = release().split(/[.-]/).map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
