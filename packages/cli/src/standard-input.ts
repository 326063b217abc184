import { readSync } from "node:fs";

const standardInputFd = 0;
const chunkBytes = 64 * 1024;
/** How long to wait when a non-blocking descriptor has nothing yet, in milliseconds. */
const retryMs = 5;

/**
 * Reads standard input to its end, also where whoever started us has left it non-blocking.
 *
 * @throws Node's error for what cannot be read, e.g. `EISDIR`, or `EBADF` when it is closed.
 */
export function readStandardInput(): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    try {
      const length = readSync(standardInputFd, chunk);
      if (length === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, length));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EAGAIN" && code !== "EINTR") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs);
    }
  }
}
