import type { ExtendedAttribute, Timestamp } from "./entry.ts";

const newline = 0x0a;
const equals = 0x3d;
const space = 0x20;

/** Keywords that occur again and again in one header, with a meaning in their order (GNU.sparse 0.0). */
export interface PaxRecord {
  readonly keyword: string;
  readonly value: Buffer;
}

/**
 * Reads the records of a PAX extended header: `LENGTH KEYWORD=VALUE\n`, where LENGTH counts itself and values are bytes.
 *
 * @returns undefined if the records are damaged.
 * @see POSIX.1-2017 pax, "pax Extended Header"
 */
export function parsePax(bytes: Buffer): PaxRecord[] | undefined {
  const records: PaxRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    let length = 0;
    let cursor = at;
    for (; cursor < bytes.length && cursor - at < 10; cursor++) {
      const digit = (bytes[cursor] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) break;
      length = length * 10 + digit;
    }
    const end = at + length;
    if (cursor === at || bytes[cursor] !== space || end > bytes.length || bytes[end - 1] !== newline) return undefined;
    const separator = bytes.indexOf(equals, cursor + 1);
    if (separator < 0 || separator >= end - 1 || separator === cursor + 1) return undefined;
    records.push({
      keyword: bytes.toString("utf8", cursor + 1, separator),
      value: Buffer.from(bytes.subarray(separator + 1, end - 1)),
    });
    at = end;
  }
  return records;
}

/** Writes the records of a PAX extended header. */
export function formatPax(records: readonly PaxRecord[]): Buffer {
  const parts: Buffer[] = [];
  for (const { keyword, value } of records) {
    const head = Buffer.from(` ${keyword}=`);
    const rest = head.length + value.length + 1;
    let length = rest + String(rest).length;
    if (String(length).length > String(rest).length) length = rest + String(length).length;
    parts.push(Buffer.from(String(length)), head, value, Buffer.of(newline));
  }
  return Buffer.concat(parts);
}

/** Reads a decimal number without a sign. @returns undefined for anything else, and for what passes 2^53. */
export function parseDecimal(value: Uint8Array): number | undefined {
  const text = Buffer.from(value).toString("latin1");
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Reads seconds with a sign and a fraction, as PAX has times. Digits beyond the ninth are dropped. */
export function parseTime(value: Buffer): Timestamp | undefined {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(value.toString("latin1"));
  if (match === null) return undefined;
  const seconds = Number(match[2]);
  const nanoseconds = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: 0 - seconds, nanoseconds: 0 }
    : { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

/** Writes a time as PAX has it, without zeros at its end. */
export function formatTime({ seconds, nanoseconds }: Timestamp): string {
  if (nanoseconds === 0) return String(seconds);
  const fraction = (value: number) => String(value).padStart(9, "0").replace(/0+$/, "");
  if (seconds >= 0) return `${seconds}.${fraction(nanoseconds)}`;
  return `-${-(seconds + 1)}.${fraction(1_000_000_000 - nanoseconds)}`;
}

const schilyPrefix = "SCHILY.xattr.";
const libarchivePrefix = "LIBARCHIVE.xattr.";

/**
 * The extended attribute that a record stands for, in star's form (which GNU tar, bsdtar and Go write: the value as it is) or
 * in libarchive's (name percent-encoded, value in base 64).
 *
 * @returns undefined for a record of another kind.
 */
export function readXattr({ keyword, value }: PaxRecord): ExtendedAttribute | undefined {
  if (keyword.startsWith(schilyPrefix)) {
    // GNU tar escapes the two characters that a keyword cannot hold or that escape.
    const name = keyword.slice(schilyPrefix.length).replace(/%3D|%25/g, (code) => (code === "%3D" ? "=" : "%"));
    return { name: Buffer.from(name), value };
  }
  if (!keyword.startsWith(libarchivePrefix)) return undefined;
  const bytes = Buffer.from(keyword.slice(libarchivePrefix.length));
  return { name: decodePercent(bytes), value: Buffer.from(value.toString("latin1"), "base64") };
}

/** The record that an extended attribute is written as. */
export function formatXattr({ name, value }: ExtendedAttribute): PaxRecord {
  const text = name.toString();
  if (!/[=%]/.test(text) && Buffer.from(text).equals(name)) return { keyword: `${schilyPrefix}${text}`, value };
  let encoded = "";
  for (const byte of name) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== equals && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return { keyword: `${libarchivePrefix}${encoded}`, value: Buffer.from(value.toString("base64"), "latin1") };
}

function decodePercent(bytes: Buffer): Buffer {
  const decoded = bytes
    .toString("latin1")
    .replace(/%([0-9A-Fa-f]{2})/g, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return Buffer.from(decoded, "latin1");
}
