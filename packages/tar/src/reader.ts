import { archiveError } from "./archive-error.ts";
import { type ArchiveEntry, blockBytes, type DataRange } from "./entry.ts";
import { buildEntry, mergePax, type StoredEntry } from "./entry-builder.ts";
import { type Header, parseHeader } from "./header.ts";
import { isChecksumRight, isZeroBlock } from "./header-field.ts";
import { type PaxRecord, parsePax } from "./pax.ts";
import { checkRanges, maxDataRanges, parseOldSparse, parseSparseExtension, SparseMapReader } from "./sparse.ts";

/** Who an archive is read to. What a method throws goes to the caller of {@link ArchiveReader.push}. */
export interface ArchiveHandler {
  /** A new entry. */
  entry(entry: ArchiveEntry): void;
  /**
   * A part of the entry's content, in order; holes of sparse files are left out.
   *
   * @param bytes - a view of the chunk that was pushed: whoever keeps it, copies it.
   * @param offset - where it belongs in the file.
   */
  data(bytes: Uint8Array, offset: number): void;
  /** The entry is complete. */
  end(): void;
}

/** Options of {@link ArchiveReader}. */
export interface ArchiveReaderOptions {
  /** Reads on behind the end of an archive, where another one may follow, as GNU tar's `--ignore-zeros`. Default false. */
  readonly isConcatenated?: boolean;
}

/** A long name or PAX header larger than this is refused. The kernel takes 64 KiB for all extended attributes of a file. */
const maxExtensionBytes = 4 << 20;

/** Records of global headers hold for every entry that follows, and are looked through for each. */
const maxGlobalRecords = 100;
const maxGlobalBytes = 64 << 10;

type State = "header" | "extension" | "sparse-extension" | "sparse-map" | "content" | "filling" | "end";

/**
 * Reads a tar archive that is pushed in pieces of any size: V7, ustar, PAX with global headers, GNU and star; long names,
 * sparse files in all forms, extended attributes. It never touches a file system, keeps no more than a header in memory, and
 * hands contents on without copying them.
 *
 * Its errors are `ERR_RUNLET_ARCHIVE` with `details.offset`; after one, the reader is of no further use.
 */
export class ArchiveReader {
  readonly #handler: ArchiveHandler;
  readonly #isConcatenated: boolean;
  #state: State = "header";
  /** How much of the archive was consumed. */
  #offset = 0;
  /** A block that was cut by the end of a chunk. */
  readonly #partial = Buffer.alloc(blockBytes);
  #partialBytes = 0;
  #zeroBlocks = 0;
  /** What is left of an extension or content, then of its filling. */
  #left = 0;
  #fillingBytes = 0;

  #extension = Buffer.alloc(0);
  #extensionFlag = "";
  #extensionOffset = 0;
  #globalPax: ReadonlyMap<string, Buffer> = new Map();
  #records: readonly PaxRecord[] = [];
  #longPath: Buffer | undefined;
  #longLinkTarget: Buffer | undefined;
  #hasPreamble = false;

  #lastHeader: Header | undefined;
  #entry: StoredEntry | undefined;
  #ranges: DataRange[] = [];
  #realSizeBytes = 0;
  #mapReader: SparseMapReader | undefined;
  /** Where in the file the content goes on, and in which range. */
  #fileOffset = 0;
  #rangeIndex = -1;
  #rangeLeft = 0;

  constructor(handler: ArchiveHandler, options: ArchiveReaderOptions = {}) {
    this.#handler = handler;
    this.#isConcatenated = options.isConcatenated ?? false;
  }

  /** Whether the end of the archive was seen; what is pushed after it is ignored. */
  get isAtEnd(): boolean {
    return this.#state === "end";
  }

  /**
   * Takes the next bytes.
   *
   * @param chunk - must not change until the call returns.
   * @throws RunletError `ERR_RUNLET_ARCHIVE`, and what the handler throws.
   */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && this.#state !== "end"; ) {
      const used = this.#take(chunk, at);
      at += used;
      this.#offset += used;
      if (this.#state === "content" && this.#left === 0) this.#finishContent();
    }
  }

  /**
   * Says that nothing follows.
   *
   * @throws RunletError `ERR_RUNLET_ARCHIVE` if the archive ends within an entry. Its end marker may be missing, as many
   *   programs leave it out.
   */
  finish(): void {
    const isBetween = this.#state === "header" && this.#partialBytes === 0 && !this.#hasPreamble;
    if (this.#state !== "end" && !isBetween) throw archiveError(this.#offset, "it ends too early");
    this.#state = "end";
  }

  /** Consumes some of a chunk. @returns how much, at least one byte. */
  #take(chunk: Uint8Array, at: number): number {
    const available = chunk.length - at;
    switch (this.#state) {
      case "content": {
        const used = Math.min(this.#left, available);
        this.#left -= used;
        this.#deliver(chunk, at, used);
        return used;
      }
      case "filling": {
        const used = Math.min(this.#fillingBytes, available);
        this.#fillingBytes -= used;
        if (this.#fillingBytes === 0) this.#state = "header";
        return used;
      }
      case "extension": {
        const used = Math.min(this.#left, available);
        this.#extension.set(chunk.subarray(at, at + used), this.#extension.length - this.#left);
        this.#left -= used;
        if (this.#left === 0) this.#finishExtension();
        return used;
      }
      default:
        return this.#takeBlock(chunk, at);
    }
  }

  #takeBlock(chunk: Uint8Array, at: number): number {
    if (this.#partialBytes === 0 && chunk.length - at >= blockBytes) {
      this.#readBlock(chunk.subarray(at, at + blockBytes), this.#offset);
      return blockBytes;
    }
    const used = Math.min(blockBytes - this.#partialBytes, chunk.length - at);
    this.#partial.set(chunk.subarray(at, at + used), this.#partialBytes);
    this.#partialBytes += used;
    if (this.#partialBytes === blockBytes) {
      this.#partialBytes = 0;
      this.#readBlock(this.#partial, this.#offset + used - blockBytes);
    }
    return used;
  }

  #readBlock(block: Uint8Array, offset: number): void {
    if (this.#state === "sparse-extension") {
      const { ranges, isContinued } = parseSparseExtension(block, offset);
      this.#addRanges(ranges, offset);
      if (!isContinued) this.#beginEntry();
    } else if (this.#state === "sparse-map") {
      this.#left -= blockBytes;
      if (this.#left < 0) throw archiveError(offset, "the map of a sparse file passes the end of its entry");
      const ranges = this.#mapReader?.push(block);
      if (ranges === undefined) return;
      this.#ranges = ranges;
      this.#beginEntry();
    } else this.#readHeader(block, offset);
  }

  #readHeader(block: Uint8Array, offset: number): void {
    if (block[0] === 0 && isZeroBlock(block)) {
      if (this.#hasPreamble) throw archiveError(offset, "an extended header without its entry");
      this.#zeroBlocks++;
      if (this.#zeroBlocks === 2 && !this.#isConcatenated) this.#state = "end";
      return;
    }
    if (this.#zeroBlocks === 1 && !this.#isConcatenated)
      throw archiveError(offset, "data after a single block of zeros");
    this.#zeroBlocks = 0;
    if (!isChecksumRight(block)) throw archiveError(offset, "the checksum of a header does not match");
    const header = parseHeader(block, offset, this.#lastHeader);
    this.#lastHeader = header;
    switch (header.flag) {
      case "x":
      case "X":
      case "g":
      case "L":
      case "K":
        this.#beginExtension(header.flag, header.sizeBytes, offset);
        return;
      case "V":
        // A volume's label is about the archive, not about a file.
        this.#skip(header.sizeBytes);
        return;
    }
    const stored = buildEntry(
      header,
      {
        globalPax: this.#globalPax,
        records: this.#records,
        longPath: this.#longPath,
        longLinkTarget: this.#longLinkTarget,
      },
      offset,
    );
    this.#clearPreamble();
    this.#entry = stored;
    this.#realSizeBytes = stored.entry.sizeBytes;
    this.#ranges = stored.entry.dataRanges === undefined ? [] : [...stored.entry.dataRanges];
    this.#left = stored.storedBytes;
    this.#fillingBytes = fillingOf(stored.storedBytes);
    if (header.flag === "S") {
      const sparse = parseOldSparse(block, offset);
      this.#realSizeBytes = sparse.realSizeBytes;
      this.#addRanges(sparse.ranges, offset);
      if (sparse.isContinued) this.#state = "sparse-extension";
      else this.#beginEntry();
    } else if (stored.hasSparseMap) {
      this.#mapReader = new SparseMapReader(offset);
      this.#state = "sparse-map";
    } else this.#beginEntry();
  }

  #addRanges(ranges: readonly DataRange[], offset: number): void {
    this.#ranges.push(...ranges);
    if (this.#ranges.length > maxDataRanges) throw archiveError(offset, "the map of a sparse file has too many ranges");
  }

  #beginEntry(): void {
    const stored = this.#entry;
    if (stored === undefined) throw new Error("no entry to begin");
    const { entry } = stored;
    this.#fileOffset = 0;
    this.#rangeIndex = -1;
    this.#rangeLeft = 0;
    this.#mapReader = undefined;
    const isSparse = stored.hasSparseMap || entry.dataRanges !== undefined || this.#ranges.length > 0;
    if (isSparse || this.#realSizeBytes !== entry.sizeBytes) {
      checkRanges({
        ranges: this.#ranges,
        realSizeBytes: this.#realSizeBytes,
        storedBytes: this.#left,
        archiveOffset: entry.archiveOffset,
      });
      const dataRanges = this.#ranges.filter(({ lengthBytes }) => lengthBytes > 0);
      this.#ranges = dataRanges;
      this.#handler.entry({ ...entry, sizeBytes: this.#realSizeBytes, dataRanges });
    } else {
      // No range at all: everything stored is delivered from the start on.
      this.#rangeLeft = this.#left;
      this.#handler.entry(entry);
    }
    this.#state = "content";
    if (this.#left === 0) this.#finishContent();
  }

  #deliver(chunk: Uint8Array, at: number, length: number): void {
    // A directory list of GNU's is no content.
    if (this.#entry?.entry.type !== "file") return;
    let from = at;
    for (let left = length; left > 0; ) {
      if (this.#rangeLeft === 0) {
        this.#rangeIndex++;
        const range = this.#ranges[this.#rangeIndex];
        if (range === undefined) throw new Error("content beyond the last range");
        this.#fileOffset = range.offset;
        this.#rangeLeft = range.lengthBytes;
      }
      const count = Math.min(left, this.#rangeLeft);
      this.#handler.data(chunk.subarray(from, from + count), this.#fileOffset);
      this.#fileOffset += count;
      this.#rangeLeft -= count;
      from += count;
      left -= count;
    }
  }

  #finishContent(): void {
    this.#state = this.#fillingBytes > 0 ? "filling" : "header";
    this.#entry = undefined;
    this.#handler.end();
  }

  #skip(lengthBytes: number): void {
    this.#fillingBytes = lengthBytes + fillingOf(lengthBytes);
    if (this.#fillingBytes > 0) this.#state = "filling";
  }

  #beginExtension(flag: string, sizeBytes: number, offset: number): void {
    if (sizeBytes > maxExtensionBytes) throw archiveError(offset, `an extended header of ${sizeBytes} bytes`);
    this.#hasPreamble ||= flag !== "g";
    this.#extensionFlag = flag;
    this.#extensionOffset = offset;
    this.#extension = Buffer.alloc(sizeBytes);
    this.#left = sizeBytes;
    this.#fillingBytes = fillingOf(sizeBytes);
    this.#state = "extension";
    if (sizeBytes === 0) this.#finishExtension();
  }

  #finishExtension(): void {
    this.#state = this.#fillingBytes > 0 ? "filling" : "header";
    const bytes = this.#extension;
    this.#extension = Buffer.alloc(0);
    if (this.#extensionFlag === "L") this.#longPath = withoutNuls(bytes);
    else if (this.#extensionFlag === "K") this.#longLinkTarget = withoutNuls(bytes);
    else {
      const records = parsePax(bytes);
      if (records === undefined) throw archiveError(this.#extensionOffset, "the records of a PAX header are damaged");
      if (this.#extensionFlag !== "g") this.#records = records;
      else {
        this.#globalPax = mergePax(this.#globalPax, records);
        let size = 0;
        for (const [keyword, value] of this.#globalPax) size += keyword.length + value.length;
        if (size > maxGlobalBytes || this.#globalPax.size > maxGlobalRecords)
          throw archiveError(this.#extensionOffset, "too much in global PAX headers");
      }
    }
  }

  #clearPreamble(): void {
    this.#records = [];
    this.#longPath = undefined;
    this.#longLinkTarget = undefined;
    this.#hasPreamble = false;
  }
}

function fillingOf(lengthBytes: number): number {
  return (blockBytes - (lengthBytes % blockBytes)) % blockBytes;
}

/** A GNU long name ends at its first NUL. */
function withoutNuls(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
