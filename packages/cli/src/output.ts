/**
 * The one place that writes. In Bun `console.log` is the cheapest writer there is: `fs.writeSync` adds a fifth to the
 * start-up, `process.stdout` doubles it. In Node it would make a pipe non-blocking, which the container's own standard
 * streams share; there the descriptor is written directly.
 */
const isBun = process.versions.bun !== undefined;

/** Writes text and a newline to standard output. Output that nobody reads any more is dropped. */
export function print(text: string): void {
  // biome-ignore lint/suspicious/noConsole: the command's output; see above
  if (isBun) console.log(text);
  else writeAll(1, `${text}\n`);
}

/** The same for standard error. */
export function printError(text: string): void {
  // biome-ignore lint/suspicious/noConsole: the command's error output; see above
  if (isBun) console.error(text);
  else writeAll(2, `${text}\n`);
}

/** How long to wait when a non-blocking descriptor takes no more, in milliseconds. */
const retryMs = 5;

/**
 * Writes to a descriptor, waiting where it is non-blocking and full. When the other end is gone, the rest is dropped.
 *
 * @throws Node's error for anything else, e.g. `ENOSPC`.
 */
export function writeAll(fd: number, text: string): void {
  const { writeSync } = process.getBuiltinModule("node:fs");
  let bytes: Uint8Array = Buffer.from(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") return;
      if (code !== "EAGAIN" && code !== "EINTR") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs);
    }
  }
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
