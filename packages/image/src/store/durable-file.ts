import { closeSync, constants, fsync, mkdirSync, openSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Waits until what was written to a file, or the names in a directory, are on the disk. */
export function flush(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fsync(fd, (error) => (error === null ? resolve() : reject(error))));
}

/** {@link flush} of a directory by its path. */
export async function flushDirectory(hostPath: string): Promise<void> {
  const fd = openSync(hostPath, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await flush(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes a directory and those above it that are missing. Node's own way of it never ends below procfs, where what is missing
 * cannot be made (`ENOENT`).
 *
 * @throws the failure of mkdir(2); `ENOTDIR` where a file is in the way.
 */
export function ensureDirectory(hostPath: string, mode: number): void {
  if (statSync(hostPath, { throwIfNoEntry: false })?.isDirectory() === true) return;
  ensureDirectory(dirname(hostPath), mode);
  try {
    mkdirSync(hostPath, { mode });
  } catch (error) {
    // Another process may have made it since.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !statSync(hostPath).isDirectory()) throw error;
  }
}

let written = 0;

/** Whether a file is what {@link replaceFile} was writing when its process ended. */
export function isUnfinished(name: string): boolean {
  return /^\..+\.\d+-\d+\.new$/.test(name);
}

/**
 * Writes a file so that its path leads to what was there or to what is new, whole, at any moment; on the disk when the
 * promise is settled. A process that is killed meanwhile leaves a file that {@link isUnfinished} knows.
 */
export async function replaceFile(hostPath: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(hostPath), `.${basename(hostPath)}.${process.pid}-${++written}.new`);
  const fd = openSync(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    0o644,
  );
  try {
    writeFileSync(fd, content);
    await flush(fd);
    renameSync(temporary, hostPath);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  await flushDirectory(dirname(hostPath));
}
