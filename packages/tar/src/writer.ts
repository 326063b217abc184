import { RunletError } from "@runlet/errors";
import { blockBytes, type DataRange, type EntryType, type ExtendedAttribute, type Timestamp } from "./entry.ts";
import { checksumField, checksumOf, isOctal, writeNumber } from "./header-field.ts";
import { formatPax, formatTime, formatXattr, type PaxRecord } from "./pax.ts";
import { checkRanges, formatSparseMap } from "./sparse.ts";

/** What is written about a file. What is left out is 0 or empty. */
export interface WritableEntry {
  readonly type: EntryType;
  /** A directory gets the `/` that archives end its name with. */
  readonly path: Uint8Array | string;
  /** Of a link. */
  readonly linkTarget?: Uint8Array | string;
  /** Permission bits. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly userName?: Uint8Array | string;
  readonly groupName?: Uint8Array | string;
  /** Of a file, holes included. */
  readonly sizeBytes?: number;
  readonly mtime?: Timestamp;
  readonly atime?: Timestamp | undefined;
  readonly ctime?: Timestamp | undefined;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  readonly xattrs?: readonly ExtendedAttribute[];
  /**
   * Where a sparse file has data; only that is then written as content. A range begins and ends on a multiple of 512, or
   * ends with the file.
   */
  readonly dataRanges?: readonly DataRange[] | undefined;
}

const flags: Readonly<Record<EntryType, string>> = {
  file: "0",
  "hard-link": "1",
  "symbolic-link": "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
};
const epoch: Timestamp = { seconds: 0, nanoseconds: 0 };
const slash = 0x2f;

/**
 * The blocks that precede an entry's content: a ustar header, with a PAX one before it where ustar does not suffice. The
 * same entry always gives the same bytes.
 *
 * The content follows: `storedBytesOf(entry)` bytes, then {@link formatFilling} of that.
 *
 * @throws RunletError `ERR_RUNLET_ARCHIVE` for what no archive can hold: a NUL in a name, an empty one, a negative or
 *   fractional number, ranges that overlap or pass the file's end.
 */
export function formatEntry(entry: WritableEntry): Buffer {
  check(entry);
  const records: PaxRecord[] = [];
  const path = nameOf(entry);
  const linkTarget = toBytes(entry.linkTarget ?? "");
  const mtime = entry.mtime ?? epoch;
  const isSparse = entry.type === "file" && entry.dataRanges !== undefined;
  const map = isSparse ? formatSparseMap(withEnd(entry.dataRanges ?? [], entry.sizeBytes ?? 0)) : undefined;
  const storedBytes = storedBytesOf(entry) + (map?.length ?? 0);

  const split = isSparse ? undefined : splitPath(path);
  if (isSparse) {
    addText(records, "GNU.sparse.major", "1");
    addText(records, "GNU.sparse.minor", "0");
    records.push({ keyword: "GNU.sparse.name", value: path });
    addText(records, "GNU.sparse.realsize", String(entry.sizeBytes ?? 0));
  } else if (split === undefined) records.push({ keyword: "path", value: path });
  if (linkTarget.length > 100) records.push({ keyword: "linkpath", value: linkTarget });
  addLongNumber(records, "size", storedBytes, 12);
  addLongNumber(records, "uid", entry.uid ?? 0, 8);
  addLongNumber(records, "gid", entry.gid ?? 0, 8);
  addLongName(records, "uname", entry.userName);
  addLongName(records, "gname", entry.groupName);
  if (mtime.nanoseconds !== 0 || !isOctal(mtime.seconds, 12)) addText(records, "mtime", formatTime(mtime));
  if (entry.atime !== undefined) addText(records, "atime", formatTime(entry.atime));
  if (entry.ctime !== undefined) addText(records, "ctime", formatTime(entry.ctime));
  for (const xattr of entry.xattrs ?? []) records.push(formatXattr(xattr));

  const block = Buffer.alloc(blockBytes);
  const [prefix, name] = split ?? [Buffer.alloc(0), path.subarray(-100)];
  name.copy(block, 0);
  prefix.copy(block, 345);
  linkTarget.copy(block, 157, 0, 100);
  fillHeader(block, { flag: flags[entry.type], mode: entry.mode, sizeBytes: storedBytes });
  writeNumber({ block, start: 108, length: 8, value: fitting(entry.uid ?? 0, 8) });
  writeNumber({ block, start: 116, length: 8, value: fitting(entry.gid ?? 0, 8) });
  writeNumber({ block, start: 136, length: 12, value: fitting(mtime.seconds, 12) });
  toBytes(entry.userName ?? "").copy(block, 265, 0, 31);
  toBytes(entry.groupName ?? "").copy(block, 297, 0, 31);
  // PAX has no record for device numbers: those beyond octal are written in base-256.
  writeNumber({ block, start: 329, length: 8, value: entry.deviceMajor ?? 0 });
  writeNumber({ block, start: 337, length: 8, value: entry.deviceMinor ?? 0 });
  seal(block);
  const parts = records.length === 0 ? [block] : [formatPaxHeader(records), block];
  if (map !== undefined) parts.push(map);
  return parts.length === 1 ? block : Buffer.concat(parts);
}

/** How many bytes of content are written for an entry: those of its data ranges, or of the whole file. */
export function storedBytesOf(entry: WritableEntry): number {
  if (entry.type !== "file") return 0;
  if (entry.dataRanges === undefined) return entry.sizeBytes ?? 0;
  return entry.dataRanges.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}

/** The zeros that fill content up to a whole block. */
export function formatFilling(storedBytes: number): Buffer {
  return Buffer.alloc((blockBytes - (storedBytes % blockBytes)) % blockBytes);
}

/** The two blocks of zeros that end an archive. */
export function formatEnd(): Buffer {
  return Buffer.alloc(2 * blockBytes);
}

/**
 * Writes an archive from entries with their content.
 *
 * @param entries - `content` gives exactly the entry's stored bytes, in order.
 * @throws RunletError `ERR_RUNLET_ARCHIVE` where it gives more or fewer, which a file that changes meanwhile does.
 */
export async function* writeArchive(
  entries:
    | AsyncIterable<{ entry: WritableEntry; content?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined }>
    | Iterable<{ entry: WritableEntry; content?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined }>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { entry, content } of entries) {
    yield formatEntry(entry);
    const expected = storedBytesOf(entry);
    let written = 0;
    for await (const bytes of content ?? []) {
      written += bytes.length;
      if (written > expected) break;
      yield bytes;
    }
    if (written !== expected)
      throw new RunletError("ERR_RUNLET_ARCHIVE", `content of ${written} bytes where ${expected} were announced`, {
        hint: "a file that changes while it is read cannot be archived: read it again",
      });
    yield formatFilling(expected);
  }
  yield formatEnd();
}

/** GNU tar makes a file no longer than its last range, so one that ends with a hole gets an empty range at its end. */
function withEnd(ranges: readonly DataRange[], sizeBytes: number): readonly DataRange[] {
  const last = ranges.at(-1);
  const end = last === undefined ? 0 : last.offset + last.lengthBytes;
  return end < sizeBytes ? [...ranges, { offset: sizeBytes, lengthBytes: 0 }] : ranges;
}

function formatPaxHeader(records: readonly PaxRecord[]): Buffer {
  const isText = records.every(({ keyword, value }) => keyword.includes(".xattr.") || isUtf8(value));
  const charset: PaxRecord[] = isText ? [] : [{ keyword: "hdrcharset", value: Buffer.from("BINARY") }];
  const body = formatPax([...charset, ...records]);
  const block = Buffer.alloc(blockBytes);
  block.write("PaxHeaders/entry", 0, "latin1");
  fillHeader(block, { flag: "x", mode: 0o644, sizeBytes: body.length });
  for (const start of [108, 116]) writeNumber({ block, start, length: 8, value: 0 });
  writeNumber({ block, start: 136, length: 12, value: 0 });
  seal(block);
  return Buffer.concat([block, body, formatFilling(body.length)]);
}

function fillHeader(block: Buffer, options: { flag: string; mode: number; sizeBytes: number }): void {
  writeNumber({ block, start: 100, length: 8, value: options.mode });
  writeNumber({ block, start: 124, length: 12, value: fitting(options.sizeBytes, 12) });
  block.write(options.flag, 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
}

function seal(block: Buffer): void {
  block.write(`${checksumOf(block).toString(8).padStart(6, "0")}\0 `, checksumField.start, "latin1");
}

/** A number for a field whose true value a PAX record says. */
function fitting(value: number, length: number): number {
  return isOctal(value, length) ? value : 0;
}

function addText(records: PaxRecord[], keyword: string, text: string): void {
  records.push({ keyword, value: Buffer.from(text) });
}

function addLongNumber(records: PaxRecord[], keyword: string, value: number, length: number): void {
  if (!isOctal(value, length)) addText(records, keyword, String(value));
}

function addLongName(records: PaxRecord[], keyword: string, name: Uint8Array | string | undefined): void {
  const bytes = toBytes(name ?? "");
  if (bytes.length > 31) records.push({ keyword, value: bytes });
}

function nameOf(entry: WritableEntry): Buffer {
  const path = toBytes(entry.path);
  if (entry.type !== "directory" || path[path.length - 1] === slash) return path;
  return Buffer.concat([path, Buffer.of(slash)]);
}

/** Prefix and name of ustar's two fields. @returns undefined if the path fits neither alone nor at any of its slashes. */
function splitPath(path: Buffer): [prefix: Buffer, name: Buffer] | undefined {
  if (path.length <= 100) return [Buffer.alloc(0), path];
  // The name must not be empty, so the slash that ends a directory's path does not count.
  for (
    let at = path.indexOf(slash, path.length - 101);
    at >= 0 && at < path.length - 1;
    at = path.indexOf(slash, at + 1)
  ) {
    if (at > 155) return undefined;
    if (at > 0) return [path.subarray(0, at), path.subarray(at + 1)];
  }
  return undefined;
}

function toBytes(text: Uint8Array | string): Buffer {
  return typeof text === "string" ? Buffer.from(text) : Buffer.from(text.buffer, text.byteOffset, text.byteLength);
}

function isUtf8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString()).equals(bytes);
}

function check(entry: WritableEntry): void {
  const refuse = (what: string): never => {
    throw new RunletError("ERR_RUNLET_ARCHIVE", `an archive cannot hold ${what}`);
  };
  const names = [entry.path, entry.linkTarget ?? "", entry.userName ?? "", entry.groupName ?? ""].map(toBytes);
  if (names[0]?.length === 0) refuse("an entry without a name");
  if (names.some((name) => name.includes(0))) refuse("a name with a NUL");
  const { mode, uid = 0, gid = 0, sizeBytes = 0, deviceMajor = 0, deviceMinor = 0 } = entry;
  if ([mode, uid, gid, sizeBytes, deviceMajor, deviceMinor].some((value) => !Number.isSafeInteger(value) || value < 0))
    refuse("a number that is negative, fractional or beyond 2^53");
  if (mode > 0o7777) refuse("more than permission bits in a mode");
  if (deviceMajor > 0xffffffff || deviceMinor > 0xffffffff) refuse("a device number beyond 32 bits");
  for (const time of [entry.mtime, entry.atime, entry.ctime]) {
    if (time === undefined) continue;
    const { seconds, nanoseconds } = time;
    const isSound = Number.isSafeInteger(seconds) && Math.abs(seconds) < 1e15 && Number.isInteger(nanoseconds);
    if (!isSound || nanoseconds < 0 || nanoseconds > 999_999_999) refuse("a time that is no whole nanoseconds");
  }
  for (const { name } of entry.xattrs ?? []) {
    if (name.length === 0 || name.includes(0)) refuse("an extended attribute without a name that can be set");
  }
  // GNU tar reads each range from a block of its own, others read them end to end: whole blocks are the same for both.
  const isWhole = (offset: number) => offset % blockBytes === 0 || offset === sizeBytes;
  if (entry.dataRanges?.some((range) => !isWhole(range.offset) || !isWhole(range.offset + range.lengthBytes)) === true)
    refuse("a range of a sparse file that begins or ends within a block of 512 bytes");
  if (entry.dataRanges !== undefined)
    checkRanges({
      ranges: entry.dataRanges,
      realSizeBytes: sizeBytes,
      storedBytes: storedBytesOf(entry),
      archiveOffset: 0,
    });
}
