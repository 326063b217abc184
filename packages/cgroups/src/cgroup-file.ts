import { quote, RunletError } from "@runlet/errors";
import { readTextFile, writeValues } from "@runlet/syscall";

/** The errno's name of an error of `node:fs` or of our own system calls. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Whether an error says that a control group, or a file of it, is not there. ENODEV: it went away while open. */
export function isGone(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "ENOENT" || code === "ENODEV";
}

/** Whether an error is a refusal by the host's permissions, which a rootless runtime may bear. */
export function isRefusal(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "EPERM" || code === "EACCES" || code === "EROFS";
}

/** Writes one value to a file of a control group. Never makes a file. @throws SyscallError */
export function writeValue(hostPath: string, value: string): void {
  const failure = writeValues(hostPath, [value]);
  if (failure !== null) throw failure.error;
}

/** The content without the final line break. @throws SyscallError */
export function readText(hostPath: string): string {
  return readTextFile(hostPath).trimEnd();
}

/** The content, or undefined when there is no such file or the kernel does not support reading it. */
export function readTextIfExists(hostPath: string): string | undefined {
  try {
    return readText(hostPath);
  } catch (error) {
    if (isGone(error) || errnoOf(error) === "EOPNOTSUPP" || errnoOf(error) === "ENOTSUP") return undefined;
    throw error;
  }
}

/** What a write that the kernel refused was about. */
export interface FailedWrite {
  readonly file: string;
  readonly value: string;
  readonly hostPath: string;
  /** Pointer of the config entry, or a rule of the specification. */
  readonly from: string;
}

/** The error for a write that the kernel refused. `hint` replaces the general one. */
export function writeError(cause: unknown, failed: FailedWrite, hint?: string): RunletError {
  const errno = errnoOf(cause);
  const syscall = (cause as { syscall?: string }).syscall ?? "write";
  return new RunletError(
    "ERR_RUNLET_CGROUP",
    `cannot write ${quote(failed.value)} to ${failed.file} of the control group: ${failed.hostPath}`,
    {
      pointer: failed.from.startsWith("/") ? failed.from : undefined,
      syscall,
      errno,
      hint: hint ?? hintOf(errno, failed.file),
      cause,
    },
  );
}

function hintOf(errno: string | undefined, file: string): string | undefined {
  switch (errno) {
    case "EINVAL":
      return `take a value that the kernel accepts for ${file} here, within the limits of the parent groups`;
    case "ERANGE":
      return `take a value within the range of ${file}`;
    case "ENOENT":
      return `use a kernel that has ${file}, or remove the field`;
    case "ENODEV":
      return "name a device that this host has";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "run as root, or have the control group delegated to the user";
    default:
      return undefined;
  }
}
