import { closeSync, constants, openSync } from "node:fs";
import { atFlags, directoryEntryTypes, openat, readDirectory, statPath, unlinkat } from "@runlet/syscall";
import { isGone } from "./cgroup-file.ts";

/**
 * Whether there are groups below one: the kernel counts a directory's subdirectories in its links. False when the group
 * is gone.
 */
export function hasChildGroups(hostPath: string): boolean {
  try {
    return (statPath(hostPath)?.nlink ?? 0) > 2;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/**
 * Visits a group and all below it, outermost first.
 *
 * A container that may write its control groups chooses their names and depth: any bytes, and more levels than a path or
 * the table of descriptors holds. So the tree is walked by descriptor, with two of them open at a time.
 *
 * @param visit - gets a descriptor of the directory, which stays the walk's.
 * @param leave - gets the parent's descriptor and the name of a group whose groups have all been left.
 * @throws the error of `node:fs` when the outermost directory cannot be opened.
 */
export function walkGroups(
  hostPath: string,
  visit: (dirFd: number) => void,
  leave?: (parentFd: number, name: Uint8Array) => void,
): void {
  let fd = openSync(hostPath, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const names: Uint8Array[] = [];
    const pending: Uint8Array[][] = [childNames(fd)];
    visit(fd);
    for (;;) {
      const name = pending.at(-1)?.pop();
      if (name === undefined) {
        pending.pop();
        const left = names.pop();
        if (left === undefined) return;
        fd = enter(fd, "..");
        leave?.(fd, left);
        continue;
      }
      try {
        fd = enter(fd, name);
      } catch (error) {
        if (isGone(error)) continue;
        throw error;
      }
      names.push(name);
      pending.push(childNames(fd));
      visit(fd);
    }
  } finally {
    closeSync(fd);
  }
}

/** Removes the groups below one, as far as they are empty. */
export function removeChildGroups(hostPath: string): void {
  walkGroups(
    hostPath,
    () => {},
    (parentFd, name) => {
      try {
        unlinkat({ dirFd: parentFd, path: name, flags: atFlags.AT_REMOVEDIR });
      } catch {
        // One that still has processes: its parents stay too, and the outermost says so.
      }
    },
  );
}

/** Opens a directory beside `fd` and closes `fd`, which stays open when that fails. */
function enter(fd: number, name: Uint8Array | string): number {
  const next = openat({
    dirFd: fd,
    path: name,
    flags: constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
  });
  closeSync(fd);
  return next;
}

function childNames(fd: number): Uint8Array[] {
  return readDirectory(fd)
    .filter((entry) => entry.type === directoryEntryTypes.DT_DIR)
    .map((entry) => entry.name);
}
