import type { Invocation } from "../command.ts";
import { formatCompletion } from "../completion/index.ts";
import type { completionPositionals, shells } from "../options/help.ts";

/** Prints the completion script of a shell. */
export function run(invocation: Invocation<Record<never, never>, typeof completionPositionals>): number {
  // The parser takes no other word.
  const shell = invocation.positionals.shell as (typeof shells)[number];
  invocation.print(formatCompletion(shell, invocation.programName).trimEnd());
  return 0;
}
