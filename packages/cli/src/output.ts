import { errnoMessage, RunletError } from "@runlet/errors";

/**
 * Writes text and a newline to standard output. Output that nobody reads any more is dropped.
 *
 * The descriptor is written directly: `process.stdout` would make a pipe non-blocking in Node, which the container's own
 * standard streams share, and doubles the start-up in Bun, where `console.log` does not say when a write fails.
 *
 * @returns whether somebody reads it still.
 * @throws {@link RunletError} `ERR_RUNLET_HOST` where it cannot be written, to a file on a full disk for one.
 */
export function print(text: string): boolean {
  try {
    return writeAll(1, `${text}\n`);
  } catch (cause) {
    const { code = "EIO", syscall } = cause as NodeJS.ErrnoException;
    throw new RunletError("ERR_RUNLET_HOST", `standard output cannot be written: ${errnoMessage(code)}`, {
      errno: code,
      syscall,
      cause,
    });
  }
}

/** Writes text and a newline to standard error. */
export function printError(text: string): void {
  writeIfPossible(2, `${text}\n`);
}

/** Writes what somebody should be told; where that cannot be written there is nobody to tell of it either. */
export function writeIfPossible(fd: number, text: string): void {
  try {
    writeAll(fd, text);
  } catch {
    // A disk is full, or a descriptor is not open for writing.
  }
}

/** How long to wait when a non-blocking descriptor takes no more, in milliseconds. */
const retryMs = 5;

/**
 * Writes to a descriptor, waiting where it is non-blocking and full. When the other end is gone, the rest is dropped.
 *
 * @returns whether the other end is there.
 * @throws Node's error for anything else, e.g. `ENOSPC`.
 */
export function writeAll(fd: number, text: string): boolean {
  const { writeSync } = process.getBuiltinModule("node:fs");
  let bytes: Uint8Array = Buffer.from(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") return false;
      if (code !== "EAGAIN" && code !== "EINTR") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs);
    }
  }
  return true;
}

/**
 * Whether a descriptor is a terminal. Loads what that needs only for a character device, so that it costs nothing where
 * an engine reads.
 */
export function isTerminal(fd: number): boolean {
  try {
    return (
      process.getBuiltinModule("node:fs").fstatSync(fd).isCharacterDevice() &&
      process.getBuiltinModule("node:tty").isatty(fd)
    );
  } catch {
    return false; // the descriptor is closed
  }
}
