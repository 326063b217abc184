import type { Command, CommandGroup, Option, OptionTable, PositionalTable } from "./command.ts";

/** `--bundle DIR, -b DIR`: how an option is written, with all its names. */
export function optionForms(name: string, option: Option): string {
  const value = option.value === undefined ? "" : ` ${option.value}`;
  return [`--${name}${value}`, ...(option.short === undefined ? [] : [`-${option.short}${value}`])].join(", ");
}

/** What an option does, and its default. */
export function optionSummary(option: Option): string {
  const { default: fallback, summary, type } = option;
  return fallback === undefined || type === "integer" ? summary : `${summary} (default: ${fallback})`;
}

/** Options that are shown, by name. */
export function shownOptions(table: OptionTable): [string, Option][] {
  return Object.entries(table).filter(([, option]) => option.hidden !== true);
}

/** `CONTAINER-ID [SIGNAL]`. */
export function positionalForms(table: PositionalTable): string {
  return Object.values(table)
    .map(({ value, count }) => (count === "required" ? value : count === "optional" ? `[${value}]` : `[${value}...]`))
    .join(" ");
}

/** `runlet kill [options] CONTAINER-ID [SIGNAL]`. */
export function commandForm(programName: string, command: Command): string {
  return [programName, command.name, "[options]", positionalForms(command.positionals)].filter(Boolean).join(" ");
}

/** Whether a topic of the help is a group. */
export function isGroup(topic: Command | CommandGroup): topic is CommandGroup {
  return !("options" in topic);
}

/** Name and aliases. */
export function topicNames(topic: Command | CommandGroup): string {
  return [topic.name, ...(isGroup(topic) ? [] : (topic.aliases ?? []))].join(", ");
}

/** Topics of the help that are shown. */
export function shownTopics<Topic extends Command | CommandGroup>(all: readonly Topic[]): readonly Topic[] {
  return all.filter((topic) => isGroup(topic) || topic.hidden !== true);
}
