const space = 0x20;
const zeroDigit = 0x30;

/**
 * Reads a number of a header: octal digits between blanks and NULs, or GNU's base-256, which the top bit of the first byte
 * marks and which may be negative.
 *
 * @returns undefined for anything else, and for what passes 2^53.
 */
export function readNumber(block: Uint8Array, start: number, length: number): number | undefined {
  const first = block[start] ?? 0;
  if ((first & 0x80) !== 0) return readBase256(block, start, length);
  const end = start + length;
  let at = start;
  while (at < end && block[at] === space) at++;
  let value = 0;
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - zeroDigit;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; at < end; at++) {
    const byte = block[at];
    if (byte !== 0 && byte !== space) return undefined;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

function readBase256(block: Uint8Array, start: number, length: number): number | undefined {
  // Two's complement over all the bits but the top one, which is the mark.
  let value = BigInt((block[start] ?? 0) & 0x7f);
  for (let at = start + 1; at < start + length; at++) value = (value << 8n) | BigInt(block[at] ?? 0);
  value = BigInt.asIntN(length * 8 - 1, value);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Writes octal digits and a NUL, or base-256 where they do not suffice. */
export function writeNumber(options: { block: Buffer; start: number; length: number; value: number }): void {
  const { block, start, length, value } = options;
  if (isOctal(value, length)) {
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, start, "latin1");
    return;
  }
  let rest = BigInt.asUintN(length * 8, BigInt(value));
  for (let at = start + length - 1; at >= start; at--) {
    block[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[start] = (block[start] ?? 0) | 0x80;
}

/** Whether a number fits a field of `length` bytes as octal digits and a NUL. */
export function isOctal(value: number, length: number): boolean {
  return value >= 0 && value < 8 ** (length - 1);
}

const empty = Buffer.alloc(0);

/** The bytes of a field up to its first NUL; a copy. */
export function readText(block: Uint8Array, start: number, length: number): Buffer {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  if (end === start) return empty;
  const text = Buffer.allocUnsafe(end - start);
  for (let at = start; at < end; at++) text[at - start] = block[at] ?? 0;
  return text;
}

/** The text of a field that is mostly the same from header to header: `last` itself if it is that. */
export function readSameText(block: Uint8Array, field: readonly [start: number, length: number], last: Buffer): Buffer {
  const [start, length] = field;
  for (let at = 0; at < last.length; at++) {
    if (block[start + at] !== last[at]) return readText(block, start, length);
  }
  return last.length === length || block[start + last.length] === 0 ? last : readText(block, start, length);
}

/** Where the checksum stands, and how long it is. */
export const checksumField = { start: 148, length: 8 } as const;

/** Whether a block is all zeros, as at the end of an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  for (let at = 0; at < block.length; at++) if (block[at] !== 0) return false;
  return true;
}

/** Whether the checksum is right: the sum of all bytes, its own taken as blanks; some old tars summed them as signed. */
export function isChecksumRight(block: Uint8Array): boolean {
  const expected = readNumber(block, checksumField.start, checksumField.length);
  const unsigned = checksumOf(block);
  if (expected === unsigned) return true;
  let signed = unsigned;
  for (let at = 0; at < block.length; at++) {
    const isOwn = at >= checksumField.start && at < checksumField.start + checksumField.length;
    if (!isOwn && (block[at] ?? 0) > 127) signed -= 256;
  }
  return expected === signed;
}

/**
 * The sum that belongs into the checksum field.
 *
 * @param block - 512 bytes.
 */
export function checksumOf(block: Uint8Array): number {
  const { start, length } = checksumField;
  let sum = length * space;
  for (let at = start; at < start + length; at++) sum -= block[at] ?? 0;
  return sum + sumOf(block);
}

/** The sum of all bytes, four at a time: of every header it is what takes longest. */
function sumOf(block: Uint8Array): number {
  const isAligned = block.byteOffset % Uint32Array.BYTES_PER_ELEMENT === 0;
  const { buffer, byteOffset, length } = isAligned ? block : Uint8Array.from(block);
  const words = new Uint32Array(buffer, byteOffset, length / Uint32Array.BYTES_PER_ELEMENT);
  // Each holds two sums of 128 bytes, which 16 bits can.
  let even = 0;
  let odd = 0;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? 0;
    even += word & 0xff00ff;
    odd += (word >>> 8) & 0xff00ff;
  }
  return (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16);
}
