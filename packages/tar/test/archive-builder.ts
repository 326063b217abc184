import type { ArchiveEntry } from "../src/index.ts";
import { ArchiveReader } from "../src/index.ts";

/** The fields of a raw header block, as a test wants them, right or wrong. */
export interface RawHeader {
  name?: string | Uint8Array;
  mode?: string;
  uid?: string | Uint8Array;
  gid?: string;
  size?: number | string | Uint8Array;
  mtime?: string | Uint8Array;
  flag?: string;
  linkname?: string;
  magic?: string;
  uname?: string;
  prefix?: string;
  devmajor?: string;
  devminor?: string;
  /** Bytes from an offset on, last of all. */
  patch?: [offset: number, bytes: string | Uint8Array][];
  signedChecksum?: boolean;
}

function octal(value: number, length: number): string {
  return value.toString(8).padStart(length - 1, "0");
}

/** One header block with a right checksum. */
export function rawHeader(fields: RawHeader): Buffer {
  const block = Buffer.alloc(512);
  const put = (offset: number, bytes: string | Uint8Array) =>
    Buffer.from(bytes as string, "latin1").copy(block, offset);
  put(0, fields.name ?? "file");
  put(100, fields.mode ?? "0000644");
  put(108, fields.uid ?? "0000000");
  put(116, fields.gid ?? "0000000");
  put(124, typeof fields.size === "number" || fields.size === undefined ? octal(fields.size ?? 0, 12) : fields.size);
  put(136, fields.mtime ?? "00000000000");
  put(156, fields.flag ?? "0");
  put(157, fields.linkname ?? "");
  put(257, fields.magic ?? "ustar\u000000");
  put(265, fields.uname ?? "");
  put(329, fields.devmajor ?? "0000000");
  put(337, fields.devminor ?? "0000000");
  put(345, fields.prefix ?? "");
  for (const [offset, bytes] of fields.patch ?? []) put(offset, bytes);
  let sum = 8 * 32;
  for (const [at, byte] of block.entries()) {
    if (at < 148 || at >= 156) sum += fields.signedChecksum === true && byte > 127 ? byte - 256 : byte;
  }
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Content filled up to whole blocks. */
export function filled(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content as string, "latin1");
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A header with its content. */
export function rawEntry(fields: RawHeader, content: string | Uint8Array = ""): Buffer {
  return Buffer.concat([rawHeader({ size: content.length, ...fields }), filled(content)]);
}

/** A PAX header (`x`, or `g` for a global one) with these records. */
export function rawPax(records: [keyword: string, value: string | Uint8Array][], flag = "x"): Buffer {
  const parts = records.map(([keyword, value]) => {
    const rest = Buffer.concat([
      Buffer.from(` ${keyword}=`),
      typeof value === "string" ? Buffer.from(value) : value,
      Buffer.from("\n"),
    ]);
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) length++;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return rawEntry({ name: "PaxHeaders/x", flag }, Buffer.concat(parts));
}

export const endBlocks = Buffer.alloc(1024);

/** An entry as a test sees it: its content joined, holes as zeros. */
export interface ReadEntry extends ArchiveEntry {
  content: Buffer;
}

/** Reads a whole archive, pushed in pieces of a size. */
export function readAll(
  archive: Uint8Array,
  options: { pieceBytes?: number; isConcatenated?: boolean } = {},
): ReadEntry[] {
  const entries: ReadEntry[] = [];
  const reader = new ArchiveReader(
    {
      entry: (entry) => void entries.push({ ...entry, content: Buffer.alloc(entry.sizeBytes) }),
      data: (bytes, offset) => void entries.at(-1)?.content.set(bytes, offset),
      end: () => {},
    },
    { isConcatenated: options.isConcatenated ?? false },
  );
  const pieceBytes = options.pieceBytes ?? Math.max(1, archive.length);
  for (let at = 0; at < archive.length; at += pieceBytes) reader.push(archive.subarray(at, at + pieceBytes));
  reader.finish();
  return entries;
}
