import { ftruncateSync, writeSync } from "node:fs";
import { closeFd, fileTypes, mknodat, openat, openFlags, symlinkat } from "@runlet/syscall";
import type { ArchiveEntry, ArchiveHandler } from "@runlet/tar";
import { DirectoryMetadata } from "./directory-metadata.ts";
import { FileQueue } from "./file-queue.ts";
import { HardLinks } from "./hard-links.ts";
import { applyToDescriptor, applyToPlace, type Metadata, type Xattr } from "./metadata.ts";
import type { RootDirectory } from "./root-directory.ts";
import type { UnpackLimits } from "./unpack-limits.ts";
import type { SkippedPart, UnpackOptions, UnpackResult } from "./unpack-options.ts";
import { createFlags, type TargetPlace, UnpackTarget, unpackError, wrapUnpackError } from "./unpack-target.ts";
import { isReservedXattr, WhiteoutHandler } from "./whiteout.ts";

const maxSkipped = 1000;
/** Larger files are written as they come: copying them for another thread would cost more than it saves. */
const maxQueuedBytes = 256 << 10;
const nodeTypes: Readonly<Record<string, number>> = {
  "character-device": fileTypes.S_IFCHR,
  "block-device": fileTypes.S_IFBLK,
  fifo: fileTypes.S_IFIFO,
};

/** How many names whiteouts may look at for each entry that the archive may have. */
const namesPerEntry = 10;

/** A file that is being written, because its content does not come in one piece or carries more than one call sets. */
interface OpenFile {
  readonly fd: number;
  readonly metadata: Metadata;
}

/**
 * Carries the entries of one archive out below a root. The reader calls it; every entry is complete before the next begins,
 * except for directories, whose mode and times are set at the end.
 */
export class Unpacker implements ArchiveHandler {
  readonly #root: RootDirectory;
  readonly #target: UnpackTarget;
  readonly #queue: FileQueue;
  readonly #options: UnpackOptions;
  readonly #limits: UnpackLimits;
  readonly #ownerOf: (entry: { uid: number; gid: number }) => { uid: number; gid: number };
  readonly #whiteouts: WhiteoutHandler | undefined;
  readonly #hardLinks: HardLinks;
  readonly #directories: DirectoryMetadata;
  readonly #skipped: SkippedPart[] = [];
  #entries = 0;
  #totalBytes = 0;

  #entry: ArchiveEntry | undefined;
  #place: TargetPlace | undefined;
  #file: OpenFile | undefined;
  #isWritten = false;

  constructor(root: RootDirectory, options: UnpackOptions, limits: UnpackLimits) {
    this.#root = root;
    this.#options = options;
    this.#limits = limits;
    this.#queue = new FileQueue({
      removeExisting: (place) => this.#target.removeSettled(place),
      failure: wrapUnpackError,
    });
    this.#directories = new DirectoryMetadata(root);
    this.#target = new UnpackTarget({
      root,
      limits,
      queue: this.#queue,
      beforePathsChange: () => this.#directories.resolve(),
      onDirectoryRemoved: (fd) => this.#directories.forget(fd),
    });
    const { owner = process.geteuid?.() === 0 ? "archive" : "caller" } = options;
    this.#ownerOf =
      typeof owner === "function"
        ? owner
        : owner === "archive"
          ? ({ uid, gid }) => ({ uid, gid })
          : () => ({ uid: -1, gid: -1 });
    const whiteouts = options.whiteouts ?? "keep";
    if (whiteouts !== "keep")
      this.#whiteouts = new WhiteoutHandler({
        target: this.#target,
        mode: whiteouts,
        opaqueXattr: options.opaqueXattr ?? "trusted.overlay.opaque",
        maxNames: limits.entries * namesPerEntry,
      });
    this.#hardLinks = new HardLinks({
      root,
      target: this.#target,
      queue: this.#queue,
      whiteouts: this.#whiteouts,
      lower: options.lower,
      keepsOwner: process.geteuid?.() === 0,
      beforeCopy: (entry, sizeBytes) => this.#countBytes(entry, sizeBytes),
    });
  }

  entry(entry: ArchiveEntry): void {
    try {
      this.#begin(entry);
    } catch (error) {
      throw wrapUnpackError(entry.path, error);
    }
  }

  data(bytes: Uint8Array, offset: number): void {
    const entry = this.#entry;
    if (entry === undefined) return;
    try {
      this.#write(entry, bytes, offset);
    } catch (error) {
      throw wrapUnpackError(entry.path, error);
    }
  }

  end(): void {
    const entry = this.#entry;
    if (entry === undefined) return;
    try {
      this.#finishFile(entry);
    } catch (error) {
      throw wrapUnpackError(entry.path, error);
    }
    this.#entry = undefined;
  }

  /** Sets what directories carry, and says what was done. */
  finish(): UnpackResult {
    this.#queue.settle();
    this.#whiteouts?.finish();
    this.#directories.apply((path, name, errno) => this.#skip({ path }, name.toString(), errno));
    return {
      entries: this.#entries,
      totalBytes: this.#totalBytes,
      skipped: this.#skipped,
      impliedDirectories: [Buffer.alloc(0), ...this.#target.impliedPaths()].filter((path) => this.#isImplied(path)),
      whiteouts: this.#whiteouts?.paths() ?? [],
    };
  }

  /** Whether there is a directory of this path that no entry was for. */
  #isImplied(path: Buffer): boolean {
    const fd = this.#root.openIfExists(path, openFlags.O_PATH | openFlags.O_DIRECTORY);
    if (fd === undefined) return false;
    try {
      return !this.#directories.has(fd);
    } finally {
      closeFd(fd);
    }
  }

  /** Closes what is open; to be called in any case. */
  close(): void {
    if (this.#file !== undefined) closeFd(this.#file.fd);
    this.#file = undefined;
    this.#queue.close();
    this.#target.close();
  }

  #begin(entry: ArchiveEntry): void {
    this.#entries++;
    if (this.#entries > this.#limits.entries)
      throw unpackError(entry.path, `the archive has more than ${this.#limits.entries} entries`);
    this.#target.closeRetired();
    this.#countBytes(entry, entry.sizeBytes);
    if (entry.pax.size > 0) this.#reportAcls(entry);
    if (entry.type === "file") {
      const place = this.#target.placeBesideLast(entry.path);
      if (place !== undefined && this.#whiteouts?.isPlainBeside(place) !== false) {
        this.#beginFile(entry, place);
        return;
      }
    }
    const components = this.#target.split(entry.path);
    if (components.length === 0) {
      if (entry.type !== "directory") throw unpackError(entry.path, "it is the root itself, and no directory");
      this.#defer(components, this.#root.fd, entry);
      return;
    }
    if (this.#whiteouts?.take(entry, components) === true) return;
    const place = this.#target.place(components);
    if (entry.type === "file") {
      this.#target.remember(entry.path, place);
      this.#beginFile(entry, place);
      return;
    }
    if (this.#queue.isPendingAt(place)) this.#queue.settle();
    switch (entry.type) {
      case "directory": {
        const fd = this.#target.makeDirectory(place, { keepLink: this.#options.keepDirectoryLinks ?? false });
        try {
          this.#defer(components, fd, entry);
        } finally {
          closeFd(fd);
        }
        return;
      }
      case "hard-link":
        this.#hardLinks.make(entry, components, (xattr, errno) => this.#skip(entry, xattr.name.toString(), errno));
        return;
      case "symbolic-link":
        if (entry.linkTarget.length === 0) throw unpackError(entry.path, "it is a link to nothing");
        this.#target.makeNew(place, () => symlinkat({ ...place, target: entry.linkTarget }));
        break;
      default:
        if (entry.type !== "fifo" && !this.#mayMakeDevice(entry)) return;
        this.#target.makeNew(place, () =>
          mknodat({
            ...place,
            mode: (nodeTypes[entry.type] ?? 0) | 0o600,
            major: entry.deviceMajor,
            minor: entry.deviceMinor,
          }),
        );
    }
    const metadata = { ...this.#metadataOf(entry), isLink: entry.type === "symbolic-link" };
    applyToPlace(place, metadata, (xattr, errno) => this.#skip(entry, xattr.name.toString(), errno));
  }

  #countBytes(entry: ArchiveEntry, sizeBytes: number): void {
    this.#totalBytes += sizeBytes;
    if (this.#totalBytes > this.#limits.totalBytes)
      throw unpackError(entry.path, `the archive's files have more than ${this.#limits.totalBytes} bytes`);
  }

  #beginFile(entry: ArchiveEntry, place: TargetPlace): void {
    this.#entry = entry;
    this.#place = place;
    this.#isWritten = false;
  }

  #write(entry: ArchiveEntry, bytes: Uint8Array, offset: number): void {
    const isWhole = offset === 0 && bytes.length === entry.sizeBytes && bytes.length <= maxQueuedBytes;
    if (isWhole && entry.xattrs.length === 0 && this.#file === undefined) {
      this.#createWhole(entry, bytes);
      return;
    }
    this.#file ??= this.#createFile(entry);
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#file.fd, bytes, done, bytes.length - done, offset + done);
  }

  #finishFile(entry: ArchiveEntry): void {
    if (entry.type !== "file" || this.#isWritten) return;
    if (this.#file === undefined) {
      if (entry.sizeBytes === 0 && entry.xattrs.length === 0) {
        this.#createWhole(entry, new Uint8Array());
        return;
      }
      this.#file = this.#createFile(entry);
    }
    const { fd, metadata } = this.#file;
    // A hole at the end is not written by anything.
    if (entry.dataRanges !== undefined) ftruncateSync(fd, entry.sizeBytes);
    applyToDescriptor(fd, metadata, (xattr, errno) => this.#skip(entry, xattr.name.toString(), errno));
    this.#file = undefined;
    closeFd(fd);
  }

  #createWhole(entry: ArchiveEntry, bytes: Uint8Array): void {
    const place = this.#currentPlace();
    const { uid, gid } = this.#ownerOf(entry);
    const { dirFd, path } = place;
    this.#queue.push(place, { dirFd, path, bytes, mode: entry.mode, uid, gid, mtime: entry.mtime }, entry.path);
    // What comes below a directory that this file replaces must find the file.
    if (this.#target.isOnTheWay(place)) this.#queue.settle();
    this.#isWritten = true;
  }

  #createFile(entry: ArchiveEntry): OpenFile {
    const place = this.#currentPlace();
    if (this.#queue.isPendingAt(place)) this.#queue.settle();
    let fd = -1;
    this.#target.makeNew(place, () => {
      fd = openat({ ...place, flags: createFlags, mode: 0o600 });
    });
    return { fd, metadata: this.#metadataOf(entry) };
  }

  #currentPlace(): TargetPlace {
    if (this.#place === undefined) throw new Error("no file is being unpacked");
    return this.#place;
  }

  #mayMakeDevice(entry: ArchiveEntry): boolean {
    const policy = this.#options.devices ?? "skip";
    if (policy === "refuse") throw unpackError(entry.path, "it is a device");
    if (policy === "create") return true;
    this.#skip(entry, `${entry.type} ${entry.deviceMajor}:${entry.deviceMinor}`, "policy");
    return false;
  }

  #metadataOf(entry: ArchiveEntry): Metadata {
    const xattrs = entry.xattrs.filter((xattr) => this.#mayCarry(entry, xattr));
    const { mode, mtime } = entry;
    return { ...this.#ownerOf(entry), mode, mtime, atime: entry.atime ?? mtime, xattrs };
  }

  /** Lists in text that name users or groups mean whatever a machine makes of the names, and are left out. */
  #reportAcls(entry: ArchiveEntry): void {
    for (const kind of ["access", "default"]) {
      const name = `system.posix_acl_${kind}`;
      const isTaken = entry.xattrs.some((xattr) => xattr.name.toString("latin1") === name);
      const isMeant = kind === "access" || entry.type === "directory";
      if (isMeant && !isTaken && entry.pax.has(`SCHILY.acl.${kind}`)) this.#skip(entry, name, "policy");
    }
  }

  #mayCarry(entry: ArchiveEntry, xattr: Xattr): boolean {
    if (!isReservedXattr(xattr.name)) return true;
    this.#skip(entry, xattr.name.toString(), "policy");
    return false;
  }

  #skip(entry: Pick<ArchiveEntry, "path">, part: string, reason: string): void {
    if (this.#skipped.length < maxSkipped) this.#skipped.push({ path: entry.path.toString(), part, reason });
  }

  #defer(components: readonly Buffer[], fd: number, entry: ArchiveEntry): void {
    this.#directories.defer(components, fd, this.#metadataOf(entry));
  }
}
