import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { quote, RunletError } from "@runlet/errors";

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

/**
 * Writes values to a file of a control group, each with one write(2) as the kernel wants it. Never makes a file.
 *
 * @throws the error of `node:fs`; `written` of it is how many values had been taken.
 */
function writeValues(hostPath: string, values: readonly string[]): void {
  const fd = openSync(hostPath, constants.O_WRONLY);
  try {
    for (const value of values) writeSync(fd, value);
  } finally {
    closeSync(fd);
  }
}

/** Writes one value, see {@link writeValues}. */
export function writeValue(hostPath: string, value: string): void {
  writeValues(hostPath, [value]);
}

/** Most files of a control group are smaller: one buffer for all reads spares the runtime one for each. */
let buffer: Buffer | undefined;

/** The content without the final line break. @throws the error of `node:fs`. */
export function readText(hostPath: string): string {
  buffer ??= Buffer.allocUnsafeSlow(4096);
  const fd = openSync(hostPath, constants.O_RDONLY);
  try {
    let text = "";
    // The kernel may give less at once than there is: the end is where nothing comes any more.
    for (;;) {
      const length = readSync(fd, buffer, 0, buffer.length, null);
      if (length === 0) return text.trimEnd();
      text += buffer.toString("latin1", 0, length);
    }
  } finally {
    closeSync(fd);
  }
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
