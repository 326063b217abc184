import type { Invocation } from "../command.ts";
import { formatManual } from "../manual.ts";
import type { manualPositionals } from "../options/help.ts";
import { findTopic } from "../parser.ts";
import { programVersion } from "../version.ts";

/** Prints the manual page of a command, or of the program. */
export function run(invocation: Invocation<Record<never, never>, typeof manualPositionals>): number {
  const topic = findTopic(invocation.positionals.command);
  invocation.print(formatManual(programVersion(), topic).trimEnd());
  return 0;
}
