import type { Command, CommandGroup, OptionTable } from "./command.ts";
import { commandGroups, commands, commandsOf, topics } from "./commands.ts";
import { globalOptions } from "./options/global.ts";
import { helpOption, versionOption } from "./parser.ts";
import { commandForm, isGroup, optionSummary, shownOptions, shownTopics, topicNames } from "./usage-text.ts";

/**
 * A manual page in the language of man(7).
 *
 * @param version - shown at the foot of the page.
 * @param topic - a command or a group of commands; undefined for the page of the program.
 * @returns the page, which ends with a newline.
 * @see man(7)
 */
export function formatManual(version: string, topic?: Command | CommandGroup): string {
  const lines = topic === undefined ? programPage() : isGroup(topic) ? groupPage(topic) : commandPage(topic);
  const title = (topic === undefined ? "runlet" : pageName(topic)).toUpperCase();
  return [`.TH "${title}" "8" "" "runlet ${escapeRoff(version)}" "runlet manual"`, ...lines, ""].join("\n");
}

/** Every page by its file name. */
export function manualPages(version: string): ReadonlyMap<string, string> {
  const shown = [...shownTopics(commands), ...commandGroups];
  return new Map([
    ["runlet.8", formatManual(version)],
    ...shown.map((topic) => [`${pageName(topic)}.8`, formatManual(version, topic)] as const),
  ]);
}

/** `runlet-image-pull`. */
function pageName({ name }: Command | CommandGroup): string {
  return `runlet-${name.replaceAll(" ", "-")}`;
}

function programPage(): string[] {
  const shown = shownTopics(topics());
  return [
    ...section("NAME", [escapeRoff("runlet - OCI container runtime")]),
    ...section("SYNOPSIS", [".B runlet", escapeRoff("[global options] COMMAND [options] [arguments...]")]),
    ...section("DESCRIPTION", [
      escapeRoff("Runs containers from OCI bundles: directories that hold a config.json and a root file system."),
    ]),
    ...section(
      "COMMANDS",
      shown.flatMap((topic) => [".TP", `\\fB${escapeRoff(topicNames(topic))}\\fR`, escapeRoff(topic.summary)]),
    ),
    ...section("GLOBAL OPTIONS", options({ ...globalOptions, help: helpOption, version: versionOption })),
    ...section("EXIT STATUS", [
      escapeRoff(
        "0; 1 for a failure; 3 for an unknown command; 255 when exec itself fails. run and exec return the status of the process, or 128 + N when signal N ended it.",
      ),
    ]),
    ...section("ENVIRONMENT", [
      ".TP",
      "\\fBXDG_RUNTIME_DIR\\fR",
      escapeRoff("Holds the state of an ordinary user's containers."),
      ".TP",
      "\\fBLISTEN_FDS\\fR, \\fBLISTEN_PID\\fR, \\fBLISTEN_FDNAMES\\fR",
      escapeRoff("create and run hand the sockets on that a service manager has passed; see sd_listen_fds(3)."),
      ".TP",
      "\\fBNOTIFY_SOCKET\\fR",
      escapeRoff(
        "create and run show the container a socket on which it can say that it is ready; start and run take that to the service manager; see sd_notify(3).",
      ),
      ".TP",
      "\\fBNO_COLOR\\fR",
      escapeRoff("Not empty: no colours on a terminal."),
    ]),
    ...section("SEE ALSO", [seeAlso(shown)]),
  ];
}

function groupPage(group: CommandGroup): string[] {
  const shown = shownTopics(commandsOf(group));
  return [
    ...section("NAME", [escapeRoff(`${pageName(group)} - ${group.summary}`)]),
    ...section("SYNOPSIS", [`.B runlet ${escapeRoff(group.name)}`, escapeRoff("COMMAND [options] [arguments...]")]),
    ...section("DESCRIPTION", paragraphs(group.description)),
    ...section(
      "COMMANDS",
      shown.flatMap((command) => [
        ".TP",
        `\\fB${escapeRoff(command.name.slice(group.name.length + 1))}\\fR`,
        escapeRoff(command.summary),
      ]),
    ),
    ...section("SEE ALSO", [seeAlso(shown)]),
  ];
}

function seeAlso(shown: readonly (Command | CommandGroup)[]): string {
  return shown.map((topic) => `\\fB${escapeRoff(pageName(topic))}\\fR(8)`).join(",\n");
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text, index) => [...(index > 0 ? [".PP"] : []), escapeRoff(text)]);
}

function commandPage(command: Command): string[] {
  const positionals = Object.values(command.positionals);
  return [
    ...section("NAME", [escapeRoff(`${pageName(command)} - ${command.summary}`)]),
    ...section("SYNOPSIS", [escapeRoff(commandForm("runlet", command))]),
    ...section("DESCRIPTION", paragraphs(command.description ?? [])),
    ...section(
      "ARGUMENTS",
      positionals.flatMap((positional) => [
        ".TP",
        `\\fI${escapeRoff(positional.value)}\\fR`,
        escapeRoff(positional.summary),
      ]),
    ),
    ...section("OPTIONS", options({ ...command.options, help: helpOption })),
    ...section("SEE ALSO", ["\\fBrunlet\\fR(8)"]),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`.SH ${title}`, ...lines];
}

function options(table: OptionTable): string[] {
  return shownOptions(table).flatMap(([name, option]) => {
    const value = option.value === undefined ? "" : ` \\fI${escapeRoff(option.value)}\\fR`;
    const forms = [`--${name}`, ...(option.short === undefined ? [] : [`-${option.short}`])];
    return [
      ".TP",
      forms.map((form) => `\\fB${escapeRoff(form)}\\fR${value}`).join(", "),
      escapeRoff(optionSummary(option)),
    ];
  });
}

/** What roff would take for its own: backslashes, hyphens, and a full stop or apostrophe that begins a line. */
function escapeRoff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/, "\\&");
}
