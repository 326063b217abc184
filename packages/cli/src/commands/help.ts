import type { Invocation } from "../command.ts";
import { commands, findCommand } from "../commands.ts";
import { formatHelp } from "../help.ts";
import { nearestName } from "../nearest-name.ts";
import type { helpPositionals } from "../options/help.ts";
import { UnknownCommandError } from "../usage-error.ts";

/** Prints the help of a command, or of the program. */
export function run(invocation: Invocation<Record<never, never>, typeof helpPositionals>): number {
  const name = invocation.positionals.command;
  const command = name === undefined ? undefined : findCommand(name);
  if (name !== undefined && command === undefined) {
    throw new UnknownCommandError(
      name,
      nearestName(
        name,
        commands.map((known) => known.name),
      ),
    );
  }
  invocation.print(formatHelp(invocation.programName, command));
  return 0;
}
