import type { Invocation } from "../command.ts";
import { commands, findCommand } from "../commands.ts";
import { formatManual } from "../manual.ts";
import { nearestName } from "../nearest-name.ts";
import type { manualPositionals } from "../options/help.ts";
import { UnknownCommandError } from "../usage-error.ts";
import { programVersion } from "../version.ts";

/** Prints the manual page of a command, or of the program. */
export function run(invocation: Invocation<Record<never, never>, typeof manualPositionals>): number {
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
  invocation.print(formatManual(programVersion(), command).trimEnd());
  return 0;
}
