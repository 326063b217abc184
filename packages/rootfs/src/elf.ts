import type { ElfTarget } from "./elf-machine.ts";

/** What the kernel and the dynamic linker read of an executable or library. */
export interface ElfFile extends ElfTarget {
  /** `PT_INTERP`: the dynamic linker that the kernel starts. Undefined for a static executable and for most libraries. */
  readonly interpreter: string | undefined;
  /** `DT_NEEDED`, in order. */
  readonly needed: readonly string[];
  /** `DT_SONAME`. */
  readonly soname: string | undefined;
  /** `DT_RPATH` as it stands, `:` between directories. */
  readonly rpath: string | undefined;
  /** `DT_RUNPATH` as it stands. */
  readonly runpath: string | undefined;
  /** `DF_1_NODEFLIB`: neither the cache nor the default directories are searched for what it needs. */
  readonly isWithoutDefaultDirectories: boolean;
}

/** Why a file is no ELF file that can be executed or loaded. */
export type ElfFault = "not-elf" | "truncated" | "malformed";

/** Reads `length` bytes at `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Uint8Array;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_SONAME = 14;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
const DT_FLAGS_1 = 0x6ffffffb;
const DF_1_NODEFLIB = 0x800;
const ET_EXEC = 2;
const ET_DYN = 3;

/** The kernel refuses program headers of more than 64 KiB, and an interpreter's path beyond PATH_MAX (binfmt_elf.c). */
const maxProgramHeadersBytes = 65536;
const maxPathBytes = 4096;
/** Bounds of our own: far beyond what linkers make, small enough that a hostile file costs nothing. */
const maxDynamicBytes = 1 << 20;
const maxStringsBytes = 16 << 20;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly sizeBytes: number;
}

class Fault extends Error {
  readonly fault: ElfFault;
  constructor(fault: ElfFault) {
    super(fault);
    this.fault = fault;
  }
}

/**
 * Parses the parts of an ELF file that decide what it needs: header, program headers, `PT_INTERP` and the dynamic
 * section. Sections are not looked at, as the kernel and the dynamic linker do not. Reads are bounded and nothing is executed.
 *
 * @param readAt - access to the file.
 * @returns the file, or what is wrong with it. Never throws for what the file holds.
 * @see elf(5)
 */
export function parseElf(readAt: ReadAt): ElfFile | ElfFault {
  try {
    return parse(readAt);
  } catch (error) {
    if (error instanceof Fault) return error.fault;
    throw error;
  }
}

function parse(readAt: ReadAt): ElfFile {
  const ident = readAt(0, 64);
  if (ident.length < 4 || ident[0] !== 0x7f || ident[1] !== 0x45 || ident[2] !== 0x4c || ident[3] !== 0x46)
    throw new Fault("not-elf");
  const bits = ident[4] === 2 ? 64 : 32;
  if (ident.length < (bits === 64 ? 64 : 52)) throw new Fault("truncated");
  if ((ident[4] !== 1 && ident[4] !== 2) || (ident[5] !== 1 && ident[5] !== 2)) throw new Fault("malformed");
  const byteOrder = ident[5] === 1 ? "little" : "big";
  const header = new Fields(ident, bits, byteOrder === "little");
  const type = header.u16(16);
  if (type !== ET_EXEC && type !== ET_DYN) throw new Fault("malformed");

  const segments = readSegments(readAt, header);
  const interpreterSegment = segments.find((segment) => segment.type === PT_INTERP);
  const interpreter = interpreterSegment && readInterpreter(readAt, interpreterSegment);
  const dynamicSegment = segments.find((segment) => segment.type === PT_DYNAMIC);
  const dynamic = dynamicSegment && readDynamic({ readAt, segments, segment: dynamicSegment, header });
  return {
    bits,
    byteOrder,
    machine: header.u16(18),
    interpreter,
    needed: dynamic?.needed ?? [],
    soname: dynamic?.soname,
    rpath: dynamic?.rpath,
    runpath: dynamic?.runpath,
    isWithoutDefaultDirectories: dynamic?.isWithoutDefaultDirectories ?? false,
  };
}

/** Numbers of a part of the file, in its own word size and byte order. */
class Fields {
  readonly view: DataView;
  readonly bits: 32 | 64;
  readonly isLittle: boolean;
  constructor(bytes: Uint8Array, bits: 32 | 64, isLittle: boolean) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.bits = bits;
    this.isLittle = isLittle;
  }
  of(bytes: Uint8Array): Fields {
    return new Fields(bytes, this.bits, this.isLittle);
  }
  u16(offset: number): number {
    return this.view.getUint16(offset, this.isLittle);
  }
  u32(offset: number): number {
    return this.view.getUint32(offset, this.isLittle);
  }
  /** A word of the file's size; one that is beyond any file's end or address comes back as Infinity. */
  word(offset: number): number {
    if (this.bits === 32) return this.u32(offset);
    const value = this.view.getBigUint64(offset, this.isLittle);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
  }
}

function readExactly(readAt: ReadAt, offset: number, length: number): Uint8Array {
  if (!Number.isSafeInteger(offset + length)) throw new Fault("truncated");
  const bytes = readAt(offset, length);
  if (bytes.length < length) throw new Fault("truncated");
  return bytes;
}

function readSegments(readAt: ReadAt, header: Fields): Segment[] {
  const is64 = header.bits === 64;
  const tableOffset = header.word(is64 ? 32 : 28);
  const entrySize = header.u16(is64 ? 54 : 42);
  const count = header.u16(is64 ? 56 : 44);
  if (count === 0) return [];
  if (entrySize !== (is64 ? 56 : 32) || count * entrySize > maxProgramHeadersBytes) throw new Fault("malformed");
  const table = header.of(readExactly(readAt, tableOffset, count * entrySize));
  return Array.from({ length: count }, (_, index) => {
    const at = index * entrySize;
    return {
      type: table.u32(at),
      offset: table.word(at + (is64 ? 8 : 4)),
      address: table.word(at + (is64 ? 16 : 8)),
      sizeBytes: table.word(at + (is64 ? 32 : 16)),
    };
  });
}

function readInterpreter(readAt: ReadAt, segment: Segment): string {
  if (segment.sizeBytes < 2 || segment.sizeBytes > maxPathBytes) throw new Fault("malformed");
  const bytes = readExactly(readAt, segment.offset, segment.sizeBytes);
  if (bytes[bytes.length - 1] !== 0) throw new Fault("malformed");
  return textUntilNul(bytes, 0);
}

function readDynamic(options: { readAt: ReadAt; segments: readonly Segment[]; segment: Segment; header: Fields }) {
  const { readAt, segments, segment, header } = options;
  const wordSize = header.bits / 8;
  if (segment.sizeBytes > maxDynamicBytes) throw new Fault("malformed");
  const section = header.of(readExactly(readAt, segment.offset, segment.sizeBytes));
  const needed: number[] = [];
  const single = new Map<number, number>();
  for (let at = 0; at + 2 * wordSize <= segment.sizeBytes; at += 2 * wordSize) {
    const tag = section.word(at);
    const value = section.word(at + wordSize);
    if (tag === 0) break;
    if (tag === DT_NEEDED) needed.push(value);
    else single.set(tag, value);
  }
  const stringsAddress = single.get(DT_STRTAB);
  const stringsSize = single.get(DT_STRSZ);
  // A static PIE has a dynamic section without names.
  if (stringsAddress === undefined || stringsSize === undefined) {
    if (needed.length > 0) throw new Fault("malformed");
    return { needed: [], isWithoutDefaultDirectories: false };
  }
  if (stringsSize > maxStringsBytes) throw new Fault("malformed");
  const strings = readExactly(readAt, offsetOf(segments, stringsAddress), stringsSize);
  const text = (tag: number) => {
    const offset = single.get(tag);
    return offset === undefined ? undefined : textUntilNul(strings, offset);
  };
  return {
    needed: needed.map((offset) => textUntilNul(strings, offset)),
    soname: text(DT_SONAME),
    rpath: text(DT_RPATH),
    runpath: text(DT_RUNPATH),
    isWithoutDefaultDirectories: ((single.get(DT_FLAGS_1) ?? 0) & DF_1_NODEFLIB) !== 0,
  };
}

/** Where in the file an address lies. */
function offsetOf(segments: readonly Segment[], address: number): number {
  for (const segment of segments) {
    if (segment.type === PT_LOAD && address >= segment.address && address - segment.address < segment.sizeBytes)
      return segment.offset + (address - segment.address);
  }
  throw new Fault("malformed");
}

function textUntilNul(bytes: Uint8Array, offset: number): string {
  const end = offset < bytes.length ? bytes.indexOf(0, offset) : -1;
  if (end < 0) throw new Fault("malformed");
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, end - offset).toString();
}
