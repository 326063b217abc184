import { RunletError } from "@runlet/errors";
import { errnoOf, readTextIfExists } from "../cgroup-file.ts";
import type { PlannedWrite } from "../resource-value.ts";

/**
 * The error for a memory limit below what is in use and cannot be reclaimed.
 *
 * @returns undefined for any other write or error.
 */
export function explainMemoryLimit(write: PlannedWrite, hostPath: string, cause: unknown): RunletError | undefined {
  if (write.file !== "memory.limit_in_bytes" || errnoOf(cause) !== "EBUSY") return undefined;
  const usage = readTextIfExists(`${hostPath}/memory.usage_in_bytes`) ?? "unknown";
  const peak = readTextIfExists(`${hostPath}/memory.max_usage_in_bytes`) ?? "unknown";
  return new RunletError(
    "ERR_RUNLET_CGROUP",
    `unable to set memory limit to ${write.value} (current usage: ${usage}, peak usage: ${peak})`,
    {
      pointer: write.from,
      syscall: "write",
      errno: "EBUSY",
      explanation: "the kernel cannot reclaim that much",
      hint: "take a limit above the current usage",
      cause,
    },
  );
}
