import { RunletError } from "@runlet/errors";
import type { Context } from "./context.ts";
import type { LoadSeccomp } from "./operation.ts";

/** The filter of system calls, or null where the config has none. */
export function seccompOperation(context: Context): LoadSeccomp | null {
  if (context.linux.seccomp === undefined) return null;
  throw new RunletError("ERR_RUNLET_UNSUPPORTED", "a filter of system calls is not supported", {
    pointer: "/linux/seccomp",
  });
}
