import { ftruncateSync, readSync, writeSync } from "node:fs";
import { copyFileRange, fstat, lseek, seekWhence } from "@runlet/syscall";
import { isErrno } from "./root-directory.ts";

const chunkBytes = 1 << 20;
/** Linux copies at most this much at a time. */
const maxRangeBytes = 0x7ffff000;

/**
 * Copies the content of a regular file, by reference where the file system can, leaving its holes holes.
 *
 * @param inFd - open for reading.
 * @param outFd - open for writing, empty. Both stay the caller's.
 * @throws SyscallError or Node's error, e.g. `ENOSPC`.
 */
export function copyContent(inFd: number, outFd: number): void {
  const { sizeBytes } = fstat(inFd);
  for (const { start, end } of dataRanges(inFd, sizeBytes)) copyRange({ inFd, outFd, start, end });
  ftruncateSync(outFd, sizeBytes);
}

/** The parts of a file that are no holes. */
function* dataRanges(fd: number, sizeBytes: number): Generator<{ start: number; end: number }> {
  for (let offset = 0; offset < sizeBytes; ) {
    let start: number;
    try {
      start = lseek(fd, offset, seekWhence.SEEK_DATA);
    } catch (error) {
      if (isErrno(error, "ENXIO")) return;
      // A file system that knows no holes.
      if (isErrno(error, "EINVAL")) return void (yield { start: offset, end: sizeBytes });
      throw error;
    }
    const end = lseek(fd, start, seekWhence.SEEK_HOLE);
    yield { start, end };
    offset = end;
  }
}

function copyRange(options: { inFd: number; outFd: number; start: number; end: number }): void {
  const { inFd, outFd, start, end } = options;
  let offset = start;
  try {
    while (offset < end) {
      const lengthBytes = Math.min(end - offset, maxRangeBytes);
      const copied = copyFileRange({ inFd, inOffset: offset, outFd, outOffset: offset, lengthBytes });
      if (copied === 0) break;
      offset += copied;
    }
  } catch (error) {
    const isUnable = ["EXDEV", "EINVAL", "EOPNOTSUPP", "ENOSYS"].some((code) => isErrno(error, code));
    if (!isUnable) throw error;
  }
  // Files of procfs and the like claim a size of 0, others shrink meanwhile: read until the end is met.
  for (const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(0, end - offset))); offset < end; ) {
    const count = readSync(inFd, buffer, 0, Math.min(buffer.length, end - offset), offset);
    if (count === 0) return;
    for (let written = 0; written < count; )
      written += writeSync(outFd, buffer, written, count - written, offset + written);
    offset += count;
  }
}
