import { readFileSync } from "node:fs";
import { isRunletError, quote, RunletError } from "@runlet/errors";
import type { LinuxDeviceCgroup, LinuxResources } from "@runlet/spec";
import { formatIssue, toRunletError, validateResources } from "@runlet/validator";
import { readStandardInput } from "./standard-input.ts";

/** Where limits stand in a config. */
const resourcesPointer = "/linux/resources";

/**
 * An error of the limits that {@link readResources} has read, with the field's place in that text instead of a config's.
 *
 * @param source - as {@link readResources} takes it.
 */
export function locateInResources(error: unknown, source: string): unknown {
  if (!isRunletError(error) || !error.pointer?.startsWith(`${resourcesPointer}/`)) return error;
  const { code, message, syscall, errno, explanation, hint, details, cause } = error;
  return new RunletError(code, message, {
    ...{ syscall, errno, explanation, hint, details, cause },
    pointer: error.pointer.slice(resourcesPointer.length),
    document: nameOf(source),
  });
}

function nameOf(source: string): string {
  return source === "-" ? "<stdin>" : source;
}

/**
 * Reads what `update --resources` names.
 *
 * `devices` are left out, as in runc: engines send the denial of all devices with every update, and mean the limits beside it.
 *
 * @param source - path of a JSON file, or `-` for standard input.
 * @param warn - receives what is doubtful in it.
 * @throws {@link RunletError} `ERR_RUNLET_USAGE` for what cannot be read, `ERR_RUNLET_CONFIG_SYNTAX` or
 *   `ERR_RUNLET_CONFIG_INVALID` with the field's place in it.
 */
export function readResources(source: string, warn: (message: string) => void): LinuxResources {
  const name = nameOf(source);
  const { value, issues } = validateResources(readText(source));
  const error = toRunletError(issues, name);
  if (error !== undefined || value === undefined) throw error ?? new Error("resources without errors have no value");
  for (const issue of issues) warn(formatIssue(issue, name));
  const { devices, ...limits } = value;
  if (devices !== undefined && !devices.every(deniesAll)) {
    warn(`${name} /devices: update leaves devices as they are`);
  }
  return limits;
}

function deniesAll({ allow, type = "a", major = -1, minor = -1 }: LinuxDeviceCgroup): boolean {
  return !allow && type === "a" && major === -1 && minor === -1;
}

function readText(source: string): Uint8Array {
  try {
    return source === "-" ? readStandardInput() : readFileSync(source);
  } catch (cause) {
    const { code = "EIO" } = cause as NodeJS.ErrnoException;
    const name = source === "-" ? "standard input" : quote(source);
    throw new RunletError("ERR_RUNLET_USAGE", `the resources in ${name} cannot be read`, {
      errno: code,
      hint: "name a file that holds linux.resources as JSON, or - for standard input",
      cause,
    });
  }
}
