import { archiveError } from "./archive-error.ts";
import type { Timestamp } from "./entry.ts";
import { readNumber, readSameText, readText } from "./header-field.ts";

/** The fields of one header block. */
export interface Header {
  /** The type flag, as a character. */
  readonly flag: string;
  readonly path: Buffer;
  readonly linkTarget: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtime: Timestamp;
  readonly userName: Buffer;
  readonly groupName: Buffer;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly isGnu: boolean;
}

/** Where names and numbers lie: start and length, in bytes. */
const nameField = [0, 100] as const;
const modeField = [100, 8] as const;
const uidField = [108, 8] as const;
const gidField = [116, 8] as const;
const sizeField = [124, 12] as const;
const mtimeField = [136, 12] as const;
const linkField = [157, 100] as const;
const userField = [265, 32] as const;
const groupField = [297, 32] as const;
const majorField = [329, 8] as const;
const minorField = [337, 8] as const;
const prefixField = [345, 155] as const;

/** For errors. */
const fieldNames = new Map<readonly [number, number], string>([
  [modeField, "mode"],
  [uidField, "uid"],
  [gidField, "gid"],
  [sizeField, "size"],
  [mtimeField, "mtime"],
  [majorField, "devmajor"],
  [minorField, "devminor"],
]);

const flagOffset = 156;
const empty = Buffer.alloc(0);

/**
 * Reads a header block of the forms V7, ustar, GNU and star, whose checksum has been seen to be right.
 *
 * @param offset - of the block in the archive, for errors.
 * @param last - the header before, whose buffers are used again for equal names of owners.
 * @throws RunletError `ERR_RUNLET_ARCHIVE` for a field that is no number, or a negative size or id.
 */
export function parseHeader(block: Uint8Array, offset: number, last?: Header): Header {
  const isPosix = hasText(block, 257, "ustar\0");
  const isGnu = hasText(block, 257, "ustar  \0");
  const hasNames = isPosix || isGnu;
  const name = readText(block, nameField[0], nameField[1]);
  const flag = block[flagOffset] === 0 ? "0" : String.fromCharCode(block[flagOffset] ?? 0);
  const isDevice = flag === "3" || flag === "4";
  return {
    flag,
    path: isPosix ? joinPrefix(block, name) : name,
    linkTarget: flag === "1" || flag === "2" ? readText(block, linkField[0], linkField[1]) : empty,
    mode: readCount(block, modeField, offset) & 0o7777,
    uid: readCount(block, uidField, offset),
    gid: readCount(block, gidField, offset),
    sizeBytes: readCount(block, sizeField, offset),
    mtime: { seconds: readField(block, mtimeField, offset), nanoseconds: 0 },
    userName: hasNames ? readSameText(block, userField, last?.userName ?? empty) : empty,
    groupName: hasNames ? readSameText(block, groupField, last?.groupName ?? empty) : empty,
    // Other entries need not hold numbers there: a star header has none.
    deviceMajor: isDevice && hasNames ? readCount(block, majorField, offset) : 0,
    deviceMinor: isDevice && hasNames ? readCount(block, minorField, offset) : 0,
    isGnu,
  };
}

/** A number of a header. */
function readField(block: Uint8Array, field: readonly [start: number, length: number], offset: number): number {
  const value = readNumber(block, field[0], field[1]);
  if (value === undefined) throw archiveError(offset, `the field ${fieldNames.get(field)} of a header is no number`);
  return value;
}

/** A number of a header that cannot be negative. */
function readCount(block: Uint8Array, field: readonly [start: number, length: number], offset: number): number {
  const value = readField(block, field, offset);
  if (value < 0) throw archiveError(offset, `the field ${fieldNames.get(field)} of a header is negative`);
  return value;
}

function joinPrefix(block: Uint8Array, name: Buffer): Buffer {
  if (block[prefixField[0]] === 0) return name;
  // star keeps times behind a shorter prefix and says so at the block's end.
  const length = hasText(block, 508, "tar\0") ? 131 : prefixField[1];
  const prefix = readText(block, prefixField[0], length);
  return Buffer.concat([prefix, Buffer.from("/"), name]);
}

function hasText(block: Uint8Array, start: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (block[start + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}
