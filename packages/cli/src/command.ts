import type { Log } from "./log.ts";
import type { GlobalOptions } from "./options/global.ts";

/**
 * How the value of an option is read: `strings` collects every occurrence, `integer` takes what Go's parser takes (decimal,
 * `0x`, `0o`, `0b`), `duration` reads `1m30s` into milliseconds, `auto-boolean` is a truth value or `auto`.
 */
export type OptionType = "boolean" | "auto-boolean" | "string" | "strings" | "integer" | "duration";

/** What completes a value in a shell. */
export type Completion = "file" | "directory" | "container" | "signal" | "command";

/** One option of the table. Its name, without dashes, is the key. */
export interface Option {
  readonly type: OptionType;
  /** One letter. */
  readonly short?: string;
  /** Word for the value in the help, in capitals; every type but boolean has one. */
  readonly value?: string;
  /** A phrase in lower case, no trailing period. */
  readonly summary: string;
  /** What holds when the option is not given. Of a string or duration: in the option's own notation. */
  readonly default?: string | number;
  /** The only values that are taken. */
  readonly choices?: readonly string[];
  /** Smallest value of an integer. */
  readonly minimum?: number;
  readonly complete?: Completion;
  /** Taken, but not shown in help, manual and completion. */
  readonly hidden?: boolean;
}

/** The options of a command, by name. */
export type OptionTable = Readonly<Record<string, Option>>;

/** One positional argument. The key is its name for the program. */
export interface Positional {
  /** Word in the help, in capitals. */
  readonly value: string;
  readonly summary: string;
  /** `optional` ones follow the required ones; `repeated`, any number of them, is the last. */
  readonly count: "required" | "optional" | "repeated";
  readonly choices?: readonly string[];
  readonly complete?: Completion;
}

/** The positional arguments of a command, in their order. */
export type PositionalTable = Readonly<Record<string, Positional>>;

type ValueOf<Given extends Option> = Given["type"] extends "boolean"
  ? boolean
  : Given["type"] extends "strings"
    ? readonly string[]
    : ScalarOf<Given> | (Given extends { readonly default: string | number } ? never : undefined);

type ScalarOf<Given extends Option> = Given["type"] extends "integer" | "duration"
  ? number
  : Given["type"] extends "auto-boolean"
    ? boolean | "auto"
    : Given extends { readonly choices: readonly (infer Choice)[] }
      ? Choice
      : string;

/** The values of the options that a table describes. */
export type OptionValues<Table extends OptionTable> = { readonly [Name in keyof Table]: ValueOf<Table[Name]> };

/** The values of the positional arguments that a table describes. */
export type PositionalValues<Table extends PositionalTable> = {
  readonly [Name in keyof Table]: Table[Name]["count"] extends "repeated"
    ? readonly string[]
    : Table[Name]["count"] extends "required"
      ? string
      : string | undefined;
};

/** What a command is called with. */
export interface Invocation<
  Options extends OptionTable = OptionTable,
  Positionals extends PositionalTable = PositionalTable,
> {
  /** Name that this program was called by, without its directory: `runlet`, or `runc` where it stands in for it. */
  readonly programName: string;
  readonly globals: OptionValues<GlobalOptions>;
  readonly options: OptionValues<Options>;
  readonly positionals: PositionalValues<Positionals>;
  readonly log: Log;
  /** Writes text and a newline to the standard output. @returns false when nobody reads it any more. */
  print(text: string): unknown;
}

/** A module of `commands/`. */
export interface CommandModule<Options extends OptionTable, Positionals extends PositionalTable> {
  /**
   * Carries the command out.
   *
   * @returns the exit status.
   */
  run(invocation: Invocation<Options, Positionals>): Promise<number> | number;
}

/** One entry of the table of commands. */
export interface Command<
  Options extends OptionTable = OptionTable,
  Positionals extends PositionalTable = PositionalTable,
> {
  /** One word, or two of which the first is that of a {@link CommandGroup}. */
  readonly name: string;
  readonly aliases?: readonly string[];
  /** A phrase in lower case, no trailing period. */
  readonly summary: string;
  /** Paragraphs for help and manual. */
  readonly description?: readonly string[];
  readonly options: Options;
  readonly positionals: Positionals;
  /**
   * Options are looked for before the first positional argument only; all that follows is handed on as it stands. A name: of
   * the option that makes it so.
   */
  readonly endsAtPositional?: boolean | string;
  /** Exit status of a failure that is no wrong usage. Default 1. */
  readonly failureStatus?: number;
  /** Taken, but not shown in help, manual and completion. */
  readonly hidden?: boolean;
  /** Brings the code. */
  load(): Promise<CommandModule<Options, Positionals>>;
}

/** Commands that share their first word. Each is an entry of the table on its own, by the name `GROUP COMMAND`. */
export interface CommandGroup {
  readonly name: string;
  /** A phrase in lower case, no trailing period. */
  readonly summary: string;
  /** Paragraphs for help and manual. */
  readonly description: readonly string[];
}

/** Checks an entry and keeps its exact types. */
export function defineCommand<const Options extends OptionTable, const Positionals extends PositionalTable>(
  command: Command<Options, Positionals>,
): Command<Options, Positionals> {
  return command;
}
