import { RunletError } from "@runlet/errors";

/**
 * An archive that cannot be read, with the place.
 *
 * @param offset - byte of the (uncompressed) archive where the faulty part begins.
 */
export function archiveError(offset: number, message: string): RunletError {
  return new RunletError("ERR_RUNLET_ARCHIVE", `damaged archive at byte ${offset}: ${message}`, {
    details: { offset },
  });
}
