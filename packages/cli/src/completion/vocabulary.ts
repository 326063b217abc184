import type { Command, Option, OptionTable, PositionalTable } from "../command.ts";
import { commandGroups, commands, commandsOf, topics } from "../commands.ts";
import { globalOptions } from "../options/global.ts";
import { helpOption, versionOption } from "../parser.ts";
import { signalNames } from "../signal-names.ts";
import { shownOptions, shownTopics } from "../usage-text.ts";

/** What stands at one place of a command line. */
export type Candidates =
  | { readonly kind: "file" | "directory" | "container" | "nothing" }
  | { readonly kind: "words"; readonly words: readonly string[] };

/** An option as a shell sees it. */
export interface OptionWords {
  readonly long: string;
  readonly short: string | undefined;
  readonly summary: string;
  /** What may follow; undefined for an option without a value. */
  readonly value: Candidates | undefined;
  readonly isRepeatable: boolean;
}

/** A place for a positional argument. */
export interface Place {
  /** Word of the help. */
  readonly name: string;
  readonly candidates: Candidates;
  readonly isRepeated: boolean;
}

/** A word that a command line may go on with, and what it means. */
export interface Topic {
  readonly name: string;
  readonly summary: string;
}

/** A group of commands as a shell sees it. */
export interface GroupWords {
  readonly name: string;
  /** Second words of the commands' names. */
  readonly topics: readonly Topic[];
}

/** A command as a shell sees it. */
export interface CommandWords {
  /** One word, or that of a group and another. */
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionWords[];
  readonly places: readonly Place[];
}

/** Everything that a completion script knows, in the order of the table of commands. */
export interface Vocabulary {
  readonly globalOptions: readonly OptionWords[];
  /** First words: commands of no group, and groups. */
  readonly topics: readonly Topic[];
  readonly groups: readonly GroupWords[];
  readonly commands: readonly CommandWords[];
}

/** Reads the {@link Vocabulary} off the table. Hidden commands and options, and what is not supported, are left out. */
export function readVocabulary(): Vocabulary {
  return {
    globalOptions: readOptions({ ...globalOptions, help: helpOption, version: versionOption }),
    topics: shownTopicWords(),
    groups: commandGroups.map((group) => ({
      name: group.name,
      topics: shownTopics(commandsOf(group)).map(({ name, summary }) => ({
        name: name.slice(group.name.length + 1),
        summary,
      })),
    })),
    commands: shownCommands().map((command) => ({
      name: command.name,
      summary: command.summary,
      options: readOptions({ ...command.options, help: helpOption }),
      places: readPlaces(command.positionals),
    })),
  };
}

function shownCommands(): readonly Command[] {
  return commands.filter((command) => command.hidden !== true);
}

function shownTopicWords(): Topic[] {
  return shownTopics(topics()).map(({ name, summary }) => ({ name, summary }));
}

function readOptions(table: OptionTable): OptionWords[] {
  return shownOptions(table).map(([name, option]) => ({
    long: name,
    short: option.short,
    summary: option.summary,
    value: option.type === "boolean" ? undefined : candidatesOf(option),
    isRepeatable: option.type === "strings",
  }));
}

function readPlaces(table: PositionalTable): Place[] {
  return Object.values(table).map((positional) => ({
    name: positional.value,
    candidates: candidatesOf(positional),
    isRepeated: positional.count === "repeated",
  }));
}

function candidatesOf(place: Pick<Option, "choices" | "complete"> & { readonly type?: Option["type"] }): Candidates {
  if (place.choices !== undefined) return { kind: "words", words: place.choices };
  if (place.type === "auto-boolean") return { kind: "words", words: ["true", "false", "auto"] };
  switch (place.complete) {
    case "signal":
      return { kind: "words", words: signalNames.map((name) => name.slice("SIG".length)) };
    case "command":
      return { kind: "words", words: shownTopicWords().map(({ name }) => name) };
    case undefined:
      return { kind: "nothing" };
    default:
      return { kind: place.complete };
  }
}
