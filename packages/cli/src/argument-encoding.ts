import { quote, RunletError } from "@runlet/errors";

const replacement = "\ufffd";

/**
 * Refuses arguments that are not UTF-8. An engine puts U+FFFD in the place of such bytes, so a program or a file of another
 * name would be meant.
 *
 * @param args - as the engine has them.
 * @param commandLine - as the kernel has it, see proc_pid_cmdline(5); asked for only where an argument is suspicious.
 * @throws RunletError `ERR_RUNLET_USAGE`
 */
export function checkEncoding(args: readonly string[], commandLine: () => Uint8Array): void {
  const suspect = args.find((arg) => arg.includes(replacement));
  if (suspect === undefined) return;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(commandLine());
  } catch (cause) {
    throw new RunletError("ERR_RUNLET_USAGE", `the argument ${quote(suspect)} is not UTF-8`, {
      hint: "what has such a name can be reached by a name that is UTF-8, such as one of a link to it",
      cause,
    });
  }
}
