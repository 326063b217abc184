import { quote, RunletError } from "@runlet/errors";

/** Facts for {@link invalid}. */
export interface InvalidDetails {
  /** The value at fault, of unknown origin. */
  readonly value?: unknown;
  /** The values that would have been right. */
  readonly known?: readonly string[];
  readonly hint?: string;
}

/** The error of a profile that cannot be compiled: `ERR_RUNLET_SECCOMP`, with the pointer of the entry at fault. */
export function invalid(pointer: string, message: string, details: InvalidDetails = {}): RunletError {
  const { value, known, hint } = details;
  const quoted = value === undefined ? "" : ` ${quote(String(value))}`;
  const what = known === undefined ? hint : `Use one of ${known.join(", ")}.`;
  return new RunletError("ERR_RUNLET_SECCOMP", `${message}${quoted}`, { pointer, hint: what });
}
