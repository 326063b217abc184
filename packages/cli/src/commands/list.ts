import { statSync } from "node:fs";
import { quote, RunletError } from "@runlet/errors";
import type { Invocation } from "../command.ts";
import type { listOptions } from "../options/lifecycle.ts";
import { openRuntime } from "../runtime.ts";
import { formatTable } from "../text-table.ts";

/** Lists the containers of the state directory. */
export async function run(invocation: Invocation<typeof listOptions>): Promise<number> {
  const { options, globals, print } = invocation;
  if (globals.root !== undefined) checkRoot(globals.root);
  const runtime = await openRuntime(invocation);
  const states = await runtime.list();
  if (options.quiet) {
    if (states.length > 0) print(states.map((state) => state.id).join("\n"));
  } else if (options.format === "json") {
    // `null` is how Go writes a list of nothing, and what runc prints.
    print(states.length === 0 ? "null" : JSON.stringify(states));
  } else {
    const header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
    const rows = states.map(({ id, pid, status, bundle, created, owner }) => [
      id,
      String(pid),
      status,
      bundle,
      created,
      owner,
    ]);
    print(formatTable([header, ...rows]));
  }
  return 0;
}

/** A directory that was named and is not there is a mistake, and no empty list. */
function checkRoot(hostPath: string): void {
  try {
    statSync(hostPath);
  } catch (error) {
    throw new RunletError("ERR_RUNLET_USAGE", `cannot list the containers of ${quote(hostPath)}`, {
      syscall: "stat",
      errno: (error as NodeJS.ErrnoException).code,
      hint: "give --root the directory that the containers were created with",
      cause: error,
    });
  }
}
