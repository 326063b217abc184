import type { shells } from "../options/help.ts";
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import { readVocabulary } from "./vocabulary.ts";
import { zshScript } from "./zsh.ts";

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/**
 * The completion script of a shell.
 *
 * @param shell - whose script it is.
 * @param programName - the command that it completes.
 */
export function formatCompletion(shell: (typeof shells)[number], programName: string): string {
  return scripts[shell](readVocabulary(), programName);
}
