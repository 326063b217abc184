import type { Candidates, CommandWords, OptionWords, Place, Vocabulary } from "./vocabulary.ts";

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

${prefix}_commands() {
  local -a commands=(
${vocabulary.commands.map((command) => `    ${quote(`${command.name}:${command.summary}`)}`).join("\n")}
  )
  _describe command commands
}

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
${vocabulary.commands.map((command) => commandCase(command, prefix)).join("\n")}
  esac
}

if [[ $funcstack[1] == ${prefix} ]]; then
  ${prefix} "$@"
else
  compdef ${prefix} ${programName}
fi
`;
}

function commandCase(command: CommandWords, prefix: string): string {
  const specs = [
    ...command.options.flatMap((option) => optionSpecs(option, prefix)),
    ...command.places.map((place, index) => placeSpec(place, index, prefix)),
  ];
  return `    ${command.name})\n      _arguments -S \\\n${specs.join("\n").replace(/ \\$/, "")}\n      ;;`;
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
