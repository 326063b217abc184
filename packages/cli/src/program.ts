import { RunletError } from "@runlet/errors";
import { checkEncoding } from "./argument-encoding.ts";
import type { Command, CommandGroup, Invocation, OptionValues } from "./command.ts";
import { findGroup } from "./commands.ts";
import { type Level, Log } from "./log.ts";
import type { GlobalOptions } from "./options/global.ts";
import { parseCommandLine, parseProgramLine, wantsGroupHelp } from "./parser.ts";
import { UnknownCommandError, UsageError } from "./usage-error.ts";

/** What the program needs of the process that it runs in. */
export interface Host {
  /** Name that the program was called by, without its directory. */
  readonly programName: string;
  /** Writes text and a newline to standard output. @returns false when nobody reads it any more. */
  print(text: string): unknown;
  /** Writes text and a newline to standard error. */
  printError(text: string): void;
  /** Whether a person reads standard error. */
  isErrorTerminal(): boolean;
  readonly hasColours: boolean;
  /** Opens the log file; the function that it returns appends to it. */
  openLog(hostPath: string): (text: string) => void;
}

const unexplainedFailureStatus = 1;

/**
 * Runs one command line. It neither throws nor exits.
 *
 * @param args - the arguments after the program's name.
 * @returns the exit status: 0; 1 for a failure, 255 if it is one of exec's; 3 for an unknown command; a process's own.
 */
export async function runProgram(args: readonly string[], host: Host): Promise<number> {
  let log = makeLog(undefined, host);
  let failing: Command | undefined;
  try {
    checkEncoding(args, () => process.getBuiltinModule("node:fs").readFileSync("/proc/self/cmdline"));
    const line = parseProgramLine(args);
    const { globals } = line;
    if (line.wantsHelp) return await printHelp(host);
    if (line.wantsVersion) {
      const { versionText } = await import("./version.ts");
      host.print(versionText(host.programName));
      return 0;
    }
    log = makeLog(globals, host);
    const [first, ...others] = line.rest;
    if (first === undefined) return await printHelp(host);
    const group = findGroup(first);
    if (group !== undefined && wantsGroupHelp(others)) return await printHelp(host, group);
    const name = group === undefined ? first : `${first} ${others[0]}`;
    const rest = group === undefined ? others : others.slice(1);
    const { command, wantsHelp, options, positionals } = parseCommandLine(name, rest);
    if (wantsHelp) return await printHelp(host, command);
    failing = command;
    return await runCommand(command, {
      programName: host.programName,
      globals,
      options,
      positionals,
      log,
      print: host.print,
    });
  } catch (error) {
    // What is wrong with the call is worth more than that its help could not be written.
    if (error instanceof UsageError) await printHelp(host, error.command).catch(() => {});
    return report(error, log, failing);
  }
}

async function runCommand(command: Command, invocation: Invocation): Promise<number> {
  const { log, programName } = invocation;
  log.debug(`${programName} ${command.name} ${JSON.stringify(invocation.positionals)}`);
  const { run } = await command.load();
  const status = await run(invocation);
  log.debug(`${programName} ${command.name}: exit status ${status}`);
  return status;
}

function report(error: unknown, log: Log, command: Command | undefined): number {
  const isUsage = error instanceof UsageError || error instanceof UnknownCommandError;
  log.error(error, command?.name === "exec" && !isUsage ? "exec failed: " : "");
  if (!(error instanceof RunletError) && error instanceof Error && error.stack !== undefined) log.debug(error.stack);
  if (isUsage) return error.exitStatus;
  return command?.failureStatus ?? unexplainedFailureStatus;
}

async function printHelp(host: Host, topic?: Command | CommandGroup): Promise<number> {
  const { formatHelp } = await import("./help.ts");
  host.print(formatHelp(host.programName, topic));
  return 0;
}

/** The log before the options are known goes to standard error, as text. */
function makeLog(globals: OptionValues<GlobalOptions> | undefined, host: Host): Log {
  const level: Level = globals?.debug === true ? "debug" : (globals?.["log-level"] ?? "info");
  const hostPath = globals?.log;
  // Both mean what holds without the option.
  const isStandardError = hostPath === undefined || hostPath === "" || hostPath === "/dev/stderr";
  return new Log({
    format: globals?.["log-format"] ?? "text",
    level,
    appendToFile: isStandardError ? undefined : host.openLog(hostPath),
    printError: host.printError,
    isTerminal: host.isErrorTerminal,
    hasColours: host.hasColours,
  });
}
