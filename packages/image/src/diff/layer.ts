import { quote, RunletError } from "@runlet/errors";
import { closeFd, type FileStatus, fileTypes, readlinkat } from "@runlet/syscall";
import { type EntryType, type Timestamp, type WritableEntry, writeArchive } from "@runlet/tar";
import { type CompareOptions, dropSiblings, guard, type Step, walkChanges } from "./changes.ts";
import { openEntry, readXattrs, typeOf } from "./entry-attributes.ts";
import { findDataRanges, readRanges } from "./file-content.ts";
import type { MergedEntry } from "./merged-directory.ts";

/** What a layer is made of. */
export interface LayerOptions extends CompareOptions {
  /** Ids in the layer for those of the files. Default: the same. */
  readonly owner?: ((owner: FileOwner) => FileOwner) | undefined;
  /** Modification times after this one become this one, so that the same changes made later give the same layer. */
  readonly latestTime?: Timestamp | undefined;
}

/** Who a file belongs to. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

interface LayerEntry {
  readonly entry: WritableEntry;
  readonly content?: Iterable<Uint8Array>;
}

const whiteoutPrefix = Buffer.from(".wh.");
const slash = 0x2f;
const entryTypes: ReadonlyMap<number, EntryType> = new Map([
  [fileTypes.S_IFREG, "file"],
  [fileTypes.S_IFDIR, "directory"],
  [fileTypes.S_IFLNK, "symbolic-link"],
  [fileTypes.S_IFCHR, "character-device"],
  [fileTypes.S_IFBLK, "block-device"],
  [fileTypes.S_IFIFO, "fifo"],
]);

/**
 * Writes the differences between two trees as an uncompressed layer of an image. The same differences always give the same
 * bytes: entries are sorted by path, and say nothing of names of owners or of times other than the modification.
 *
 * What is gone becomes a whiteout of its own each; opaque ones are not needed. Directories on the way to a change are in the
 * layer too, so that it can be unpacked alone. Sockets are left out, as nobody listens on a copy.
 *
 * @throws RunletError `ERR_RUNLET_ROOTFS` for a file that cannot be read, `ERR_RUNLET_IMAGE` for one that no layer can hold,
 *   `ERR_RUNLET_ARCHIVE` for one that changed meanwhile.
 * @see OCI image specification, layer.md
 */
export function writeLayer(options: LayerOptions): AsyncGenerator<Uint8Array, void, undefined> {
  return writeArchive(layerEntries(options));
}

function* layerEntries(options: LayerOptions): Generator<LayerEntry, void, undefined> {
  const pending: Step[] = [];
  const writer = new EntryWriter(options);
  for (const step of walkChanges(options)) {
    dropSiblings(pending, step);
    if (step.kind === "kept" || step.isMountPoint) {
      pending.push(step);
      continue;
    }
    for (const ancestor of pending.splice(0)) yield* writer.entries(ancestor);
    yield* writer.entries(step);
  }
}

class EntryWriter {
  readonly #options: LayerOptions;
  /** First path of each file with several names, by device and inode. */
  readonly #linked = new Map<string, Buffer>();

  constructor(options: LayerOptions) {
    this.#options = options;
  }

  *entries({ kind, containerPath, entry }: Step): Generator<LayerEntry, void, undefined> {
    const path = containerPath.length === 1 ? Buffer.from("./") : containerPath.subarray(1);
    checkName(path);
    if (kind === "deleted" || entry === undefined) {
      yield { entry: { type: "file", path: whiteoutOf(path), mode: 0 } };
      return;
    }
    const type = entryTypes.get(typeOf(entry.status));
    if (type === undefined) return;
    const first = type === "directory" ? undefined : this.#firstName(entry.status, path);
    if (first !== undefined) {
      yield { entry: { ...this.#attributes(entry.status), type: "hard-link", path, linkTarget: first } };
      return;
    }
    const attributes = guard(containerPath, () => ({
      ...this.#attributes(entry.status),
      xattrs: readXattrs(entry),
      ...(type === "symbolic-link" ? { linkTarget: readlinkat(entry.place) } : {}),
    }));
    if (type === "file") yield* fileEntry(containerPath, entry, { ...attributes, type, path });
    else yield { entry: { ...attributes, type, path } };
  }

  #firstName(status: FileStatus, path: Buffer): Buffer | undefined {
    if (status.nlink < 2) return undefined;
    const key = `${status.dev}:${status.ino}`;
    const first = this.#linked.get(key);
    if (first === undefined) this.#linked.set(key, path);
    return first;
  }

  #attributes(status: FileStatus) {
    const { owner, latestTime } = this.#options;
    const { uid, gid } = owner?.(status) ?? status;
    const isDevice = typeOf(status) === fileTypes.S_IFCHR || typeOf(status) === fileTypes.S_IFBLK;
    return {
      mode: status.mode & 0o7777,
      uid,
      gid,
      mtime: earlier(status.mtime, latestTime),
      ...(isDevice ? { deviceMajor: status.rdevMajor, deviceMinor: status.rdevMinor } : {}),
    };
  }
}

/** A regular file, which is open as long as the entry is the current one. */
function* fileEntry(
  containerPath: Buffer,
  file: Pick<MergedEntry, "place" | "status">,
  attributes: WritableEntry,
): Generator<LayerEntry, void, undefined> {
  const { sizeBytes } = file.status;
  const fd = guard(containerPath, () => openEntry(file));
  try {
    const dataRanges = guard(containerPath, () => findDataRanges(fd, file.status));
    yield {
      entry: { ...attributes, sizeBytes, dataRanges },
      content: readRanges(fd, dataRanges ?? [{ offset: 0, lengthBytes: sizeBytes }]),
    };
  } finally {
    closeFd(fd);
  }
}

function earlier(time: Timestamp, latest: Timestamp | undefined): Timestamp {
  if (latest === undefined) return time;
  const isLater =
    time.seconds > latest.seconds || (time.seconds === latest.seconds && time.nanoseconds > latest.nanoseconds);
  return isLater ? latest : time;
}

function nameStart(path: Buffer): number {
  return path.lastIndexOf(slash) + 1;
}

function whiteoutOf(path: Buffer): Buffer {
  const start = nameStart(path);
  return Buffer.concat([path.subarray(0, start), whiteoutPrefix, path.subarray(start)]);
}

/** A file of such a name would take another one away where the layer is unpacked. */
function checkName(path: Buffer): void {
  const name = path.subarray(nameStart(path));
  if (!name.subarray(0, whiteoutPrefix.length).equals(whiteoutPrefix)) return;
  throw new RunletError("ERR_RUNLET_IMAGE", `no layer can hold ${quote(`/${path}`)}: its name means a removal there`, {
    hint: "rename the file, or remove it before the commit",
  });
}
