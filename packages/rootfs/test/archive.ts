import { type ExtendedAttribute, formatEnd, formatEntry, formatFilling, type WritableEntry } from "@runlet/tar";

/** An entry of a test's archive; `content` makes it a file. */
export type TestEntry = Omit<Partial<WritableEntry>, "path"> & {
  path: string | Uint8Array;
  content?: string | Uint8Array;
};

/** An archive of entries as given, in that order. */
export function buildArchive(...entries: TestEntry[]): Buffer {
  return Buffer.concat([...entries.map(formatOne), formatEnd()]);
}

function formatOne({ content, ...entry }: TestEntry): Buffer {
  const bytes = Buffer.from((content ?? "") as string);
  const type = entry.type ?? "file";
  const header = formatEntry({
    mode: type === "directory" ? 0o755 : 0o644,
    ...entry,
    type,
    ...(type === "file" ? { sizeBytes: entry.sizeBytes ?? bytes.length } : {}),
  });
  return Buffer.concat([header, bytes, formatFilling(bytes.length)]);
}

export const directory = (path: string, more: Partial<TestEntry> = {}): TestEntry => ({
  ...more,
  path,
  type: "directory",
});
export const file = (path: string | Uint8Array, content = "x", more: Partial<TestEntry> = {}): TestEntry => ({
  ...more,
  path,
  content,
});
export const symbolicLink = (path: string, linkTarget: string): TestEntry => ({
  path,
  type: "symbolic-link",
  linkTarget,
  mode: 0o777,
});
export const hardLink = (path: string, linkTarget: string): TestEntry => ({ path, type: "hard-link", linkTarget });
export const xattr = (name: string, value: string | Uint8Array): ExtendedAttribute => ({
  name: Buffer.from(name),
  value: Buffer.from(value as string),
});

/** The bytes as a source, in pieces. */
export async function* pieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
