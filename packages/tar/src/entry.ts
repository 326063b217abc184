/** A point in time since the Unix epoch. */
export interface Timestamp {
  /** Whole seconds, rounded down; negative before 1970. */
  readonly seconds: number;
  /** 0 to 999 999 999, always counted forwards from `seconds`. */
  readonly nanoseconds: number;
}

/** What an entry is. */
export type EntryType =
  | "file"
  /** Another name of a file that came before. */
  | "hard-link"
  | "symbolic-link"
  | "character-device"
  | "block-device"
  | "directory"
  | "fifo";

/** An extended attribute; name and value are bytes. */
export interface ExtendedAttribute {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** A part of a sparse file that is no hole. */
export interface DataRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** What an archive says about one file. Everything named is bytes, as archives need not be UTF-8. */
export interface ArchiveEntry {
  readonly type: EntryType;
  /** As it stands in the archive: it may be absolute, hold `..`, or end with `/`. */
  readonly path: Buffer;
  /** What a link says; empty for everything else. */
  readonly linkTarget: Buffer;
  /** Permission bits, 0 to 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: Buffer;
  readonly groupName: Buffer;
  /** Size of the file as it is to be, holes included; 0 for all but files. */
  readonly sizeBytes: number;
  readonly mtime: Timestamp;
  readonly atime: Timestamp | undefined;
  readonly ctime: Timestamp | undefined;
  /** 0 for all but devices. */
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: readonly ExtendedAttribute[];
  /** Where a sparse file has data, ascending and apart; undefined for a file without holes. */
  readonly dataRanges: readonly DataRange[] | undefined;
  /** The PAX records that hold for the entry, by keyword, global ones included. */
  readonly pax: ReadonlyMap<string, Buffer>;
  /** Where the entry's own header begins in the archive, in bytes. */
  readonly archiveOffset: number;
}

/** Size of a tar block; headers are one, and contents are filled up to whole ones. */
export const blockBytes = 512;
