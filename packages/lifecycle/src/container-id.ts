import { quote, RunletError } from "@runlet/errors";

const idPattern = /^[\w+.-]+$/;
const maxIdBytes = 255;

/**
 * Checks the name of a container, which becomes the name of a directory.
 *
 * @throws RunletError `ERR_RUNLET_INVALID_ID`.
 */
export function checkContainerId(id: string): void {
  if (idPattern.test(id) && id !== "." && id !== ".." && id.length <= maxIdBytes) return;
  throw new RunletError("ERR_RUNLET_INVALID_ID", `invalid container ID format: ${quote(id)}`, {
    hint: "use letters, digits, `_`, `+`, `-` and `.`, at most 255 of them, and neither `.` nor `..`",
  });
}
