import type { Invocation } from "../command.ts";
import type { listOptions } from "../options/lifecycle.ts";
import { openRuntime } from "../runtime.ts";
import { formatTable } from "../text-table.ts";

/** Lists the containers of the state directory. */
export async function run(invocation: Invocation<typeof listOptions>): Promise<number> {
  const { options, print } = invocation;
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
