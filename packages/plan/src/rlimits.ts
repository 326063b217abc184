import { quote, RunletError } from "@runlet/errors";
import { rlimitTypes } from "@runlet/spec";
import type { Context } from "./context.ts";
import type { RaiseRlimit, SetRlimit } from "./operation.ts";
import { pointerTo } from "./pointer.ts";

/** The limits of the process in two steps. */
export interface RlimitOperations {
  /** Hard limits up, first of all. */
  readonly raise: readonly RaiseRlimit[];
  /** The limits themselves, last of all: a low one must not hit the helper. */
  readonly set: readonly SetRlimit[];
}

/** @throws RunletError `ERR_RUNLET_PROCESS` for a resource that is not known, is listed twice, or whose soft limit is above the hard one. */
export function rlimitOperations(context: Context): RlimitOperations {
  const seen = new Set<string>();
  const set = (context.process.rlimits ?? []).map((rlimit, index): SetRlimit => {
    const from = pointerTo("process", "rlimits", index);
    const name = rlimit.type;
    // The list is in the order of the kernel's numbers.
    const resource = (rlimitTypes as readonly string[]).indexOf(name);
    if (resource < 0) {
      throw new RunletError("ERR_RUNLET_PROCESS", `unknown resource limit ${quote(name)}`, {
        pointer: `${from}/type`,
        hint: `one of ${rlimitTypes.join(", ")}`,
      });
    }
    if (seen.has(name)) throw new RunletError("ERR_RUNLET_PROCESS", `a second ${name}`, { pointer: `${from}/type` });
    seen.add(name);
    const soft = BigInt(rlimit.soft);
    const hard = BigInt(rlimit.hard);
    if (soft > hard) {
      throw new RunletError("ERR_RUNLET_PROCESS", `the soft limit ${soft} is above the hard limit ${hard}`, {
        pointer: `${from}/soft`,
      });
    }
    return { op: "setRlimit", name, resource, soft, hard, from };
  });
  const raise = set.map(
    ({ name, resource, hard, from }): RaiseRlimit => ({ op: "raiseRlimit", name, resource, hard, from }),
  );
  return { raise, set };
}
