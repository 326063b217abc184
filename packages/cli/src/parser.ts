import type {
  Command,
  CommandGroup,
  Option,
  OptionTable,
  OptionValues,
  PositionalTable,
  PositionalValues,
} from "./command.ts";
import { commandsOf, findCommand, findGroup, topics } from "./commands.ts";
import { nearestName } from "./nearest-name.ts";
import { alternatives, defaultValue, InvalidValue, parseValue } from "./option-value.ts";
import { type GlobalOptions, globalOptions } from "./options/global.ts";
import { UnknownCommandError, UsageError } from "./usage-error.ts";

/** What stands before the command. */
export interface ProgramLine {
  readonly globals: OptionValues<GlobalOptions>;
  readonly wantsHelp: boolean;
  readonly wantsVersion: boolean;
  /** The command's name and its arguments. */
  readonly rest: readonly string[];
}

/** A command and what it is called with. */
export interface CommandLine {
  readonly command: Command;
  readonly wantsHelp: boolean;
  readonly options: OptionValues<OptionTable>;
  readonly positionals: PositionalValues<PositionalTable>;
}

/** Added to every command's own. */
export const helpOption = { type: "boolean", short: "h", summary: "print this help" } as const satisfies Option;
/** Added to the global ones. */
export const versionOption = { type: "boolean", short: "v", summary: "print the version" } as const satisfies Option;

/**
 * Reads what stands before the command. The rules of both parts are runc's: options of the program come first; a long
 * option has one dash or two; a value follows after `=` or as the next argument, whatever that is; the last of a repeated
 * option holds; `--` ends the options.
 *
 * @param args - the arguments after the program's name.
 * @throws {@link UsageError}
 */
export function parseProgramLine(args: readonly string[]): ProgramLine {
  const table = { ...globalOptions, help: helpOption, version: versionOption };
  const { values, positionals } = parseOptions(args, table, { endsAtPositional: true });
  const { help, version, ...globals } = values;
  return {
    // The types of the values follow from the table that they were read by.
    globals: globals as unknown as OptionValues<GlobalOptions>,
    wantsHelp: help === true,
    wantsVersion: version === true,
    rest: positionals,
  };
}

/**
 * Reads a command and its arguments. Options may also follow positional arguments, unless the command
 * {@link Command.endsAtPositional | says otherwise}.
 *
 * @param name - name of the command.
 * @param args - what follows it.
 * @throws {@link UsageError} or {@link UnknownCommandError}.
 */
export function parseCommandLine(name: string, args: readonly string[]): CommandLine {
  const command = findCommand(name);
  if (command === undefined) {
    throw unknownCommand(name);
  }
  const rules = { command, endsAtPositional: command.endsAtPositional ?? false };
  const { values, positionals } = parseOptions(args, { ...command.options, help: helpOption }, rules);
  const { help, ...options } = values;
  const wantsHelp = help === true;
  return {
    command,
    wantsHelp,
    options: options as OptionValues<OptionTable>,
    positionals: wantsHelp ? {} : namePositionals(command, positionals),
  };
}

/** Whether what follows the name of a group asks for its help: nothing, or the option. */
export function wantsGroupHelp([first]: readonly string[]): boolean {
  return first === undefined || ["-h", "--h", "-help", "--help"].includes(first);
}

/**
 * What the words after `help` name.
 *
 * @returns undefined for no words: the program.
 * @throws {@link UnknownCommandError}
 */
export function findTopic(words: readonly string[]): Command | CommandGroup | undefined {
  if (words.length === 0) return undefined;
  const name = words.join(" ");
  const topic = findCommand(name) ?? findGroup(name);
  if (topic === undefined) throw unknownCommand(name);
  return topic;
}

/** The error for a name that is no command's, with the nearest that is. */
function unknownCommand(name: string): UnknownCommandError {
  const group = findGroup(name.split(" ", 1)[0] ?? "");
  const known: readonly { name: string; hidden?: boolean }[] = group === undefined ? topics() : commandsOf(group);
  const names = known.flatMap((topic) => (topic.hidden === true ? [] : [topic.name]));
  return new UnknownCommandError(name, nearestName(name, names));
}

interface ParsedOptions {
  readonly values: Record<string, unknown>;
  readonly positionals: readonly string[];
}

function parseOptions(
  args: readonly string[],
  table: OptionTable,
  rules: { readonly endsAtPositional: boolean | string; readonly command?: Command },
): ParsedOptions {
  const values: Record<string, unknown> = {};
  for (const name in table) values[name] = defaultValue(table[name] as Option);
  const positionals: string[] = [];

  for (let index = 0; index < args.length; index++) {
    const argument = args[index] as string;
    if (argument === "--") {
      positionals.push(...args.slice(index + 1));
      break;
    }
    if (argument === "-" || !argument.startsWith("-")) {
      const { endsAtPositional } = rules;
      if (typeof endsAtPositional === "string" ? values[endsAtPositional] !== undefined : endsAtPositional) {
        positionals.push(...args.slice(index));
        break;
      }
      positionals.push(argument);
      continue;
    }
    const written = argument.slice(argument.startsWith("--") ? 2 : 1);
    const equals = written.indexOf("=");
    const flag = equals < 0 ? written : written.slice(0, equals);
    const name = findOption(table, flag);
    if (name === undefined) throw undefinedFlag(flag, table, rules.command);
    const option = table[name] as Option;
    let text: string | undefined = equals < 0 ? undefined : written.slice(equals + 1);
    if (text === undefined && option.type === "boolean") text = "true";
    if (text === undefined) {
      index++;
      text = args[index];
      if (text === undefined) throw new UsageError(`flag needs an argument: -${flag}`, { command: rules.command });
    }
    const value = readValue({ option, flag, text, command: rules.command });
    values[name] = option.type === "strings" ? [...(values[name] as readonly unknown[]), value] : value;
  }
  return { values, positionals };
}

function findOption(table: OptionTable, flag: string): string | undefined {
  if (Object.hasOwn(table, flag)) return flag;
  for (const name in table) if (table[name]?.short === flag) return name;
  return undefined;
}

function readValue(given: { option: Option; flag: string; text: string; command: Command | undefined }) {
  try {
    return parseValue(given.option, given.text);
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    const what = given.option.type === "boolean" ? "boolean value" : "value";
    throw new UsageError(`invalid ${what} ${JSON.stringify(given.text)} for flag -${given.flag}: ${error.message}`, {
      command: given.command,
    });
  }
}

function undefinedFlag(flag: string, table: OptionTable, command: Command | undefined): UsageError {
  const nearest = nearestName(flag, Object.keys(table));
  return new UsageError(`flag provided but not defined: -${flag}`, {
    command,
    hint: nearest === undefined ? undefined : `did you mean --${nearest}?`,
  });
}

/** Gives the positional arguments their names, after checking their number and choices. */
function namePositionals(command: Command, given: readonly string[]): PositionalValues<PositionalTable> {
  checkCount(command, given.length);
  const named: Record<string, string | readonly string[] | undefined> = {};
  let index = 0;
  for (const [name, positional] of Object.entries(command.positionals)) {
    if (positional.count === "repeated") {
      named[name] = given.slice(index);
      break;
    }
    const text = given[index++];
    if (text !== undefined && positional.choices !== undefined && !positional.choices.includes(text)) {
      const problem = `invalid ${positional.value} ${JSON.stringify(text)}: must be ${alternatives(positional.choices)}`;
      throw new UsageError(problem, { command });
    }
    named[name] = text;
  }
  // The type of each follows from its count, by which it was read.
  return named as PositionalValues<PositionalTable>;
}

function checkCount(command: Command, count: number): void {
  const { least, most } = positionalCounts(command.positionals);
  if (count >= least && count <= most) return;
  const demand = least === most ? `exactly ${least}` : count < least ? `a minimum of ${least}` : `a maximum of ${most}`;
  throw new UsageError(`"${command.name}" requires ${demand} argument(s), ${count} given`, { command });
}

function positionalCounts(positionals: PositionalTable): { least: number; most: number } {
  const counts = Object.values(positionals).map((positional) => positional.count);
  return {
    least: counts.filter((count) => count === "required").length,
    most: counts.includes("repeated") ? Number.POSITIVE_INFINITY : counts.length,
  };
}
