export {
  type ArchiveEntry,
  blockBytes,
  type DataRange,
  type EntryType,
  type ExtendedAttribute,
  type Timestamp,
} from "./entry.ts";
export { type ContentPart, type ReadableEntry, readArchive } from "./read-archive.ts";
export { type ArchiveHandler, ArchiveReader, type ArchiveReaderOptions } from "./reader.ts";
export { formatEnd, formatEntry, formatFilling, storedBytesOf, type WritableEntry, writeArchive } from "./writer.ts";
