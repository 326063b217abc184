import { archiveError } from "./archive-error.ts";
import type { DataRange } from "./entry.ts";
import { readNumber } from "./header-field.ts";
import { type PaxRecord, parseDecimal } from "./pax.ts";

/** More ranges than this are refused: a hundred times what a file of 1 TiB in pieces of 100 MiB has. */
export const maxDataRanges = 1_000_000;

const oldMapOffset = 386;
const oldMapEntries = 4;
const oldContinuedOffset = 482;
const oldRealSizeOffset = 483;
const extensionEntries = 21;
const extensionContinuedOffset = 504;
const pairBytes = 24;

/** A map that is read from GNU's `S` header: its first ranges, and whether blocks with more follow. */
export interface OldSparseHeader {
  readonly ranges: DataRange[];
  readonly isContinued: boolean;
  readonly realSizeBytes: number;
}

/** Reads the map of an `S` header. @throws RunletError `ERR_RUNLET_ARCHIVE` */
export function parseOldSparse(block: Uint8Array, offset: number): OldSparseHeader {
  const realSizeBytes = readNumber(block, oldRealSizeOffset, 12);
  if (realSizeBytes === undefined || realSizeBytes < 0)
    throw archiveError(offset, "the real size of a sparse file is no number");
  return {
    ranges: readPairs(block, { start: oldMapOffset, count: oldMapEntries, offset }),
    isContinued: block[oldContinuedOffset] !== 0,
    realSizeBytes,
  };
}

/** Reads a block that continues the map of an `S` header. @throws RunletError `ERR_RUNLET_ARCHIVE` */
export function parseSparseExtension(block: Uint8Array, offset: number): { ranges: DataRange[]; isContinued: boolean } {
  return {
    ranges: readPairs(block, { start: 0, count: extensionEntries, offset }),
    isContinued: block[extensionContinuedOffset] !== 0,
  };
}

function readPairs(block: Uint8Array, options: { start: number; count: number; offset: number }): DataRange[] {
  const ranges: DataRange[] = [];
  for (let index = 0; index < options.count; index++) {
    const at = options.start + index * pairBytes;
    if (block[at] === 0) break;
    const offset = readNumber(block, at, 12);
    const lengthBytes = readNumber(block, at + 12, 12);
    if (offset === undefined || lengthBytes === undefined)
      throw archiveError(options.offset, "the map of a sparse file is no list of numbers");
    ranges.push({ offset, lengthBytes });
  }
  return ranges;
}

/**
 * Reads a map that PAX records hold: of GNU.sparse 0.0 (`offset` and `numbytes`, again and again) or 0.1 (`map`).
 *
 * @returns undefined if there is none.
 * @throws RunletError `ERR_RUNLET_ARCHIVE`
 */
export function parsePaxSparse(records: readonly PaxRecord[], archiveOffset: number): DataRange[] | undefined {
  const numbers: number[] = [];
  let isFound = false;
  for (const { keyword, value } of records) {
    if (keyword === "GNU.sparse.map") {
      isFound = true;
      numbers.length = 0;
      readList(value, numbers, archiveOffset);
    } else if (keyword === "GNU.sparse.offset" || keyword === "GNU.sparse.numbytes") {
      isFound = true;
      if ((numbers.length % 2 === 0) !== (keyword === "GNU.sparse.offset"))
        throw archiveError(archiveOffset, "the map of a sparse file is out of order");
      numbers.push(readDecimal(value, archiveOffset));
    }
  }
  return isFound ? toRanges(numbers, archiveOffset) : undefined;
}

/** Reads numbers with commas between, one at a time: there may be many. */
function readList(list: Buffer, numbers: number[], archiveOffset: number): void {
  for (let at = 0; at < list.length; ) {
    const comma = list.indexOf(",", at);
    const end = comma < 0 ? list.length : comma;
    numbers.push(readDecimal(list.subarray(at, end), archiveOffset));
    // A comma at the end has a number missing after it.
    if (end === list.length - 1) readDecimal(Buffer.alloc(0), archiveOffset);
    at = end + 1;
  }
}

function readDecimal(text: Uint8Array, archiveOffset: number): number {
  const number = parseDecimal(text);
  if (number === undefined) throw archiveError(archiveOffset, "the map of a sparse file is no list of numbers");
  return number;
}

function toRanges(numbers: readonly number[], archiveOffset: number): DataRange[] {
  if (numbers.length % 2 !== 0) throw archiveError(archiveOffset, "the map of a sparse file ends within a pair");
  if (numbers.length / 2 > maxDataRanges)
    throw archiveError(archiveOffset, "the map of a sparse file has too many ranges");
  const ranges: DataRange[] = [];
  for (let index = 0; index < numbers.length; index += 2)
    ranges.push({ offset: numbers[index] ?? 0, lengthBytes: numbers[index + 1] ?? 0 });
  return ranges;
}

/** The map of GNU.sparse 1.0, which precedes the content: decimal lines, the first of which counts the pairs. */
export class SparseMapReader {
  #line = "";
  #expected: number | undefined;
  readonly #numbers: number[] = [];
  readonly #archiveOffset: number;

  constructor(archiveOffset: number) {
    this.#archiveOffset = archiveOffset;
  }

  /**
   * Takes the next whole block.
   *
   * @returns the ranges when the map is complete; the rest of its last block is filling.
   * @throws RunletError `ERR_RUNLET_ARCHIVE`
   */
  push(block: Uint8Array): DataRange[] | undefined {
    for (const byte of block) {
      if (byte !== 0x0a) {
        if (byte < 0x30 || byte > 0x39 || this.#line.length > 16)
          throw archiveError(this.#archiveOffset, "the map of a sparse file is no list of numbers");
        this.#line += String.fromCharCode(byte);
        continue;
      }
      const line = Buffer.from(this.#line);
      this.#line = "";
      if (this.#expected === undefined) {
        const count = parseDecimal(line);
        if (count === undefined || count > maxDataRanges)
          throw archiveError(this.#archiveOffset, "the map of a sparse file has too many ranges");
        this.#expected = count * 2;
      } else this.#numbers.push(readDecimal(line, this.#archiveOffset));
      if (this.#numbers.length === this.#expected) return toRanges(this.#numbers, this.#archiveOffset);
    }
    return undefined;
  }
}

/** Checks that ranges ascend, lie apart and within the file, and hold what is stored. @throws RunletError `ERR_RUNLET_ARCHIVE` */
export function checkRanges(options: {
  ranges: readonly DataRange[];
  realSizeBytes: number;
  storedBytes: number;
  archiveOffset: number;
}): void {
  const { ranges, realSizeBytes, storedBytes, archiveOffset } = options;
  let end = 0;
  let total = 0;
  for (const { offset, lengthBytes } of ranges) {
    if (offset < end || lengthBytes < 0) throw archiveError(archiveOffset, "the ranges of a sparse file overlap");
    end = offset + lengthBytes;
    total += lengthBytes;
  }
  if (end > realSizeBytes || !Number.isSafeInteger(end))
    throw archiveError(archiveOffset, "the ranges of a sparse file pass its end");
  if (total !== storedBytes)
    throw archiveError(archiveOffset, "the ranges of a sparse file do not hold what is stored");
}

/** The map as GNU.sparse 1.0 has it, filled up to whole blocks. */
export function formatSparseMap(ranges: readonly DataRange[]): Buffer {
  const lines = [ranges.length, ...ranges.flatMap(({ offset, lengthBytes }) => [offset, lengthBytes])];
  const text = Buffer.from(`${lines.join("\n")}\n`);
  const map = Buffer.alloc(Math.ceil(text.length / 512) * 512);
  text.copy(map);
  return map;
}
