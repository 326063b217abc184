import { calls, fail } from "./file-binding.ts";
import { atFlags } from "./file-flags.ts";
import type { PathLike, Place } from "./file-types.ts";

/** fsetxattr(2): replaces or makes an extended attribute. @throws SyscallError */
export function fsetxattr(options: { fd: number; name: PathLike; value: Uint8Array }): void {
  const result = calls().fsetxattr(options.fd, options.name, options.value, 0);
  if (result < 0) fail("fsetxattr", result, options.name);
}

/** fgetxattr(2). @returns undefined if there is no such attribute. @throws SyscallError */
export function fgetxattr(fd: number, name: PathLike): Buffer | undefined {
  return readGrowing("fgetxattr", (into) => calls().fgetxattr(fd, name, into));
}

/** flistxattr(2): the names of all extended attributes. @throws SyscallError */
export function flistxattr(fd: number): Buffer[] {
  return splitNames(readGrowing("flistxattr", (into) => calls().flistxattr(fd, into)));
}

/** fremovexattr(2). @throws SyscallError */
export function fremovexattr(fd: number, name: PathLike): void {
  const result = calls().fremovexattr(fd, name);
  if (result < 0) fail("fremovexattr", result, name);
}

/**
 * setxattrat(2): sets an attribute of a link, device or FIFO, which cannot be opened for it.
 *
 * @throws SyscallError `ENOSYS` before Linux 6.13.
 */
export function setxattrat(options: Place & { name: PathLike; value: Uint8Array }): void {
  const { dirFd, path, name, value } = options;
  const result = calls().setxattrat(dirFd, path, atFlags.AT_SYMLINK_NOFOLLOW, name, value, 0);
  if (result < 0) fail("setxattrat", result, path);
}

/**
 * getxattrat(2), without following a link.
 *
 * @returns undefined if there is no such attribute.
 * @throws SyscallError `ENOSYS` before Linux 6.13.
 */
export function getxattrat(options: Place & { name: PathLike }): Buffer | undefined {
  const { dirFd, path, name } = options;
  return readGrowing("getxattrat", (into) => calls().getxattrat(dirFd, path, atFlags.AT_SYMLINK_NOFOLLOW, name, into));
}

/** listxattrat(2), without following a link. @throws SyscallError `ENOSYS` before Linux 6.13. */
export function listxattrat(place: Place): Buffer[] {
  return splitNames(
    readGrowing("listxattrat", (into) =>
      calls().listxattrat(place.dirFd, place.path, atFlags.AT_SYMLINK_NOFOLLOW, into),
    ),
  );
}

/** Calls again with a larger buffer for ERANGE; undefined for ENODATA. The kernel's limit for both is 64 KiB. */
function readGrowing(syscall: string, call: (into: Uint8Array) => number): Buffer | undefined {
  for (let size = 1024; ; size = 65536) {
    const into = Buffer.alloc(size);
    const result = call(into);
    if (result >= 0) return into.subarray(0, result);
    if (result === -61) return undefined;
    if (result !== -34 || size === 65536) fail(syscall, result);
  }
}

function splitNames(list: Buffer | undefined): Buffer[] {
  const names: Buffer[] = [];
  if (list === undefined) return names;
  for (let offset = 0; offset < list.length; ) {
    const end = list.indexOf(0, offset);
    names.push(list.subarray(offset, end));
    offset = end + 1;
  }
  return names;
}
