import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { RunletError } from "@runlet/errors";
import type { Mount } from "@runlet/spec";
import { atFlags, closeFd, fchmod, fchownat, fsetxattr, fstat, openat, openFlags, utimensat } from "@runlet/syscall";
import { readXattrsOf } from "../diff/entry-attributes.ts";
import type { Tree } from "../diff/merged-directory.ts";
import { overlayMount } from "./overlay-options.ts";
import { overlayObstacle } from "./overlay-support.ts";

/**
 * How the files of a snapshot are kept: as changes over the layers that all snapshots share, or as a copy of its own, which
 * works everywhere and takes the time and the space of the whole image.
 */
export type SnapshotStorage = "overlay" | "copy";

/** What a snapshot is made of. */
export interface SnapshotOptions {
  /** An empty directory that the snapshot is made in. */
  readonly hostPath: string;
  /** Unpacked layers in overlayfs's form, the base first. They are never written to. */
  readonly layerHostPaths: readonly string[];
  readonly xattrs: "trusted" | "user";
  /** Default `auto`: an overlay wherever the file system allows. */
  readonly storage?: SnapshotStorage | "auto" | undefined;
  /** Whether writes need not survive a crash of the machine. Default false. */
  readonly isVolatile?: boolean | undefined;
  /** Unpacks the layers one over the other, for a copy. */
  readonly unpackAll: (rootHostPath: string) => Promise<void>;
}

/** A writable root file system for one container. */
export interface Snapshot {
  readonly storage: SnapshotStorage;
  /** For `root.path` of config.json: the root file system, or the empty directory that the overlay is mounted on. */
  readonly rootHostPath: string;
  /** The first entry of `mounts` in config.json; undefined for a copy. */
  readonly rootMount: Mount | undefined;
  /** What a user should know, one sentence each. */
  readonly notes: readonly string[];
}

const rootName = "rootfs";
const upperName = "upper";
const workName = "work";

/**
 * Makes a snapshot of layers. Nothing is mounted here: the overlay is a mount of the container's own, in its mount namespace,
 * and ends with it, however it ends; on the host there are only directories.
 *
 * @throws RunletError `ERR_RUNLET_USAGE` where an overlay is asked for and cannot be, `ERR_RUNLET_IMAGE` for too many layers;
 *   SyscallError, Node's errors, and what `unpackAll` throws.
 */
export async function createSnapshot(options: SnapshotOptions): Promise<Snapshot> {
  const { hostPath, xattrs, storage = "auto" } = options;
  const obstacle = storage === "copy" ? undefined : overlayObstacle({ hostPath, xattrs });
  if (storage === "overlay" && obstacle !== undefined) {
    throw new RunletError("ERR_RUNLET_USAGE", obstacle, {
      hint: "put the store on another file system, or let the snapshot be a copy",
    });
  }
  const rootHostPath = join(hostPath, rootName);
  makeRoot(rootHostPath);
  if (storage === "copy" || obstacle !== undefined) {
    await options.unpackAll(rootHostPath);
    const notes = obstacle === undefined ? [] : [`${obstacle}: the container gets a copy of the whole image`];
    return { storage: "copy", rootHostPath, rootMount: undefined, notes };
  }
  return { storage: "overlay", rootHostPath, rootMount: makeOverlay(options, rootHostPath), notes: [] };
}

/** What becomes `/` of a container is open to all its users, whatever the umask. */
function makeRoot(hostPath: string): void {
  mkdirSync(hostPath);
  chmodSync(hostPath, 0o755);
}

function makeOverlay(options: SnapshotOptions, rootHostPath: string): Mount {
  const { hostPath, xattrs, isVolatile = false } = options;
  const upperHostPath = join(hostPath, upperName);
  const workHostPath = join(hostPath, workName);
  makeRoot(upperHostPath);
  mkdirSync(workHostPath, { mode: 0o700 });
  const topmost = options.layerHostPaths.at(-1);
  if (topmost !== undefined) copyAttributes(topmost, upperHostPath);
  // An overlay lies over something, even if the image has no layer.
  const lowerHostPaths = topmost === undefined ? [rootHostPath] : options.layerHostPaths;
  return overlayMount({ lowerHostPaths, upperHostPath, workHostPath }, { xattrs, isVolatile });
}

/** The files of a snapshot as its container sees them, for reading without a mount. */
export function snapshotTree(options: {
  readonly hostPath: string;
  readonly layerHostPaths: readonly string[];
  readonly storage: SnapshotStorage;
}): Tree {
  const { hostPath, layerHostPaths, storage } = options;
  if (storage === "copy") return { layers: [join(hostPath, rootName)], form: "plain" };
  return { layers: [...layerHostPaths, join(hostPath, upperName)], form: "overlay" };
}

/** The root directory of an overlay has the owner, mode, time and attributes of its upper directory. */
function copyAttributes(fromHostPath: string, toHostPath: string): void {
  const flags = openFlags.O_RDONLY | openFlags.O_DIRECTORY;
  let fromFd: number | undefined;
  let toFd: number | undefined;
  try {
    fromFd = openat({ dirFd: atFlags.AT_FDCWD, path: fromHostPath, flags });
    toFd = openat({ dirFd: atFlags.AT_FDCWD, path: toHostPath, flags });
    const { uid, gid, mode, atime, mtime } = fstat(fromFd);
    fchownat({ dirFd: toFd, path: "", uid, gid, flags: atFlags.AT_EMPTY_PATH });
    // Before the mode, which may keep an ordinary user from it.
    for (const { name, value } of readXattrsOf(fromFd)) fsetxattr({ fd: toFd, name, value });
    fchmod(toFd, mode & 0o7777);
    utimensat({ dirFd: toFd, path: null, atime, mtime });
  } finally {
    if (fromFd !== undefined) closeFd(fromFd);
    if (toFd !== undefined) closeFd(toFd);
  }
}
