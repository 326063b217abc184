import { closeSync, constants, openSync, writeSync } from "node:fs";
import { isRunletError, type RunletError } from "@runlet/errors";
import { errnoOf, writeError } from "./cgroup-file.ts";
import type { PlannedWrite } from "./resource-value.ts";

/** Options of {@link writeLimits}. */
export interface LimitWriter {
  /** Host directory for a write. @throws RunletError when there is none: the message is the driver's. */
  readonly directoryOf: (write: PlannedWrite) => string;
  /** A driver's own error for a refused write, or undefined for the general one. */
  readonly explain: (write: PlannedWrite, hostPath: string, error: unknown) => RunletError | undefined;
}

/**
 * Carries out writes in order.
 *
 * A value that the kernel finds invalid (EINVAL) is tried once more after all others: limits that bound each other (quota,
 * period and burst; memory and memory with swap) can be changed together in any direction, and which order is right depends
 * on the values that were there before.
 *
 * @throws RunletError with the pointer of the field whose value was refused.
 */
export function writeLimits(writes: readonly PlannedWrite[], writer: LimitWriter): void {
  const refused: PlannedWrite[] = [];
  const openFile = { hostPath: "", fd: -1 };
  try {
    for (const write of writes) {
      try {
        writeOne(write, writer, openFile);
      } catch (error) {
        if (errnoOf(error) !== "EINVAL" || writes.length === 1) throw failure(write, writer, error);
        refused.push(write);
      }
    }
    for (const write of refused) {
      try {
        writeOne(write, writer, openFile);
      } catch (error) {
        throw failure(write, writer, error);
      }
    }
  } finally {
    if (openFile.fd >= 0) closeSync(openFile.fd);
  }
}

/** Keeps the file open: a device list is a dozen writes to the same one. */
function writeOne(write: PlannedWrite, writer: LimitWriter, openFile: { hostPath: string; fd: number }): void {
  const hostPath = `${writer.directoryOf(write)}/${write.file}`;
  if (hostPath !== openFile.hostPath) {
    if (openFile.fd >= 0) closeSync(openFile.fd);
    openFile.fd = -1;
    openFile.hostPath = "";
    try {
      openFile.fd = openSync(hostPath, constants.O_WRONLY);
    } catch (error) {
      if (write.mayBeMissing === true && errnoOf(error) === "ENOENT") return;
      throw error;
    }
    openFile.hostPath = hostPath;
  }
  writeSync(openFile.fd, write.value);
}

function failure(write: PlannedWrite, writer: LimitWriter, error: unknown): unknown {
  if (isRunletError(error)) return error;
  const hostPath = writer.directoryOf(write);
  return (
    writer.explain(write, hostPath, error) ?? writeError(error, { ...write, hostPath: `${hostPath}/${write.file}` })
  );
}
