import { readSync } from "node:fs";
import { errnoName } from "@runlet/errors";
import {
  atFlags,
  closeFd,
  fchmod,
  fstat,
  lstatIfExists,
  mkdirat,
  openat,
  openat2,
  openFlags,
  type PathLike,
  resolveFlags,
} from "@runlet/syscall";

const { O_RDONLY, O_DIRECTORY, O_PATH, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = openFlags;
const resolve = resolveFlags.RESOLVE_IN_ROOT | resolveFlags.RESOLVE_NO_MAGICLINKS;
const maxRetries = 32;

/**
 * A root filesystem, held by descriptor. Every path is walked by the kernel with this directory as `/`: neither `..` nor an
 * absolute link leaves it, and links of procfs that jump elsewhere are refused, even while somebody changes the tree.
 *
 * @see openat2(2) `RESOLVE_IN_ROOT`, Linux 5.6
 */
export class RootDirectory {
  /** The directory's own descriptor; closed by {@link close}. */
  readonly fd: number;

  /** @param fd - descriptor of the directory, which becomes this object's. */
  constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * @param hostPath - a directory of the host; the path itself is trusted and may hold links.
   * @throws SyscallError `ENOENT`, `ENOTDIR`, …
   */
  static open(hostPath: string): RootDirectory {
    return new RootDirectory(openat({ dirFd: atFlags.AT_FDCWD, path: hostPath, flags: O_RDONLY | O_DIRECTORY }));
  }

  close(): void {
    closeFd(this.fd);
  }

  /**
   * Opens what a path of the container leads to, links followed inside.
   *
   * @param flags - of open(2); default `O_RDONLY`. A FIFO or device does not block.
   * @returns a descriptor that the caller closes.
   * @throws SyscallError
   */
  open(containerPath: PathLike, flags: number = O_RDONLY): number {
    for (let attempt = 0; ; attempt++) {
      try {
        const path = containerPath.length === 0 ? "." : containerPath;
        // O_PATH opens nothing that could block, and openat2(2) refuses it beside such flags.
        const harmless = (flags & O_PATH) === 0 ? O_NONBLOCK | O_NOCTTY : 0;
        return openat2({ dirFd: this.fd, path, flags: flags | harmless, resolve });
      } catch (error) {
        // The kernel could not tell whether a rename took `..` outside (openat2(2), EAGAIN).
        if (!isErrno(error, "EAGAIN") || attempt >= maxRetries) throw error;
      }
    }
  }

  /** As {@link open}, or undefined where nothing is: a missing component, or one that is no directory. @throws SyscallError */
  openIfExists(containerPath: PathLike, flags: number = O_RDONLY): number | undefined {
    try {
      return this.open(containerPath, flags);
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR") || isErrno(error, "ELOOP")) return undefined;
      throw error;
    }
  }

  /** Whether anything is at a path, a link that leads nowhere included. @throws SyscallError */
  has(containerPath: string): boolean {
    const slash = containerPath.lastIndexOf("/");
    const dirFd = this.openIfExists(containerPath.slice(0, slash + 1), O_PATH | O_DIRECTORY);
    if (dirFd === undefined) return false;
    try {
      return lstatIfExists({ dirFd, path: containerPath.slice(slash + 1) || "." }) !== undefined;
    } finally {
      closeFd(dirFd);
    }
  }

  /**
   * Opens a directory, making each component that is missing.
   *
   * @param mode - permission bits of those made, whatever the umask; default 0755.
   * @returns a descriptor (`O_RDONLY`) that the caller closes.
   * @throws SyscallError `ENOTDIR` where a component is something else.
   */
  ensureDirectory(containerPath: PathLike, mode = 0o755): number {
    const components = splitPath(containerPath);
    for (let depth = components.length; depth >= 0; depth--) {
      const existing = this.openIfExists(joinPath(components.slice(0, depth)), O_RDONLY | O_DIRECTORY);
      if (existing !== undefined) return this.#makeBelow(existing, { components, depth, mode });
    }
    throw new Error("the root directory does not open");
  }

  #makeBelow(dirFd: number, options: { components: readonly Buffer[]; depth: number; mode: number }): number {
    const { components, depth, mode } = options;
    let currentFd = dirFd;
    try {
      for (let index = depth; index < components.length; index++) {
        const name = components[index] ?? Buffer.alloc(0);
        if (isParent(name)) {
          const parentFd = this.open(joinPath(components.slice(0, index + 1)), O_RDONLY | O_DIRECTORY);
          closeFd(currentFd);
          currentFd = parentFd;
          continue;
        }
        let isNew = true;
        try {
          mkdirat({ dirFd: currentFd, path: name, mode });
        } catch (error) {
          if (!isErrno(error, "EEXIST")) throw error;
          isNew = false;
        }
        const nextFd = openat({ dirFd: currentFd, path: name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW });
        closeFd(currentFd);
        currentFd = nextFd;
        if (isNew) fchmod(currentFd, mode);
      }
    } catch (error) {
      closeFd(currentFd);
      throw error;
    }
    return currentFd;
  }
}

const slash = 0x2f;
const dot = 0x2e;

/** The components of a path, without empty ones and `.`. They are views of it where it is bytes. */
export function splitPath(path: PathLike): Buffer[] {
  const bytes =
    typeof path === "string" ? Buffer.from(path) : Buffer.from(path.buffer, path.byteOffset, path.byteLength);
  const components: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(slash, start);
    const end = found < 0 ? bytes.length : found;
    if (end > start && !(end === start + 1 && bytes[start] === dot)) components.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return components;
}

/** Components with slashes between. */
export function joinPath(components: readonly Uint8Array[]): Buffer {
  const separator = Buffer.of(slash);
  return Buffer.concat(components.flatMap((component, index) => (index === 0 ? [component] : [separator, component])));
}

/** Whether a component is `..`. */
export function isParent(component: Uint8Array): boolean {
  return component.length === 2 && component[0] === dot && component[1] === dot;
}

/** Whether an error of a system call (ours or Node's) has this number. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === code;
}

/** The errno of an error of a system call, for a message; undefined for other errors. */
export function errnoOf(error: unknown): string | undefined {
  const number = error instanceof Error ? (error as { errno?: unknown }).errno : undefined;
  return typeof number === "number" ? errnoName(Math.abs(number)) : undefined;
}

/** Reads up to `length` bytes at `offset` of an open file; fewer at its end. */
export function readFileAt(fd: number, offset: number, length: number): Uint8Array {
  const available = Math.max(0, fstat(fd).sizeBytes - offset);
  const bytes = Buffer.allocUnsafe(Math.min(length, available));
  let done = 0;
  while (done < bytes.length) {
    const count = readSync(fd, bytes, done, bytes.length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
