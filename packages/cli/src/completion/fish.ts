import type { Candidates, CommandWords, OptionWords, Topic, Vocabulary } from "./vocabulary.ts";

/** The script for fish(1). */
export function fishScript(vocabulary: Vocabulary, programName: string): string {
  const prefix = `__${programName.replace(/[^A-Za-z0-9_]/g, "_")}`;
  const complete = `complete -c ${programName}`;
  return `# fish completion of ${programName}

# Prints the command, the words of its name joined by /, and the number of arguments that follow it, with the options left out.
function ${prefix}_position
    set -l valued ${vocabulary.globalOptions
      .filter((option) => option.value !== undefined)
      .map((option) => `--${option.long}`)
      .join(" ")}
    set -l command
    set -l count 0
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if string match -q -- '-*' $word
            contains -- $word $valued; and set skip 1
        else if test -z "$command"; or contains -- "$command" ${vocabulary.groups.map(({ name }) => name).join(" ")}
            set command (string join / -- $command $word)
            switch $command
${vocabulary.commands.map((command) => `                case ${keyOf(command)}\n                    set valued ${valuedForms(command).join(" ")}`).join("\n")}
            end
        else
            set count (math $count + 1)
        end
    end
    echo "$command $count"
end

function ${prefix}_is
    set -l position (string split ' ' -- (${prefix}_position))
    test "$position[1]" = "$argv[1]"; and begin
        test (count $argv) = 1; or test "$position[2]" = "$argv[2]"
    end
end

function ${prefix}_containers
    set -l words (commandline -opc)
    set -l root
    set -l index (contains -i -- --root $words); and set root --root $words[(math $index + 1)]
    ${programName} $root list -q 2>/dev/null
end

${complete} -f
${vocabulary.globalOptions.map((option) => `${complete} -n '${prefix}_is ""' ${optionArguments(option, prefix)}`).join("\n")}
${vocabulary.topics.map((topic) => topicLine(topic, { complete, condition: `${prefix}_is ""` })).join("\n")}
${vocabulary.groups.flatMap((group) => group.topics.map((topic) => topicLine(topic, { complete, condition: `${prefix}_is ${group.name}` }))).join("\n")}
${vocabulary.commands.flatMap((command) => commandLines({ command, complete, prefix })).join("\n")}
`;
}

/** A command's name as one word. */
function keyOf({ name }: CommandWords): string {
  return name.replaceAll(" ", "/");
}

function topicLine(topic: Topic, { complete, condition }: { complete: string; condition: string }): string {
  return `${complete} -n '${condition}' -a ${topic.name} -d ${quote(topic.summary)}`;
}

function commandLines(context: { command: CommandWords; complete: string; prefix: string }): string[] {
  const { command, complete, prefix } = context;
  return [
    ...command.options.map(
      (option) => `${complete} -n '${prefix}_is ${keyOf(command)}' ${optionArguments(option, prefix)}`,
    ),
    ...command.places.flatMap((place, index) => {
      if (place.candidates.kind === "nothing") return [];
      const condition = place.isRepeated ? keyOf(command) : `${keyOf(command)} ${index}`;
      return [`${complete} -n '${prefix}_is ${condition}' ${candidateArguments(place.candidates, prefix)}`];
    }),
  ];
}

function valuedForms(command: CommandWords): string[] {
  const valued = command.options.filter((option) => option.value !== undefined);
  return valued.flatMap(({ long, short }) => [`--${long}`, ...(short === undefined ? [] : [`-${short}`])]);
}

function optionArguments(option: OptionWords, prefix: string): string {
  const names = [`-l ${option.long}`, ...(option.short === undefined ? [] : [`-s ${option.short}`])].join(" ");
  // A value is required: -r with files, -x with nothing but what is named.
  const requirement = option.value?.kind === "file" ? "-r" : "-x";
  const value = option.value === undefined ? "" : ` ${requirement} ${candidateArguments(option.value, prefix)}`;
  return `${names}${value.trimEnd()} -d ${quote(option.summary)}`;
}

function candidateArguments(candidates: Candidates, prefix: string): string {
  switch (candidates.kind) {
    case "file":
      return "-F";
    case "directory":
      return "-a '(__fish_complete_directories)'";
    case "container":
      return `-a '(${prefix}_containers)'`;
    case "nothing":
      return "";
    case "words":
      return `-a ${quote(candidates.words.join(" "))}`;
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
