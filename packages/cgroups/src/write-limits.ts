import { isRunletError, RunletError } from "@runlet/errors";
import { writeValues } from "@runlet/syscall";
import { errnoOf, writeError, writeValue } from "./cgroup-file.ts";
import { previousValue } from "./previous-value.ts";
import type { PlannedWrite } from "./resource-value.ts";

/** Options of {@link writeLimits}. */
export interface LimitWriter {
  /** Host directory for a write. @throws RunletError when there is none: the message is the driver's. */
  readonly directoryOf: (write: PlannedWrite) => string;
  /** A driver's own error for a refused write, or undefined for the general one. */
  readonly explain: (write: PlannedWrite, hostPath: string, error: unknown) => RunletError | undefined;
}

/** Gives files back what they held. @returns those that could not be given it, in words. */
export type Undo = () => readonly string[];

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
  const pass = new Pass(writer, false);
  pass.run(writes);
}

/**
 * Carries out writes as {@link writeLimits} does, all or none: when one is refused, the files that were written before are
 * given back what they held, the last one first.
 *
 * @returns what takes the change back.
 * @throws RunletError with the pointer of the field whose value was refused; where a file cannot be given back what it held,
 *   the explanation says which.
 */
export function changeLimits(writes: readonly PlannedWrite[], writer: LimitWriter): Undo {
  const pass = new Pass(writer, true);
  try {
    pass.run(writes);
  } catch (error) {
    throw withRemains(error, pass.undo());
  }
  return () => pass.undo();
}

/** The error of a change, saying what of the change is left: nothing is said when nothing is. */
export function withRemains(error: unknown, remains: readonly string[]): unknown {
  if (remains.length === 0 || !isRunletError(error)) return error;
  const { code, message, pointer, syscall, errno, hint, details } = error;
  const explanation = [error.explanation, `could not be set back: ${remains.join(", ")}`].filter(Boolean).join("; ");
  return new RunletError(code, message, { pointer, syscall, errno, explanation, hint, details, cause: error });
}

/** One go through a list of writes. */
class Pass {
  readonly #writer: LimitWriter;
  readonly #remembers: boolean;
  /** Files that were written, with what they held. */
  readonly #written: { hostPath: string; file: string; before: string | undefined }[] = [];

  constructor(writer: LimitWriter, remembers: boolean) {
    this.#writer = writer;
    this.#remembers = remembers;
  }

  run(writes: readonly PlannedWrite[]): void {
    const refused: PlannedWrite[] = [];
    for (let at = 0; at < writes.length; ) {
      const { written, error } = this.#write(this.#together(writes, at));
      at += written;
      const write = writes[at];
      if (error === null || write === undefined) continue;
      if (errnoOf(error) !== "EINVAL" || writes.length === 1) throw this.#failure(write, error);
      refused.push(write);
      at++;
    }
    for (const write of refused) {
      const { error } = this.#write([write]);
      if (error !== null) throw this.#failure(write, error);
    }
  }

  /** The writes from one on that go to the same file: a device list is a dozen of them. */
  #together(writes: readonly PlannedWrite[], at: number): readonly PlannedWrite[] {
    const first = writes[at];
    let end = at + 1;
    if (!this.#remembers) {
      while (writes[end]?.file === first?.file && writes[end]?.controller === first?.controller) end++;
    }
    return writes.slice(at, end);
  }

  /** @returns how many of the writes, all to one file, were made, and why the next one was not. */
  #write(writes: readonly PlannedWrite[]): { readonly written: number; readonly error: unknown } {
    const [write] = writes;
    if (write === undefined) return { written: 0, error: null };
    try {
      const directory = this.#writer.directoryOf(write);
      const hostPath = `${directory}/${write.file}`;
      const before = this.#remembers ? previousValue(directory, write.file, write.value) : undefined;
      const values = writes.map(({ value }) => value);
      const { written, error } = writeValues(hostPath, values) ?? { written: writes.length, error: null };
      if (
        error?.code === "ENOENT" &&
        error.syscall === "open" &&
        writes.every(({ mayBeMissing }) => mayBeMissing === true)
      )
        return { written: writes.length, error: null };
      if (this.#remembers && error === null) this.#written.push({ hostPath, file: write.file, before });
      return { written, error };
    } catch (error) {
      return { written: 0, error };
    }
  }

  #failure(write: PlannedWrite, error: unknown): unknown {
    if (isRunletError(error)) return error;
    const hostPath = this.#writer.directoryOf(write);
    return (
      this.#writer.explain(write, hostPath, error) ??
      writeError(error, { ...write, hostPath: `${hostPath}/${write.file}` })
    );
  }

  /** As in {@link run}, a value that is invalid now can be valid after the others. */
  undo(): readonly string[] {
    let left = this.#written.splice(0).reverse();
    for (let round = 0; round < 2 && left.length > 0; round++) left = left.filter((one) => !restore(one));
    return left.map(({ file }) => file);
  }
}

function restore({ hostPath, before }: { hostPath: string; before: string | undefined }): boolean {
  if (before === undefined) return false;
  try {
    writeValue(hostPath, before);
    return true;
  } catch {
    return false;
  }
}
