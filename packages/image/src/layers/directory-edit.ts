import { fchmod, fstat, utimensat } from "@runlet/syscall";
import { hasCode } from "../store/store-error.ts";

/**
 * Changes a directory or what lies in it without a trace in its mode and times. Its owner may, whatever the mode says.
 *
 * @param fd - of the directory, open for reading; stays the caller's.
 * @param edit - is called again where the mode was in the way.
 * @throws SyscallError, and what `edit` throws.
 */
export function editDirectory(fd: number, edit: () => void): void {
  const { mode, atime, mtime } = fstat(fd);
  try {
    edit();
  } catch (error) {
    if (!hasCode(error, "EACCES")) throw error;
    fchmod(fd, 0o700);
    try {
      edit();
    } finally {
      fchmod(fd, mode & 0o7777);
    }
  }
  utimensat({ dirFd: fd, path: null, atime, mtime });
}
