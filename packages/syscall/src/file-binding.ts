import { SyscallError } from "@runlet/errors";
import { binding } from "./binding.ts";
import type { PathLike } from "./file-types.ts";

/** A writer of `native/addon/file-writer.c`. */
export type WriterHandle = object;

/** The exports of `native/addon/file*.c` and `extended-attribute.c`. */
interface FileBinding {
  openat2(dirFd: number, path: PathLike, flags: number, mode: number, resolve: number): number;
  openat(dirFd: number, path: PathLike, flags: number, mode: number): number;
  mkdirat(dirFd: number, path: PathLike, mode: number): number;
  mknodat(dirFd: number, path: PathLike, mode: number, major: number, minor: number): number;
  symlinkat(target: PathLike, dirFd: number, path: PathLike): number;
  linkat(oldDirFd: number, oldPath: PathLike, newDirFd: number, newPath: PathLike, flags: number): number;
  unlinkat(dirFd: number, path: PathLike, flags: number): number;
  renameat2(oldDirFd: number, oldPath: PathLike, newDirFd: number, newPath: PathLike, flags: number): number;
  readlinkat(dirFd: number, path: PathLike, into: Uint8Array): number;
  fchmodat2(dirFd: number, path: PathLike, mode: number, flags: number): number;
  fchmodat(dirFd: number, path: PathLike, mode: number): number;
  fchmod(fd: number, mode: number): number;
  fchownat(dirFd: number, path: PathLike, uid: number, gid: number, flags: number): number;
  utimensat(
    dirFd: number,
    path: PathLike | null,
    accessSeconds: number,
    accessNanoseconds: number,
    modifySeconds: number,
    modifyNanoseconds: number,
    flags: number,
  ): number;
  fstatat(dirFd: number, path: PathLike, flags: number, into: Uint8Array): number;
  replaceFile(temporaryPath: PathLike, path: PathLike, text: string, mode: number): number | [number, number];
  leadsTo(path: PathLike, fd: number): number;
  fstatfs(fd: number): number | [number, number, number, number, number];
  fsetxattr(fd: number, name: PathLike, value: Uint8Array, flags: number): number;
  fgetxattr(fd: number, name: PathLike, into: Uint8Array): number;
  flistxattr(fd: number, into: Uint8Array): number;
  fremovexattr(fd: number, name: PathLike): number;
  setxattrat(dirFd: number, path: PathLike, atFlags: number, name: PathLike, value: Uint8Array, flags: number): number;
  getxattrat(dirFd: number, path: PathLike, atFlags: number, name: PathLike, into: Uint8Array): number;
  listxattrat(dirFd: number, path: PathLike, atFlags: number, into: Uint8Array): number;
  copyFileRange(inFd: number, inOffset: number, outFd: number, outOffset: number, lengthBytes: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  closeFile(fd: number): number;
  syncfs(fd: number): number | Promise<number>;
  readDirectory(fd: number): number | Buffer;
  openFileWriter(): number | WriterHandle;
  pushFiles(writer: WriterHandle, fields: Uint8Array, data: Uint8Array): number;
  flushFiles(writer: WriterHandle): [number, number];
  resumeFiles(writer: WriterHandle): number;
  closeFileWriter(writer: WriterHandle): number;
}

let native: FileBinding | undefined;

/** The calls on files, with the addon loaded at first use. */
export function calls(): FileBinding {
  native ??= binding<FileBinding>();
  return native;
}

/** Throws what a negative result says. */
export function fail(syscall: string, result: number, path?: PathLike): never {
  const text = path === undefined || typeof path === "string" ? path : Buffer.from(path).toString();
  throw new SyscallError(syscall, -result, text);
}
