import { archiveError } from "./archive-error.ts";
import type { Timestamp } from "./entry.ts";
import { readNumber, readText } from "./header-field.ts";

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

type FieldName =
  | "name"
  | "mode"
  | "uid"
  | "gid"
  | "size"
  | "mtime"
  | "linkname"
  | "magic"
  | "uname"
  | "gname"
  | "devmajor"
  | "devminor"
  | "prefix";

const fields: Readonly<Record<FieldName, readonly [start: number, length: number]>> = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  linkname: [157, 100],
  magic: [257, 8],
  uname: [265, 32],
  gname: [297, 32],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
};

const flagOffset = 156;
const empty = Buffer.alloc(0);

/**
 * Reads a header block of the forms V7, ustar, GNU and star, whose checksum has been seen to be right.
 *
 * @param offset - of the block in the archive, for errors.
 * @throws RunletError `ERR_RUNLET_ARCHIVE` for a field that is no number, or a negative size or id.
 */
export function parseHeader(block: Uint8Array, offset: number): Header {
  const number = (name: FieldName): number => {
    const value = readNumber(block, ...fields[name]);
    if (value === undefined) throw archiveError(offset, `the field ${name} of a header is no number`);
    if (value < 0 && name !== "mtime") throw archiveError(offset, `the field ${name} of a header is negative`);
    return value;
  };
  const isPosix = hasText(block, 257, "ustar\0");
  const isGnu = hasText(block, 257, "ustar  \0");
  const hasNames = isPosix || isGnu;
  const name = readText(block, ...fields.name);
  const flag = block[flagOffset] === 0 ? "0" : String.fromCharCode(block[flagOffset] ?? 0);
  const isDevice = flag === "3" || flag === "4";
  return {
    flag,
    path: isPosix ? joinPrefix(block, name) : name,
    linkTarget: flag === "1" || flag === "2" ? readText(block, ...fields.linkname) : empty,
    mode: number("mode") & 0o7777,
    uid: number("uid"),
    gid: number("gid"),
    sizeBytes: number("size"),
    mtime: { seconds: number("mtime"), nanoseconds: 0 },
    userName: hasNames ? readText(block, ...fields.uname) : empty,
    groupName: hasNames ? readText(block, ...fields.gname) : empty,
    // Other entries need not hold numbers there: a star header has none.
    deviceMajor: isDevice && hasNames ? number("devmajor") : 0,
    deviceMinor: isDevice && hasNames ? number("devminor") : 0,
    isGnu,
  };
}

function joinPrefix(block: Uint8Array, name: Buffer): Buffer {
  if (block[fields.prefix[0]] === 0) return name;
  // star keeps times behind a shorter prefix and says so at the block's end.
  const length = hasText(block, 508, "tar\0") ? 131 : fields.prefix[1];
  const prefix = readText(block, fields.prefix[0], length);
  return Buffer.concat([prefix, Buffer.from("/"), name]);
}

function hasText(block: Uint8Array, start: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (block[start + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}
