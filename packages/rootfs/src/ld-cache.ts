/** A library that `ldconfig` has found. */
export interface CacheEntry {
  /** The name asked for: `libc.so.6`. */
  readonly name: string;
  /** Where it lies. */
  readonly path: string;
  /** Type and architecture, as glibc's ldconfig.h numbers them. */
  readonly flags: number;
  /** Whether the entry is for processors of certain capabilities only (`glibc-hwcaps`, or the older `hwcap` directories). */
  readonly isForCapabilities: boolean;
}

const oldMagic = "ld.so-1.7.0";
const newMagic = "glibc-ld.so.cache1.1";
const oldHeaderBytes = 16;
const oldEntryBytes = 12;
const newHeaderBytes = 48;
const newEntryBytes = 24;
const littleEndianFlag = 2;
/** PATH_MAX. */
const maxTextBytes = 4096;

/**
 * Reads `/etc/ld.so.cache` in glibc's two formats: the one of glibc 2.2 on (alone, or behind the older one), and the older
 * one alone. Byte order is little-endian, as on every architecture that runlet runs on.
 *
 * @returns the entries in the file's order; none for a file of another kind or a damaged one, which the linker ignores too.
 * @see glibc sysdeps/generic/dl-cache.h
 */
export function parseLdCache(bytes: Uint8Array): CacheEntry[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (startsWith(file, 0, newMagic)) return parseNew(file, 0);
  if (!startsWith(file, 0, oldMagic) || file.length < oldHeaderBytes) return [];
  const count = file.readUInt32LE(12);
  const oldEnd = oldHeaderBytes + count * oldEntryBytes;
  const aligned = Math.ceil(oldEnd / 8) * 8;
  if (startsWith(file, aligned, newMagic)) return parseNew(file, aligned);
  return parseEntries({ file, count, first: oldHeaderBytes, entryBytes: oldEntryBytes, textBase: oldEnd });
}

function startsWith(file: Buffer, offset: number, magic: string): boolean {
  return file.toString("latin1", offset, offset + magic.length) === magic;
}

function parseNew(file: Buffer, base: number): CacheEntry[] {
  if (file.length < base + newHeaderBytes) return [];
  const count = file.readUInt32LE(base + 20);
  return parseEntries({ file, count, first: base + newHeaderBytes, entryBytes: newEntryBytes, textBase: base });
}

function parseEntries(options: {
  file: Buffer;
  count: number;
  first: number;
  entryBytes: number;
  textBase: number;
}): CacheEntry[] {
  const { file, count, first, entryBytes, textBase } = options;
  if (first + count * entryBytes > file.length) return [];
  const entries: CacheEntry[] = [];
  for (let index = 0; index < count; index++) {
    const at = first + index * entryBytes;
    const name = textAt(file, textBase + file.readUInt32LE(at + 4));
    const path = textAt(file, textBase + file.readUInt32LE(at + 8));
    if (name === undefined || path === undefined) return [];
    const isForCapabilities = entryBytes === newEntryBytes && file.readBigUInt64LE(at + 16) !== 0n;
    entries.push({ name, path, flags: file.readInt32LE(at), isForCapabilities });
  }
  return entries;
}

/** Texts may overlap: without a bound those of a small file could fill the memory. */
function textAt(file: Buffer, offset: number): string | undefined {
  const length = file.subarray(offset, offset + maxTextBytes).indexOf(0);
  return length < 0 ? undefined : file.toString("utf8", offset, offset + length);
}

/**
 * Writes a cache of glibc's current format, which the dynamic linker of a container then finds its libraries by.
 *
 * @param entries - at most one per name.
 */
export function formatLdCache(entries: readonly CacheEntry[]): Buffer {
  const sorted = [...entries].sort((one, other) => compareNames(other.name, one.name));
  const strings: Buffer[] = [];
  let textOffset = newHeaderBytes + sorted.length * newEntryBytes;
  const place = (text: string) => {
    const bytes = Buffer.from(`${text}\0`);
    strings.push(bytes);
    textOffset += bytes.length;
    return textOffset - bytes.length;
  };
  const head = Buffer.alloc(newHeaderBytes + sorted.length * newEntryBytes);
  head.write(newMagic, 0, "latin1");
  head.writeUInt32LE(sorted.length, 20);
  for (const [index, entry] of sorted.entries()) {
    const at = newHeaderBytes + index * newEntryBytes;
    head.writeInt32LE(entry.flags, at);
    head.writeUInt32LE(place(entry.name), at + 4);
    head.writeUInt32LE(place(entry.path), at + 8);
  }
  head.writeUInt32LE(textOffset - head.length, 24);
  head[28] = littleEndianFlag;
  return Buffer.concat([head, ...strings]);
}

/**
 * The order that the dynamic linker's binary search expects (`_dl_cache_libcmp`): runs of digits compare as numbers, and
 * a digit comes after any other character.
 */
export function compareNames(one: string, other: string): number {
  const a = Buffer.from(one);
  const b = Buffer.from(other);
  let i = 0;
  let j = 0;
  while (i < a.length) {
    const left = a[i] ?? 0;
    const right = b[j] ?? 0;
    if (isDigit(left) && isDigit(right)) {
      const [leftNumber, leftEnd] = numberAt(a, i);
      const [rightNumber, rightEnd] = numberAt(b, j);
      if (leftNumber !== rightNumber) return leftNumber < rightNumber ? -1 : 1;
      i = leftEnd;
      j = rightEnd;
    } else if (isDigit(left)) return 1;
    else if (isDigit(right)) return -1;
    else if (left !== right) return left - right;
    else {
      i++;
      j++;
    }
  }
  return 0 - (b[j] ?? 0);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function numberAt(bytes: Buffer, start: number): [bigint, number] {
  let end = start;
  while (isDigit(bytes[end] ?? 0)) end++;
  return [BigInt(bytes.toString("latin1", start, end)), end];
}
