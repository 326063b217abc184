import {
  closeFd,
  type FileStatus,
  fgetxattr,
  fileTypes,
  flistxattr,
  getxattrat,
  listxattrat,
  openat,
  openFlags,
} from "@runlet/syscall";
import type { ExtendedAttribute } from "@runlet/tar";
import type { MergedEntry } from "./merged-directory.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = openFlags;
const { S_IFDIR, S_IFMT, S_IFREG } = fileTypes;

/** What stat(2) says a file is: one of `S_IFREG`, `S_IFDIR` and the others. */
export function typeOf({ mode }: FileStatus): number {
  return mode & S_IFMT;
}

/**
 * Opens a regular file of a tree that nobody writes to, or a directory, for reading.
 *
 * @returns a descriptor that the caller closes.
 * @throws SyscallError
 */
export function openEntry({ place, status }: Pick<MergedEntry, "place" | "status">): number {
  const kind = typeOf(status) === S_IFDIR ? O_DIRECTORY : O_NONBLOCK;
  return openat({ ...place, flags: O_RDONLY | O_NOFOLLOW | kind });
}

/**
 * The extended attributes that belong to a file and not to this host: overlayfs's own are left out, and labels and hashes that
 * security modules of the host have given. Sorted by name. Of links and devices before Linux 6.13: none.
 *
 * @throws SyscallError
 */
export function readXattrs(entry: Pick<MergedEntry, "place" | "status">): ExtendedAttribute[] {
  const type = typeOf(entry.status);
  if (type !== S_IFREG && type !== S_IFDIR)
    return collect(
      () => listxattrat(entry.place),
      (name) => getxattrat({ ...entry.place, name }),
    );
  const fd = openEntry(entry);
  try {
    return readXattrsOf(fd);
  } finally {
    closeFd(fd);
  }
}

/** As {@link readXattrs}, of an open file or directory. @throws SyscallError */
export function readXattrsOf(fd: number): ExtendedAttribute[] {
  return collect(
    () => flistxattr(fd),
    (name) => fgetxattr(fd, name),
  );
}

function collect(list: () => Buffer[], get: (name: Buffer) => Buffer | undefined): ExtendedAttribute[] {
  let names: Buffer[];
  try {
    names = list();
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === "ENOSYS" || code === "EOPNOTSUPP") return [];
    throw error;
  }
  const xattrs: ExtendedAttribute[] = [];
  for (const name of names) {
    if (isOfHost(name)) continue;
    const value = get(name);
    if (value !== undefined) xattrs.push({ name, value });
  }
  return xattrs.sort((a, b) => Buffer.compare(a.name, b.name));
}

function isOfHost(name: Buffer): boolean {
  return /^(?:(?:trusted|user)\.overlay\.|security\.(?:selinux|ima|evm)$)/.test(name.toString("latin1"));
}
