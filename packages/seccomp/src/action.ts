import { errnoName } from "@runlet/errors";
import type { LinuxSeccompAction, LinuxSeccompFlag } from "@runlet/spec";

/** `SECCOMP_RET_*` of each action, without data. (`<linux/seccomp.h>`) */
export const actionValues: Readonly<Record<LinuxSeccompAction, number>> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x8000_0000,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_ERRNO: 0x0005_0000,
  SCMP_ACT_NOTIFY: 0x7fc0_0000,
  SCMP_ACT_TRACE: 0x7ff0_0000,
  SCMP_ACT_LOG: 0x7ffc_0000,
  SCMP_ACT_ALLOW: 0x7fff_0000,
};

/** Flags of seccomp(2) that the specification names. (`<linux/seccomp.h>`) */
export const flagValues: Readonly<Record<LinuxSeccompFlag, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1 << 0,
  SECCOMP_FILTER_FLAG_LOG: 1 << 1,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 1 << 2,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 1 << 5,
};

/** seccomp(2) returns a listener's descriptor. */
export const SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3;
/** A thread that cannot be synchronised gives `ESRCH`, so that the return value can be a listener's descriptor. */
export const SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 1 << 4;

/** `SECCOMP_RET_KILL_THREAD`: what meets a call of an architecture that the filter does not know, as in libseccomp. */
export const badArchitectureAction = actionValues.SCMP_ACT_KILL_THREAD;
/** Largest error number that the kernel takes from a filter (`MAX_ERRNO`); it clamps what is larger. */
export const largestErrno = 4095;

const upper = 0xffff_0000;

/** What a filter's return value means. */
export interface ActionWord {
  readonly action: LinuxSeccompAction;
  /** The lower 16 bits: an error number for `SCMP_ACT_ERRNO`, the tracer's value for `SCMP_ACT_TRACE`. */
  readonly data: number;
}

/**
 * Reads a filter's return value. What the kernel does not know it takes for `SCMP_ACT_KILL_PROCESS`, and so does this.
 */
export function readAction(value: number): ActionWord {
  const word = (value & upper) >>> 0;
  const data = value & 0xffff;
  for (const action of Object.keys(actionValues) as LinuxSeccompAction[]) {
    // Both names of "kill the thread" have one value; the clear one is told.
    if (action !== "SCMP_ACT_KILL" && actionValues[action] === word) return { action, data };
  }
  return { action: "SCMP_ACT_KILL_PROCESS", data };
}

/** The action as a person reads it: `ALLOW`, `ERRNO(EPERM)`, `TRACE(7)`. Error names are those of most architectures, not mips or parisc. */
export function formatAction(value: number): string {
  const { action, data } = readAction(value);
  const word = action.slice("SCMP_ACT_".length);
  if (action === "SCMP_ACT_ERRNO") return `${word}(${data === 0 ? "0" : errnoName(data)})`;
  return action === "SCMP_ACT_TRACE" ? `${word}(${data})` : word;
}
