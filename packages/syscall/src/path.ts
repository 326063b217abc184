/**
 * Calls on the host's own files by their paths, many at once where there are many: of control groups, and of the state of
 * containers. Nothing in a root file system is reached this way.
 */
import { errnoName, SyscallError } from "@runlet/errors";
import { binding } from "./binding.ts";
import { check } from "./check.ts";
import { calls } from "./file-binding.ts";
import { atFlags, openFlags } from "./file-flags.ts";

interface PathBinding {
  makeDirectories(paths: readonly string[], mode: number): number;
  removeDirectories(paths: readonly string[]): number[] | number;
  openFiles(paths: readonly string[], flags: number): number[] | number;
  closeFiles(fds: readonly number[]): number;
  readText(path: string): string | number | [number];
  writeValues(path: string, values: readonly string[]): number | [number, number];
}

const { AT_FDCWD, AT_REMOVEDIR } = atFlags;

function native(): PathBinding {
  return binding<PathBinding>();
}

/** open(2), close-on-exec. The descriptor is the caller's. @throws {@link SyscallError} */
export function openPath(hostPath: string, flags: number): number {
  return check(calls().openat(AT_FDCWD, hostPath, flags | openFlags.O_CLOEXEC, 0), "open", hostPath);
}

/**
 * Opens several files, close-on-exec. The descriptors are the caller's.
 *
 * @throws {@link SyscallError} of any that cannot be opened; none is open then.
 */
export function openPaths(hostPaths: readonly string[], flags: number): number[] {
  const fds = native().openFiles(hostPaths, flags);
  if (typeof fds === "number") throw new SyscallError("open", -fds);
  return fds;
}

/** Closes several descriptors. Whatever close(2) answers, they are gone. */
export function closeFds(fds: readonly number[]): void {
  native().closeFiles(fds);
}

/** mkdir(2). @throws {@link SyscallError} */
export function makeDirectory(hostPath: string, mode: number): void {
  check(calls().mkdirat(AT_FDCWD, hostPath, mode), "mkdir", hostPath);
}

/** Makes directories up to the first that cannot be made. @returns how many have been made. */
export function makeDirectories(hostPaths: readonly string[], mode: number): number {
  return native().makeDirectories(hostPaths, mode);
}

/** rmdir(2). @throws {@link SyscallError} */
export function removeDirectory(hostPath: string): void {
  check(calls().unlinkat(AT_FDCWD, hostPath, AT_REMOVEDIR), "rmdir", hostPath);
}

/** rmdir(2) of each. @returns for each the errno's name, empty where it has been removed. */
export function removeDirectories(hostPaths: readonly string[]): string[] {
  const results = native().removeDirectories(hostPaths);
  if (typeof results === "number") throw new SyscallError("rmdir", -results);
  return results.map((result) => (result === 0 ? "" : errnoName(-result)));
}

/** unlink(2). @returns whether there was such a file. @throws {@link SyscallError} */
export function unlinkPath(hostPath: string): boolean {
  const result = calls().unlinkat(AT_FDCWD, hostPath, 0);
  if (result < 0 && errnoName(-result) === "ENOENT") return false;
  check(result, "unlink", hostPath);
  return true;
}

/** The text of a file, to its end. @throws {@link SyscallError} of open(2) or read(2). */
export function readTextFile(hostPath: string): string {
  const text = native().readText(hostPath);
  if (typeof text === "string") return text;
  throw typeof text === "number"
    ? new SyscallError("open", -text, hostPath)
    : new SyscallError("read", text[0], hostPath);
}

/** What came of {@link writeValues}. */
export interface ValueFailure {
  /** How many values had been written. */
  readonly written: number;
  readonly error: SyscallError;
}

/**
 * Writes values to a file that is there, each with one write(2), as the kernel wants it of the files of control groups.
 *
 * @returns what went wrong; null when all are written.
 */
export function writeValues(hostPath: string, values: readonly string[]): ValueFailure | null {
  const failure = native().writeValues(hostPath, values);
  if (failure === 0) return null;
  if (typeof failure === "number") return { written: 0, error: new SyscallError("open", -failure, hostPath) };
  const [written, errno] = failure;
  return { written, error: new SyscallError("write", errno, hostPath) };
}
