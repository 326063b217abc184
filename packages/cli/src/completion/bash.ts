import type { Candidates, CommandWords, OptionWords, Vocabulary } from "./vocabulary.ts";

/** The script for bash(1): three functions that know the table, and one that looks things up in it. */
export function bashScript(vocabulary: Vocabulary, programName: string): string {
  const prefix = `_${programName.replace(/[^A-Za-z0-9_]/g, "_")}`;
  const scopes: readonly CommandWords[] = [
    { name: "", summary: "", options: vocabulary.globalOptions, places: [] },
    ...vocabulary.commands,
  ];
  return `# bash completion of ${programName}

${prefix}_options() {
  case $1 in
${scopes.map((scope) => `    ${quoteWord(scope.name)}) echo '${scope.options.flatMap(optionWords).join(" ")}' ;;`).join("\n")}
  esac
}

# Names of the commands that may come next: of all, or of a group; no output after a whole name.
${prefix}_names() {
  case $1 in
${[{ name: "", topics: vocabulary.topics }, ...vocabulary.groups].map((group) => `    ${quoteWord(group.name)}) echo '${group.topics.map(({ name }) => name).join(" ")}' ;;`).join("\n")}
  esac
}

# What follows an option: file, directory, container, nothing, or words; no output if nothing may follow.
${prefix}_value() {
  case "$1 $2" in
${scopes.flatMap((scope) => scope.options.flatMap((option) => valueCase(scope.name, option))).join("\n")}
  esac
}

# What stands at a place; places count from 0.
${prefix}_place() {
  case "$1 $2" in
${scopes.flatMap(placeCases).join("\n")}
  esac
}

${prefix}_complete() {
  case $1 in
    file) COMPREPLY=($(compgen -f -- "$cur")) ;;
    directory) COMPREPLY=($(compgen -d -- "$cur")) ;;
    container) COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" "\${root[@]}" list -q 2>/dev/null)" -- "$cur")) ;;
    nothing) ;;
    *) COMPREPLY=($(compgen -W "$1" -- "$cur")) ;;
  esac
}

${prefix}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} command= place=0 option= word i IFS=$' \\t\\n'
  local -a root=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == -* ]]; then
      option=\${word#-} option=\${option#-}
      if [[ $option != *=* && -n $(${prefix}_value "$command" "$option") ]]; then
        ((i++))
        [[ -z $command && $option == root && i -lt COMP_CWORD ]] && root=(--root "\${COMP_WORDS[i]}")
        ((i == COMP_CWORD)) && break
      fi
      option=
    elif [[ -n $(${prefix}_names "$command") ]]; then
      command=\${command:+$command }$word
    else
      ((place++))
    fi
  done
  if [[ -n $option ]]; then
    ${prefix}_complete "$(${prefix}_value "$command" "$option")"
  elif [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$(${prefix}_options "$command")" -- "$cur"))
  elif [[ -n $(${prefix}_names "$command") ]]; then
    COMPREPLY=($(compgen -W "$(${prefix}_names "$command")" -- "$cur"))
  else
    ${prefix}_complete "$(${prefix}_place "$command" "$place")"
  fi
}

complete -o filenames -F ${prefix} ${programName}
`;
}

function quoteWord(word: string): string {
  return /^[\w-]+$/.test(word) ? word : `'${word}'`;
}

function optionWords(option: OptionWords): string[] {
  return [`--${option.long}`, ...(option.short === undefined ? [] : [`-${option.short}`])];
}

function valueCase(command: string, option: OptionWords): string[] {
  if (option.value === undefined) return [];
  const names = [option.long, ...(option.short === undefined ? [] : [option.short])];
  return [`    ${names.map((name) => `'${command} ${name}'`).join(" | ")}) echo '${candidateText(option.value)}' ;;`];
}

function placeCases(scope: CommandWords): string[] {
  return scope.places.map((place, index) => {
    const pattern = place.isRepeated ? `'${scope.name} '*` : `'${scope.name} ${index}'`;
    return `    ${pattern}) echo '${candidateText(place.candidates)}' ;;`;
  });
}

function candidateText(candidates: Candidates): string {
  return candidates.kind === "words" ? candidates.words.join(" ") : candidates.kind;
}
