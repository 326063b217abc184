import { readAcl } from "./acl.ts";
import { archiveError } from "./archive-error.ts";
import type { ArchiveEntry, DataRange, EntryType, ExtendedAttribute, Timestamp } from "./entry.ts";
import type { Header } from "./header.ts";
import { type PaxRecord, parseDecimal, parseTime, readXattr } from "./pax.ts";
import { parsePaxSparse } from "./sparse.ts";

/** What the headers before an entry's own say about it. */
export interface EntryPreamble {
  readonly globalPax: ReadonlyMap<string, Buffer>;
  readonly records: readonly PaxRecord[];
  readonly longPath: Buffer | undefined;
  readonly longLinkTarget: Buffer | undefined;
}

/** An entry, and how its content is stored. */
export interface StoredEntry {
  readonly entry: ArchiveEntry;
  /** Bytes that follow the header, without the filling. */
  readonly storedBytes: number;
  /** Whether those begin with the map of GNU.sparse 1.0. */
  readonly hasSparseMap: boolean;
}

const types: Readonly<Record<string, EntryType>> = {
  "0": "file",
  "1": "hard-link",
  "2": "symbolic-link",
  "3": "character-device",
  "4": "block-device",
  "5": "directory",
  "6": "fifo",
  "7": "file",
  D: "directory",
  S: "file",
};
const slash = 0x2f;
const noXattrs: readonly ExtendedAttribute[] = [];

/**
 * Puts an entry together from its header and what went before.
 *
 * @param offset - of the header in the archive.
 * @throws RunletError `ERR_RUNLET_ARCHIVE`
 */
export function buildEntry(header: Header, preamble: EntryPreamble, offset: number): StoredEntry {
  const { records } = preamble;
  const pax = records.length === 0 ? preamble.globalPax : mergePax(preamble.globalPax, records);
  const path = preamble.longPath ?? recordOf(pax, "GNU.sparse.name") ?? recordOf(pax, "path") ?? header.path;
  const linkTarget = preamble.longLinkTarget ?? recordOf(pax, "linkpath") ?? header.linkTarget;
  let type = types[header.flag];
  if (type === undefined)
    throw archiveError(offset, `entries of type ${JSON.stringify(header.flag)} are not supported`);
  // The way of tar before there was a type for it.
  if (type === "file" && path[path.length - 1] === slash) type = "directory";
  const isLink = type === "hard-link" || type === "symbolic-link";
  if (path.includes(0) || (isLink && linkTarget.includes(0))) throw archiveError(offset, "a name holds a NUL");

  // Only files and GNU's directory lists have content: what a link's or device's header says of a size is not stored.
  const hasContent = type === "file" || header.flag === "D";
  const storedBytes = hasContent ? (decimalOf(pax, "size", offset) ?? header.sizeBytes) : 0;
  const hasSparseMap =
    type === "file" &&
    decimalOf(pax, "GNU.sparse.major", offset) === 1 &&
    recordOf(pax, "GNU.sparse.minor")?.toString() === "0";
  const dataRanges =
    hasSparseMap || type !== "file" || records.length === 0 ? undefined : parsePaxSparse(records, offset);
  const isSparse = hasSparseMap || dataRanges !== undefined;
  const realSizeBytes = isSparse
    ? (decimalOf(pax, "GNU.sparse.realsize", offset) ?? decimalOf(pax, "GNU.sparse.size", offset))
    : storedBytes;
  if (realSizeBytes === undefined) throw archiveError(offset, "a sparse file without its real size");

  return {
    entry: {
      type,
      path,
      linkTarget: isLink ? linkTarget : header.linkTarget,
      mode: header.mode,
      uid: decimalOf(pax, "uid", offset) ?? header.uid,
      gid: decimalOf(pax, "gid", offset) ?? header.gid,
      userName: recordOf(pax, "uname") ?? header.userName,
      groupName: recordOf(pax, "gname") ?? header.groupName,
      sizeBytes: type === "file" ? realSizeBytes : 0,
      mtime: timeOf(pax, "mtime", offset) ?? header.mtime,
      atime: timeOf(pax, "atime", offset),
      ctime: timeOf(pax, "ctime", offset),
      deviceMajor: header.deviceMajor,
      deviceMinor: header.deviceMinor,
      xattrs: pax.size === 0 ? noXattrs : readXattrs(pax, { offset, isDirectory: type === "directory" }),
      dataRanges: dataRanges as readonly DataRange[] | undefined,
      pax,
      archiveOffset: offset,
    },
    storedBytes,
    hasSparseMap,
  };
}

/** Most entries have no record at all, which is quicker seen than looked up many times. */
function recordOf(pax: ReadonlyMap<string, Buffer>, keyword: string): Buffer | undefined {
  return pax.size === 0 ? undefined : pax.get(keyword);
}

function decimalOf(pax: ReadonlyMap<string, Buffer>, keyword: string, offset: number): number | undefined {
  const value = recordOf(pax, keyword);
  if (value === undefined) return undefined;
  const parsed = parseDecimal(value);
  if (parsed === undefined) throw archiveError(offset, `the PAX record ${keyword} is no number`);
  return parsed;
}

function timeOf(pax: ReadonlyMap<string, Buffer>, keyword: string, offset: number): Timestamp | undefined {
  const value = recordOf(pax, keyword);
  if (value === undefined) return undefined;
  const parsed = parseTime(value);
  if (parsed === undefined) throw archiveError(offset, `the PAX record ${keyword} is no time`);
  return parsed;
}

/** An empty value takes a keyword back, except for an extended attribute, which may be empty. */
export function mergePax(base: ReadonlyMap<string, Buffer>, records: readonly PaxRecord[]): Map<string, Buffer> {
  const merged = new Map(base);
  for (const { keyword, value } of records) {
    if (value.length === 0 && !keyword.includes(".xattr.")) merged.delete(keyword);
    else merged.set(keyword, value);
  }
  return merged;
}

function readXattrs(
  pax: ReadonlyMap<string, Buffer>,
  options: { offset: number; isDirectory: boolean },
): readonly ExtendedAttribute[] {
  const { offset, isDirectory } = options;
  const byName = new Map<string, ExtendedAttribute>();
  for (const [keyword, value] of pax) {
    const xattr = readXattr({ keyword, value });
    if (xattr === undefined) continue;
    if (xattr.name.length === 0 || xattr.name.includes(0))
      throw archiveError(offset, "an extended attribute without a name that can be set");
    // bsdtar writes each in both forms.
    byName.set(xattr.name.toString("latin1"), xattr);
  }
  for (const [keyword, value] of pax) {
    // Only directories have a default list.
    const acl = keyword === "SCHILY.acl.default" && !isDirectory ? undefined : readAcl(keyword, value);
    // The attribute itself, byte for byte, says more than the text.
    if (acl && !byName.has(acl.name.toString("latin1"))) byName.set(acl.name.toString("latin1"), acl);
  }
  return byName.size === 0 ? noXattrs : [...byName.values()];
}
