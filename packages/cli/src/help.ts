import type { Command, CommandGroup, OptionTable } from "./command.ts";
import { commandsOf, topics } from "./commands.ts";
import { globalOptions } from "./options/global.ts";
import { helpOption, versionOption } from "./parser.ts";
import {
  commandForm,
  isGroup,
  optionForms,
  optionSummary,
  positionalForms,
  shownOptions,
  shownTopics,
  topicNames,
} from "./usage-text.ts";

const indent = "   ";
/** Width that paragraphs are wrapped to, in characters. */
const textWidth = 80;

/**
 * The help of a command, of a group of commands, or of the program. The first lines, `NAME:` and `runlet - …`, are those that scripts look for.
 *
 * @param programName - name that the program was called by.
 */
export function formatHelp(programName: string, topic?: Command | CommandGroup): string {
  if (topic === undefined) return programHelp(programName);
  return isGroup(topic) ? groupHelp(programName, topic) : commandHelp(programName, topic);
}

function programHelp(programName: string): string {
  return sections([
    ["NAME", [`${programName} - OCI container runtime`]],
    ["USAGE", [`${programName} [global options] COMMAND [options] [arguments...]`]],
    [
      "DESCRIPTION",
      wrap("Runs containers from OCI bundles: directories that hold a config.json and a root file system."),
    ],
    ["COMMANDS", columns(shownTopics(topics()).map((topic) => [topicNames(topic), topic.summary]))],
    ["GLOBAL OPTIONS", optionLines({ ...globalOptions, help: helpOption, version: versionOption })],
  ]);
}

function groupHelp(programName: string, group: CommandGroup): string {
  const shown = shownTopics(commandsOf(group));
  return sections([
    ["NAME", [`${programName} ${group.name} - ${group.summary}`]],
    ["USAGE", [`${programName} ${group.name} COMMAND [options] [arguments...]`]],
    ["DESCRIPTION", group.description.flatMap(wrap)],
    ["COMMANDS", columns(shown.map((command) => [command.name.slice(group.name.length + 1), command.summary]))],
  ]);
}

function commandHelp(programName: string, command: Command): string {
  const positionals = Object.values(command.positionals);
  return sections([
    ["NAME", [`${programName} ${command.name} - ${command.summary}`]],
    ["USAGE", [commandForm(programName, command)]],
    ["DESCRIPTION", (command.description ?? []).flatMap(wrap)],
    ["ARGUMENTS", columns(positionals.map((positional) => [positionalForms({ positional }), positional.summary]))],
    ["OPTIONS", optionLines({ ...command.options, help: helpOption })],
  ]);
}

function sections(parts: readonly (readonly [string, readonly string[]])[]): string {
  return parts
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => [`${title}:`, ...lines.map((line) => indent + line)].join("\n"))
    .join("\n\n");
}

function optionLines(table: OptionTable): string[] {
  return columns(shownOptions(table).map(([name, option]) => [optionForms(name, option), optionSummary(option)]));
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`);
}

function wrap(paragraph: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of paragraph.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > textWidth - indent.length) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
