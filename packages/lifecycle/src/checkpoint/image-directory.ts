import { closeSync, constants, mkdirSync, openSync, readSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import {
  atFlags,
  fileTypes,
  fstat,
  fstatat,
  openat,
  openFlags,
  readDirectory,
  readlinkat,
  unlinkat,
} from "@runlet/syscall";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = openFlags;

/** Files of the memory's pages and of file systems are as large as they are; all others are read into memory, and small. */
const maxFileBytes = 64 * 1024 * 1024;
const maxFiles = 100_000;
const maxParents = 64;
const parentName = "parent";

/**
 * Opens the directory that a checkpoint is written to, making it if it is missing. What is in it already must be plain files,
 * since CRIU writes to whatever bears the name of a file of its own.
 *
 * @returns its descriptor, the caller's.
 * @throws RunletError `ERR_RUNLET_CHECKPOINT`.
 */
export function makeImageDirectory(hostPath: string): number {
  try {
    mkdirSync(hostPath, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw directoryError(hostPath, cause);
  }
  const fd = openDirectory(hostPath);
  try {
    for (const name of entriesOf(fd, hostPath)) if (name !== parentName) checkPlainFile(fd, name, hostPath);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Opens the work directory, making it if it is missing, and takes away what earlier calls have left under these names. */
export function makeWorkDirectory(hostPath: string, logName: string): number {
  try {
    mkdirSync(hostPath, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw directoryError(hostPath, cause);
  }
  const fd = openDirectory(hostPath);
  clearWorkFiles(fd, logName);
  return fd;
}

/**
 * Takes away the files that CRIU is about to write in its work directory: an engine may have unpacked an image there, with a
 * link of that name that leads elsewhere.
 */
export function clearWorkFiles(directoryFd: number, logName: string): void {
  for (const path of [logName, `stats-${logName.replace(".log", "")}`]) {
    try {
      unlinkat({ dirFd: directoryFd, path });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/**
 * The directory of a checkpoint's images, held by descriptor. Whoever made the images is not trusted: nothing in the
 * directory may be anything but a plain file of root's, that nobody else can write to.
 */
export class ImageDirectory implements Disposable {
  readonly hostPath: string;
  /** Stays this object's. */
  readonly fd: number;
  readonly names: readonly string[];

  private constructor(hostPath: string, fd: number, names: readonly string[]) {
    this.hostPath = hostPath;
    this.fd = fd;
    this.names = names;
  }

  /** @throws RunletError `ERR_RUNLET_CHECKPOINT`. */
  static open(hostPath: string): ImageDirectory {
    const fd = openDirectory(hostPath);
    try {
      const names = checkContents(fd, hostPath, 0);
      return new ImageDirectory(hostPath, fd, names);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** @throws RunletError `ERR_RUNLET_CHECKPOINT` when there is none, or it is too large. */
  read(name: string): Uint8Array {
    const fd = this.#open(name);
    try {
      const { sizeBytes } = fstat(fd);
      if (sizeBytes > maxFileBytes) throw imageError(this.hostPath, name, "is too large");
      const buffer = Buffer.alloc(sizeBytes);
      let length = 0;
      for (let count = 1; count > 0 && length < sizeBytes; length += count)
        count = readSync(fd, buffer, length, sizeBytes - length, length);
      return buffer.subarray(0, length);
    } finally {
      closeSync(fd);
    }
  }

  #open(name: string): number {
    try {
      return openat({ dirFd: this.fd, path: name, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK });
    } catch (cause) {
      const errno = String((cause as NodeJS.ErrnoException).code);
      throw new RunletError("ERR_RUNLET_CHECKPOINT", `${quote(join(this.hostPath, name))}: ${errnoMessage(errno)}`, {
        syscall: "openat",
        errno,
        hint: "the directory must hold a whole checkpoint, and not only what --pre-dump has written",
        cause,
      });
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/** @param what - a phrase that follows the name of the file. */
export function imageError(directoryHostPath: string, name: string, what: string, cause?: unknown): RunletError {
  return new RunletError("ERR_RUNLET_CHECKPOINT", `${quote(join(directoryHostPath, name))} ${what}`, {
    hint: "the image is damaged, or was made to deceive: restore only what you have reason to trust",
    ...(cause === undefined ? {} : { cause }),
  });
}

function openDirectory(hostPath: string): number {
  try {
    return openSync(hostPath, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    throw directoryError(hostPath, cause);
  }
}

function directoryError(hostPath: string, cause: unknown): RunletError {
  const errno = String((cause as NodeJS.ErrnoException).code);
  return new RunletError("ERR_RUNLET_CHECKPOINT", `the directory ${quote(hostPath)}: ${errnoMessage(errno)}`, {
    errno,
    hint: "--image-path and --work-path name directories",
    cause,
  });
}

/** @returns the names of the files, after checking each of them, and the directory that `parent` leads to. */
function checkContents(directoryFd: number, hostPath: string, depth: number): string[] {
  checkOwner(fstat(directoryFd), hostPath, ".");
  const names: string[] = [];
  for (const name of entriesOf(directoryFd, hostPath)) {
    if (name === parentName) checkParent(directoryFd, hostPath, depth);
    else {
      checkOwner(checkPlainFile(directoryFd, name, hostPath), hostPath, name);
      names.push(name);
    }
  }
  return names;
}

function entriesOf(directoryFd: number, hostPath: string): string[] {
  const names = readDirectory(directoryFd)
    .map(({ name }) => name.toString("utf8"))
    .filter((name) => name !== "." && name !== "..");
  if (names.length > maxFiles) throw imageError(hostPath, "", "holds too many files");
  return names;
}

function checkPlainFile(dirFd: number, name: string, hostPath: string) {
  const status = fstatat({ dirFd, path: name, flags: atFlags.AT_SYMLINK_NOFOLLOW });
  if ((status.mode & fileTypes.S_IFMT) !== fileTypes.S_IFREG) throw imageError(hostPath, name, "is no plain file");
  if (status.nlink > 1) throw imageError(hostPath, name, "has another name besides");
  return status;
}

function checkOwner(status: { readonly uid: number; readonly mode: number }, hostPath: string, name: string): void {
  if (status.uid === 0 && (status.mode & 0o022) === 0) return;
  throw new RunletError("ERR_RUNLET_CHECKPOINT", `${quote(join(hostPath, name))} can be changed by others than root`, {
    hint: "what is restored must stay as it has been checked: chown -R root, chmod -R go-w",
  });
}

/** CRIU makes it a link to the directory of the earlier image, which may stand beside this one but nowhere else. */
function checkParent(dirFd: number, hostPath: string, depth: number): void {
  if (depth >= maxParents) throw imageError(hostPath, parentName, "leads on without an end");
  let target: string;
  try {
    target = readlinkat({ dirFd, path: parentName }).toString("utf8");
  } catch {
    throw imageError(hostPath, parentName, "is no link");
  }
  checkParentPath(target);
  const parentFd = openParent(dirFd, target, hostPath);
  try {
    checkContents(parentFd, join(hostPath, target), depth + 1);
  } finally {
    closeSync(parentFd);
  }
}

/** @throws RunletError `ERR_RUNLET_CHECKPOINT` for a path that is not relative, or climbs more than to the next directory. */
export function checkParentPath(path: string): void {
  const [first, ...rest] = path.split("/");
  if (path !== "" && !isAbsolute(path) && !rest.includes("..") && !path.includes("\0") && first !== "") return;
  throw new RunletError(
    "ERR_RUNLET_CHECKPOINT",
    `the path ${quote(path)} of the parent image does not lead beside the image`,
    {
      hint: "give it relative to the image: --parent-path ../EARLIER",
    },
  );
}

/** No link on the way, so that what is checked is what CRIU opens. */
function openParent(directoryFd: number, path: string, hostPath: string): number {
  let fd = openat({ dirFd: directoryFd, path: ".", flags: O_RDONLY | O_DIRECTORY });
  for (const name of path.split("/").filter((part) => part !== "" && part !== ".")) {
    try {
      const nextFd = openat({ dirFd: fd, path: name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW });
      closeSync(fd);
      fd = nextFd;
    } catch (cause) {
      closeSync(fd);
      throw imageError(hostPath, parentName, "leads to no directory", cause);
    }
  }
  return fd;
}
