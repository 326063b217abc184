import type { Invocation } from "../command.ts";
import { formatHelp } from "../help.ts";
import type { helpPositionals } from "../options/help.ts";
import { findTopic } from "../parser.ts";

/** Prints the help of a command, or of the program. */
export function run(invocation: Invocation<Record<never, never>, typeof helpPositionals>): number {
  const topic = findTopic(invocation.positionals.command);
  invocation.print(formatHelp(invocation.programName, topic));
  return 0;
}
