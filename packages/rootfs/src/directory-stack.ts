import { errno, SyscallError } from "@runlet/errors";
import { closeFd, type FileStatus, fstat, openat, openFlags } from "@runlet/syscall";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = openFlags;
/** Nothing bounds how deep a container may nest directories, but something how many can be open. */
const maxOpen = 64;

interface Level {
  fd: number | undefined;
  readonly dev: FileStatus["dev"];
  readonly ino: FileStatus["ino"];
}

/** The directories on the way down a tree of any depth, of which the deepest few are open. */
export class DirectoryStack implements Disposable {
  readonly #levels: Level[] = [];

  /** @param fd - of a directory in the deepest one, open for reading; becomes this object's. */
  push(fd: number): void {
    const { dev, ino } = fstat(fd);
    this.#levels.push({ fd, dev, ino });
    const distant = this.#levels[this.#levels.length - 1 - maxOpen];
    if (distant?.fd === undefined) return;
    closeFd(distant.fd);
    distant.fd = undefined;
  }

  /**
   * Closes the deepest directory.
   *
   * @returns a descriptor, this object's, of the one that it was pushed on; undefined if that was the first.
   * @throws SyscallError `ESTALE` if somebody has moved it to another one.
   */
  pop(): number | undefined {
    const level = this.#levels.pop();
    const parent = this.#levels[this.#levels.length - 1];
    if (level?.fd === undefined) throw new Error("there is no directory to leave");
    try {
      if (parent !== undefined) parent.fd ??= openParent(level.fd, parent);
    } finally {
      closeFd(level.fd);
    }
    return parent?.fd;
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#levels.splice(0)) if (fd !== undefined) closeFd(fd);
  }
}

/** Whoever has come down through a directory may look up from it. */
function openParent(fd: number, { dev, ino }: Level): number {
  const parentFd = openat({ dirFd: fd, path: "..", flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW });
  const status = fstat(parentFd);
  if (status.dev === dev && status.ino === ino) return parentFd;
  closeFd(parentFd);
  throw new SyscallError("openat", errno.ESTALE, "..");
}
