import { writeFileSync } from "node:fs";
import { basename, posix } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import {
  atFlags,
  closeFd,
  fchmod,
  fileTypes,
  fstat,
  lstatIfExists,
  openat,
  openFlags,
  unlinkat,
  utimensat,
} from "@runlet/syscall";
import type { BundleSource } from "./bundle-source.ts";
import { copyTree } from "./copy-tree.ts";
import { findExecutableFiles, type NeededFile } from "./executable-files.ts";
import { copyContent } from "./file-copy.ts";
import { type CacheEntry, formatLdCache } from "./ld-cache.ts";
import { errnoOf, RootDirectory } from "./root-directory.ts";
import { unpackArchive } from "./unpack.ts";
import type { UnpackLimits } from "./unpack-limits.ts";

/** A single file of a bundle's root filesystem. */
export interface BundledFile {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly role: NeededFile["role"] | "file";
}

/** What a root filesystem came to hold. */
export interface RootfsContent {
  /** Path in the container of the first executable. */
  readonly executable: string | undefined;
  readonly files: readonly BundledFile[];
  readonly notes: readonly string[];
}

/** The little of /etc that programs ask for even when they are alone: who root is, and what localhost means. */
const minimalEtc: Readonly<Record<string, string>> = {
  passwd: "root:x:0:0:root:/:/sbin/nologin\n",
  group: "root:x:0:\n",
  hosts: "127.0.0.1\tlocalhost\n::1\tlocalhost\n",
};
/** Where the default mounts go; the root is read-only by default. */
const minimalDirectories: Readonly<Record<string, number>> = {
  dev: 0o755,
  etc: 0o755,
  proc: 0o555,
  sys: 0o555,
  tmp: 0o1777,
};

/**
 * Fills an empty root filesystem from its sources, in order.
 *
 * @throws RunletError for what is wrong with a source.
 */
export async function populateRootfs(options: {
  rootfsHostPath: string;
  from: readonly BundleSource[];
  limits: Partial<UnpackLimits>;
}): Promise<RootfsContent> {
  const { rootfsHostPath, from } = options;
  const host = RootDirectory.open("/");
  const root = RootDirectory.open(rootfsHostPath);
  const files: BundledFile[] = [];
  const notes: string[] = [];
  const cacheEntries: CacheEntry[] = [];
  let executable: string | undefined;
  try {
    if (from.every(({ kind }) => kind === "executable" || kind === "file")) writeMinimalSystem(root);
    for (const source of from) {
      switch (source.kind) {
        case "executable": {
          const containerPath = normalize(source.containerPath ?? `/${basename(source.hostPath)}`);
          executable ??= containerPath;
          const broughtPaths = new Set(files.map((file) => file.containerPath));
          const found = findExecutableFiles({ host, root, broughtPaths, hostPath: source.hostPath, containerPath });
          for (const file of found.files) placeFile({ root, file, isOptional: file.role !== "executable" });
          files.push(...found.files.map((file) => ({ ...file, containerPath: normalize(file.containerPath) })));
          notes.push(...found.notes);
          cacheEntries.push(...found.cacheEntries);
          break;
        }
        case "file": {
          const file = {
            hostPath: source.hostPath,
            containerPath: normalize(source.containerPath),
            role: "file",
          } as const;
          placeFile({ root, file, isOptional: false });
          files.push(file);
          break;
        }
        case "directory":
          notes.push(...copyDirectory(root, source.hostPath, source.containerPath ?? "/"));
          break;
        case "archive":
        case "stream": {
          const { skipped } = await unpackArchive({
            rootHostPath: rootfsHostPath,
            ...(source.kind === "archive"
              ? { source: source.hostPath, sha256: source.sha256 }
              : { source: source.content, devices: process.geteuid?.() === 0 ? "create" : "skip" }),
            limits: options.limits,
          });
          for (const { path, part, reason } of skipped)
            notes.push(`${quote(part)} of ${quote(path)} was left out: ${reason}`);
          break;
        }
      }
    }
    if (cacheEntries.length > 0) writeCache(root, cacheEntries);
    return { executable, files, notes };
  } finally {
    root.close();
    host.close();
  }
}

function copyDirectory(root: RootDirectory, hostPath: string, containerPath: string): string[] {
  let fromFd: number;
  try {
    fromFd = openat({ dirFd: atFlags.AT_FDCWD, path: hostPath, flags: openFlags.O_RDONLY | openFlags.O_DIRECTORY });
  } catch (error) {
    throw new RunletError("ERR_RUNLET_BUNDLE", `cannot copy the directory ${quote(hostPath)}`, {
      syscall: "open",
      errno: errnoOf(error),
      cause: error,
    });
  }
  try {
    return copyTree({ fromFd, to: root, containerPath });
  } finally {
    closeFd(fromFd);
  }
}

/** An absolute path without `.` and `..`, which is what the config's `args` then say. */
function normalize(containerPath: string): string {
  return posix.resolve("/", containerPath);
}

function writeMinimalSystem(root: RootDirectory): void {
  for (const [name, mode] of Object.entries(minimalDirectories)) {
    const fd = root.ensureDirectory(name, mode);
    fchmod(fd, mode);
    closeFd(fd);
  }
  for (const [name, text] of Object.entries(minimalEtc))
    writeText(root, { containerPath: `/etc/${name}`, content: text });
}

function writeCache(root: RootDirectory, entries: readonly CacheEntry[]): void {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  writeText(root, { containerPath: "/etc/ld.so.cache", content: formatLdCache([...byName.values()]) });
}

function writeText(root: RootDirectory, options: { containerPath: string; content: string | Uint8Array }): void {
  const fd = createInRoot(root, options.containerPath);
  try {
    writeFileSync(fd, options.content);
    fchmod(fd, 0o644);
  } finally {
    closeFd(fd);
  }
}

/** Opens a new, empty file; what was of that name is removed, unless it is a directory. */
function createInRoot(root: RootDirectory, containerPath: string): number {
  const slash = containerPath.lastIndexOf("/");
  const path = containerPath.slice(slash + 1);
  const dirFd = root.ensureDirectory(containerPath.slice(0, slash));
  try {
    if (lstatIfExists({ dirFd, path }) !== undefined) unlinkat({ dirFd, path });
    return openat({
      dirFd,
      path,
      flags: openFlags.O_WRONLY | openFlags.O_CREAT | openFlags.O_EXCL | openFlags.O_NOFOLLOW,
      mode: 0o600,
    });
  } finally {
    closeFd(dirFd);
  }
}

/** Copies content, permission bits and time of a file of the host, links followed. The owner is the caller. */
function placeFile(options: { root: RootDirectory; file: BundledFile; isOptional: boolean }): void {
  const { root, file, isOptional } = options;
  if (isOptional && root.has(file.containerPath)) return;
  let inFd: number | undefined;
  let outFd: number | undefined;
  try {
    inFd = openat({ dirFd: atFlags.AT_FDCWD, path: file.hostPath, flags: openFlags.O_RDONLY | openFlags.O_NONBLOCK });
    const status = fstat(inFd);
    if ((status.mode & fileTypes.S_IFMT) !== fileTypes.S_IFREG)
      throw new RunletError("ERR_RUNLET_BUNDLE", `cannot bundle ${quote(file.hostPath)}: it is no regular file`);
    outFd = createInRoot(root, file.containerPath);
    copyContent(inFd, outFd);
    // Neither set-user-ID nor set-group-ID: the owner is another.
    fchmod(outFd, status.mode & 0o777);
    utimensat({ dirFd: outFd, path: null, atime: status.mtime, mtime: status.mtime });
  } catch (error) {
    if (error instanceof RunletError) throw error;
    const what = `cannot copy ${quote(file.hostPath)} to ${quote(file.containerPath)} in the root filesystem`;
    throw new RunletError("ERR_RUNLET_BUNDLE", what, { errno: errnoOf(error), cause: error });
  } finally {
    if (inFd !== undefined) closeFd(inFd);
    if (outFd !== undefined) closeFd(outFd);
  }
}
