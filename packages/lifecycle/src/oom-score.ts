import { writeFileSync } from "node:fs";
import { errnoMessage, RunletError } from "@runlet/errors";
import type { SetOomScoreAdj } from "@runlet/plan";

/** Writes a process's score from outside. @throws RunletError `ERR_RUNLET_PROCESS` */
export function writeOomScoreAdj(pid: number, { value, from }: SetOomScoreAdj): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(value));
  } catch (cause) {
    const errno = String((cause as NodeJS.ErrnoException).code);
    throw new RunletError("ERR_RUNLET_PROCESS", `oom_score_adj cannot be set to ${value}: ${errnoMessage(errno)}`, {
      pointer: from,
      syscall: "write",
      errno,
      hint: "lowering it needs CAP_SYS_RESOURCE: give a value that is not below the caller's own",
      cause,
    });
  }
}
