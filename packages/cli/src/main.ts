#!/usr/bin/env node
import { RunletError } from "@runlet/errors";
import { isTerminal, print, printError, writeIfPossible } from "./output.ts";
import { runProgram } from "./program.ts";

/** In a standalone executable argv[0] as it was given; with npm the link in the directory of commands. */
function programName(): string {
  const { bun, quickjs } = process.versions;
  const path = (bun ?? quickjs) === undefined ? (process.argv[1] ?? "") : process.argv0;
  const name = path.slice(path.lastIndexOf("/") + 1);
  return name === "" || name === "main.js" || name === "runlet.js" || name === "node" || name === "bun"
    ? "runlet"
    : name;
}

function openLog(hostPath: string): (text: string) => void {
  try {
    const fd = process.getBuiltinModule("node:fs").openSync(hostPath, "a", 0o644);
    return (text) => writeIfPossible(fd, text);
  } catch (error) {
    throw new RunletError("ERR_RUNLET_USAGE", `cannot open the log file ${JSON.stringify(hostPath)}`, {
      syscall: "open",
      errno: (error as NodeJS.ErrnoException).code,
      cause: error,
    });
  }
}

/** What nobody has foreseen, for a report of it. The stacks of some engines do not say what they are the stack of. */
function describeBug(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { stack = "" } = error;
  return stack.includes(error.message) ? stack : `${error}\n${stack}`;
}

runProgram(process.argv.slice(2), {
  programName: programName(),
  print,
  printError,
  isErrorTerminal: () => isTerminal(2),
  hasColours: (process.env.NO_COLOR ?? "") === "",
  openLog,
}).then(
  (status) => process.exit(status),
  (error: unknown) => {
    printError(describeBug(error));
    process.exit(1);
  },
);
