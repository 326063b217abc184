import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { RunletError } from "@runlet/errors";

/** What decides where the terminal of a container goes. */
export interface ConsoleRequest {
  readonly bundle: string;
  /** The config file, where it is not the bundle's. */
  readonly config: string | undefined;
  readonly consoleSocket: string | undefined;
  /** Whether this program ends before the container does. */
  readonly isDetached: boolean;
}

/**
 * Whether the container asks for a terminal, after checking that somebody will hold its main end.
 *
 * @throws {@link RunletError} `ERR_RUNLET_TERMINAL` in the words that engines and their users know from runc.
 */
export function checkConsole(request: ConsoleRequest): boolean {
  const hasTerminal = asksForTerminal(request);
  checkConsoleUse({ hasTerminal, consoleSocket: request.consoleSocket, isDetached: request.isDetached });
  return hasTerminal;
}

/** The same for a process of which it is known whether it has a terminal. @param option - by which it gets one */
export function checkConsoleUse({
  hasTerminal,
  consoleSocket,
  isDetached,
  option,
}: Pick<ConsoleRequest, "consoleSocket" | "isDetached"> & {
  readonly hasTerminal: boolean;
  readonly option?: "--terminal" | "--tty";
}): void {
  const hasSocket = consoleSocket !== undefined && consoleSocket !== "";
  if (isDetached && hasTerminal && !hasSocket) {
    const off = option === undefined ? "set process.terminal to false" : `leave ${option} out`;
    throw new RunletError(
      "ERR_RUNLET_TERMINAL",
      "cannot allocate tty if runlet will detach without setting console socket",
      {
        ...(option === undefined ? { pointer: "/process/terminal" } : {}),
        hint: `${off}, give --console-socket, or use \`${option === "--tty" ? "exec" : "run"}\` without --detach`,
      },
    );
  }
  if (hasSocket && (!isDetached || !hasTerminal)) {
    const on = option === undefined ? "set process.terminal to true" : `add ${option}`;
    throw new RunletError(
      "ERR_RUNLET_TERMINAL",
      "cannot use console socket if runlet will not detach or allocate tty",
      { hint: `${hasTerminal ? "add --detach" : on}, or leave out --console-socket` },
    );
  }
}

/** A config that is missing or wrong asks for none here: the runtime reads it too, and says what is wrong with it. */
function asksForTerminal(request: ConsoleRequest): boolean {
  try {
    const hostPath = request.config === undefined ? join(request.bundle, "config.json") : resolve(request.config);
    const config = JSON.parse(readFileSync(hostPath, "utf8")) as { process?: { terminal?: unknown } } | null;
    return config?.process?.terminal === true;
  } catch {
    return false;
  }
}
