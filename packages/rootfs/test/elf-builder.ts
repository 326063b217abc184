import { Buffer } from "node:buffer";

/** What a test's ELF file claims. */
export interface ElfClaims {
  bits?: 32 | 64;
  byteOrder?: "little" | "big";
  machine?: number;
  type?: number;
  interpreter?: string;
  needed?: string[];
  soname?: string;
  rpath?: string;
  runpath?: string;
  flags1?: number;
}

const baseAddress = 0x400000;

/** Machine number of the machine that the tests run on. */
export const hostMachine = process.arch === "arm64" ? 183 : 62;

/** An ELF file with one PT_LOAD over everything, and PT_INTERP and PT_DYNAMIC as claimed. Holds no code. */
export function buildElf(claims: ElfClaims = {}): Buffer {
  const is64 = (claims.bits ?? 64) === 64;
  const isLittle = (claims.byteOrder ?? "little") === "little";
  const word = (value: number) => {
    const bytes = Buffer.alloc(is64 ? 8 : 4);
    if (is64) isLittle ? bytes.writeBigUInt64LE(BigInt(value)) : bytes.writeBigUInt64BE(BigInt(value));
    else isLittle ? bytes.writeUInt32LE(value) : bytes.writeUInt32BE(value);
    return bytes;
  };
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    isLittle ? bytes.writeUInt32LE(value) : bytes.writeUInt32BE(value);
    return bytes;
  };
  const u16 = (value: number) => {
    const bytes = Buffer.alloc(2);
    isLittle ? bytes.writeUInt16LE(value) : bytes.writeUInt16BE(value);
    return bytes;
  };

  let strings = "\0";
  const place = (text: string) => {
    const offset = strings.length;
    strings += `${text}\0`;
    return offset;
  };
  const tags: [number, number][] = (claims.needed ?? []).map((name) => [1, place(name)]);
  if (claims.soname !== undefined) tags.push([14, place(claims.soname)]);
  if (claims.rpath !== undefined) tags.push([15, place(claims.rpath)]);
  if (claims.runpath !== undefined) tags.push([29, place(claims.runpath)]);
  if (claims.flags1 !== undefined) tags.push([0x6ffffffb, claims.flags1]);
  const hasDynamic = tags.length > 0;

  const headerSize = is64 ? 64 : 52;
  const segmentSize = is64 ? 56 : 32;
  const count = 1 + (claims.interpreter === undefined ? 0 : 1) + (hasDynamic ? 1 : 0);
  const interpreterOffset = headerSize + count * segmentSize;
  const interpreter = claims.interpreter === undefined ? Buffer.alloc(0) : Buffer.from(`${claims.interpreter}\0`);
  const stringsOffset = interpreterOffset + interpreter.length;
  const dynamicOffset = stringsOffset + strings.length;
  const dynamicTags: [number, number][] = [...tags, [5, baseAddress + stringsOffset], [10, strings.length], [0, 0]];
  const dynamic = hasDynamic
    ? Buffer.concat(dynamicTags.flatMap(([tag, value]) => [word(tag), word(value)]))
    : Buffer.alloc(0);
  const total = dynamicOffset + dynamic.length;

  const segment = (type: number, offset: number, size: number) =>
    is64
      ? [u32(type), u32(5), word(offset), word(baseAddress + offset), word(0), word(size), word(size), word(4096)]
      : [u32(type), word(offset), word(baseAddress + offset), word(0), word(size), word(size), u32(5), word(4096)];
  const ident = Buffer.from([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, isLittle ? 1 : 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([
    ident,
    u16(claims.type ?? 3),
    u16(claims.machine ?? hostMachine),
    u32(1),
    word(0),
    word(headerSize),
    word(0),
    u32(0),
    u16(headerSize),
    u16(segmentSize),
    u16(count),
    u16(0),
    u16(0),
    u16(0),
    ...segment(1, 0, total),
    ...(claims.interpreter === undefined ? [] : segment(3, interpreterOffset, interpreter.length)),
    ...(hasDynamic ? segment(2, dynamicOffset, dynamic.length) : []),
    interpreter,
    Buffer.from(strings, "latin1"),
    dynamic,
  ]);
}
