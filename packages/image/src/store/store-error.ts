import { errnoName, isRunletError, RunletError } from "@runlet/errors";

/** What helps against a failure of the store's file system, by the error's name. */
export const storeHints: Readonly<Record<string, string>> = {
  ENOSPC: "free some space: `runlet image gc` removes what nothing uses; what was received is kept",
  EDQUOT: "free some space, or have the quota raised; what was received is kept",
  EACCES: "use a store of your own: name its directory with --store",
  EPERM: "use a store of your own: name its directory with --store",
  EROFS: "name a directory that can be written to with --store",
  EMFILE: "raise the limit of open files (ulimit -n)",
};

/**
 * A failure of the file system, told of the store. Errors that say enough pass through, as do those that are bugs.
 *
 * @param doing - what was being done, as an infinitive: `write the blob sha256:…`.
 */
export function storeError(doing: string, error: unknown): unknown {
  if (isRunletError(error) || !(error instanceof Error)) return error;
  const { errno: number, syscall, code } = error as NodeJS.ErrnoException;
  if (typeof number !== "number" || typeof code !== "string") return error;
  const errno = errnoName(Math.abs(number));
  return new RunletError("ERR_RUNLET_STORE", `cannot ${doing}`, {
    syscall,
    errno,
    hint: storeHints[errno],
    cause: error,
  });
}

/** Whether a call of Node's failed with this error number. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
