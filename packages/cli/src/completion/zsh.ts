import type { Candidates, CommandWords, GroupWords, OptionWords, Place, Topic, Vocabulary } from "./vocabulary.ts";

/** The script for zsh(1), in the notation of its `_arguments`. */
export function zshScript(vocabulary: Vocabulary, programName: string): string {
  const prefix = `_${programName.replace(/[^A-Za-z0-9_]/g, "_")}`;
  return `#compdef ${programName}
# zsh completion of ${programName}

${prefix}_containers() {
  local -a ids
  ids=(\${(f)"$(_call_program containers \${(q)service} \${(q)root} list -q 2>/dev/null)"})
  compadd -a ids
}

${topicFunction(`${prefix}_commands`, vocabulary.topics)}
${vocabulary.groups.map((group) => groupFunctions(group, { vocabulary, prefix })).join("\n")}

${prefix}() {
  local curcontext=$curcontext state line
  local -a root
  typeset -A opt_args
  _arguments -C -S \\
${vocabulary.globalOptions.flatMap((option) => optionSpecs(option, prefix)).join("\n")}
    '1:command:${prefix}_commands' \\
    '*::argument:->argument' && return
  [[ $state == argument ]] || return
  [[ -n \${opt_args[--root]} ]] && root=(--root "\${opt_args[--root]}")
  case $line[1] in
${vocabulary.commands
  .filter(({ name }) => !name.includes(" "))
  .map((command) => commandCase(command, prefix))
  .join("\n")}
${vocabulary.groups.map(({ name }) => `    ${name}) ${prefix}_${name} ;;`).join("\n")}
  esac
}

if [[ $funcstack[1] == ${prefix} ]]; then
  ${prefix} "$@"
else
  compdef ${prefix} ${programName}
fi
`;
}

function topicFunction(name: string, topics: readonly Topic[]): string {
  return `${name}() {
  local -a commands=(
${topics.map((topic) => `    ${quote(`${topic.name}:${topic.summary}`)}`).join("\n")}
  )
  _describe command commands
}
`;
}

/** What completes the commands of a group: their names, and what follows each. */
function groupFunctions(
  group: GroupWords,
  { vocabulary, prefix }: { readonly vocabulary: Vocabulary; readonly prefix: string },
): string {
  const name = `${prefix}_${group.name}`;
  const commands = vocabulary.commands.filter((command) => command.name.startsWith(`${group.name} `));
  return `${topicFunction(`${name}_commands`, group.topics)}
${name}() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C -S '1:command:${name}_commands' '*::argument:->argument' && return
  [[ $state == argument ]] || return
  case $line[1] in
${commands.map((command) => commandCase(command, prefix)).join("\n")}
  esac
}
`;
}

function commandCase(command: CommandWords, prefix: string): string {
  const specs = [
    ...command.options.flatMap((option) => optionSpecs(option, prefix)),
    ...command.places.map((place, index) => placeSpec(place, index, prefix)),
  ];
  const [lastWord = ""] = command.name.split(" ").slice(-1);
  return `    ${lastWord})\n      _arguments -S \\\n${specs.join("\n").replace(/ \\$/, "")}\n      ;;`;
}

function optionSpecs(option: OptionWords, prefix: string): string[] {
  const repeat = option.isRepeatable ? "*" : "";
  const summary = `[${escapeSpec(option.summary)}]`;
  const value = option.value === undefined ? "" : `:value:${action(option.value, prefix)}`;
  const long = `${repeat}--${option.long}${option.value === undefined ? "" : "="}${summary}${value}`;
  const short = option.short === undefined ? [] : [`${repeat}-${option.short}${summary}${value}`];
  return [long, ...short].map((spec) => `    ${quote(spec)} \\`);
}

function placeSpec(place: Place, index: number, prefix: string): string {
  const position = place.isRepeated ? "*" : String(index + 1);
  return `    ${quote(`${position}:${escapeSpec(place.name)}:${action(place.candidates, prefix)}`)} \\`;
}

function action(candidates: Candidates, prefix: string): string {
  switch (candidates.kind) {
    case "file":
      return "_files";
    case "directory":
      return "_files -/";
    case "container":
      return `${prefix}_containers`;
    case "nothing":
      return " ";
    case "words":
      return `(${candidates.words.join(" ")})`;
  }
}

function escapeSpec(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
