import { readSync } from "node:fs";
import { type FileStatus, lseek, seekWhence } from "@runlet/syscall";
import { blockBytes, type DataRange } from "@runlet/tar";

const chunkBytes = 256 << 10;
/** A hole smaller than that is written out: the list of ranges would cost readers more than the zeros. */
const minHoleBytes = 64 << 10;

/**
 * Where a sparse file has data.
 *
 * @param fd - open for reading; stays the caller's.
 * @returns undefined for a file that has no holes worth telling.
 * @throws SyscallError
 */
export function findDataRanges(fd: number, { sizeBytes, blocks }: FileStatus): readonly DataRange[] | undefined {
  if (blocks * 512 + minHoleBytes > sizeBytes) return undefined;
  const ranges: DataRange[] = [];
  for (let offset = 0; offset < sizeBytes; ) {
    const start = seek(fd, offset, seekWhence.SEEK_DATA) ?? sizeBytes;
    if (start >= sizeBytes) break;
    const end = Math.min(seek(fd, start, seekWhence.SEEK_HOLE) ?? sizeBytes, sizeBytes);
    const previous = ranges.at(-1);
    const previousEnd = previous === undefined ? 0 : previous.offset + previous.lengthBytes;
    if (start - previousEnd >= minHoleBytes) ranges.push({ offset: start, lengthBytes: end - start });
    else if (previous === undefined) ranges.push({ offset: 0, lengthBytes: end });
    else ranges.splice(-1, 1, { offset: previous.offset, lengthBytes: end - previous.offset });
    offset = end;
  }
  const isWhole = ranges.length === 1 && ranges[0]?.lengthBytes === sizeBytes;
  // A file system with smaller units than tar has.
  const isFitting = ranges.every(
    ({ offset, lengthBytes }) =>
      offset % blockBytes === 0 && (lengthBytes % blockBytes === 0 || offset + lengthBytes === sizeBytes),
  );
  return isWhole || !isFitting ? undefined : ranges;
}

/** @returns undefined where there is nothing more, or the file system knows no holes. */
function seek(fd: number, offset: number, whence: number): number | undefined {
  try {
    return lseek(fd, offset, whence);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === "ENXIO") return undefined;
    if (code === "EINVAL") return whence === seekWhence.SEEK_DATA ? offset : undefined;
    throw error;
  }
}

/** The bytes of these parts of a file, up to its end. @param fd - stays the caller's, and open until all is read. */
export function* readRanges(fd: number, ranges: readonly DataRange[]): Generator<Uint8Array, void, undefined> {
  for (const { offset, lengthBytes } of ranges) {
    for (let done = 0; done < lengthBytes; ) {
      const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, lengthBytes - done));
      const count = readSync(fd, buffer, 0, buffer.length, offset + done);
      if (count === 0) return;
      yield buffer.subarray(0, count);
      done += count;
    }
  }
}
