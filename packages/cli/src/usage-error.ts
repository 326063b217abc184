import { RunletError } from "@runlet/errors";
import type { Command } from "./command.ts";

/** Exit status of an unknown command, as runc's. */
const unknownCommandStatus = 3;

/** A wrong call: reported together with the help. */
export class UsageError extends RunletError {
  /** The command whose help is to be shown; undefined for that of the program. */
  readonly command: Command | undefined;
  readonly exitStatus = 1;

  constructor(message: string, options: { command?: Command | undefined; hint?: string | undefined } = {}) {
    super("ERR_RUNLET_USAGE", message, { hint: options.hint });
    this.command = options.command;
  }
}

/** A command that does not exist: reported alone. */
export class UnknownCommandError extends RunletError {
  readonly exitStatus = unknownCommandStatus;

  constructor(name: string, nearest: string | undefined) {
    super("ERR_RUNLET_USAGE", `No help topic for '${name}'`, {
      hint: nearest === undefined ? undefined : `did you mean ${nearest}?`,
      details: { command: name },
    });
  }
}
