import { RunletError } from "@runlet/errors";
import type { CgroupWrite } from "./cgroup.ts";

/** A write as the drivers carry it out. */
export interface PlannedWrite extends CgroupWrite {
  /** The value asks for what is so without the file: a missing file is no error. */
  readonly mayBeMissing?: boolean;
}

/** Pointer of the resources in the config. */
export const resourcesPointer = "/linux/resources";

/** A number of the config that is there and is not 0, which engines send for "unset"; else undefined. */
export function given(value: number | bigint | null | undefined): bigint | undefined {
  if (value === undefined || value === null) return undefined;
  const exact = BigInt(value);
  return exact === 0n ? undefined : exact;
}

/** Whether a text of the config is there and not empty. */
export function isText(value: string | null | undefined): value is string {
  return typeof value === "string" && value !== "";
}

/** The error for a value that holds on no host. */
export function invalidResource(pointer: string, message: string, hint?: string): RunletError {
  return new RunletError("ERR_RUNLET_CONFIG_INVALID", message, { pointer, hint });
}

/** The error for a field that this host's version of control groups has nothing for. */
export function unsupportedResource(pointer: string, message: string, hint: string): RunletError {
  return new RunletError("ERR_RUNLET_UNSUPPORTED", message, { pointer, hint });
}
