import { readFileSync } from "node:fs";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import type { Process } from "@runlet/spec";
import { formatIssue, toRunletError, validateProcess } from "@runlet/validator";

/**
 * Reads and validates the file that `exec --process` names.
 *
 * @param warn - is told of what is doubtful and no error.
 * @throws {@link RunletError} `ERR_RUNLET_USAGE` when it cannot be read, `ERR_RUNLET_CONFIG_SYNTAX` or
 *   `ERR_RUNLET_CONFIG_INVALID` with line and column.
 */
export function readProcess(hostPath: string, warn: (message: string) => void): Process {
  let text: Buffer;
  try {
    text = readFileSync(hostPath);
  } catch (cause) {
    const errno = String((cause as NodeJS.ErrnoException).code);
    throw new RunletError("ERR_RUNLET_USAGE", `the process file ${quote(hostPath)}: ${errnoMessage(errno)}`, {
      errno,
      syscall: "open",
      hint: "--process names a file that holds the process as JSON, as in config.json",
      cause,
    });
  }
  const { value, issues } = validateProcess(text);
  const error = toRunletError(issues, hostPath);
  if (error !== undefined || value === undefined) throw error ?? new Error("a process without errors has no value");
  for (const issue of issues) warn(formatIssue(issue, hostPath));
  return value;
}
