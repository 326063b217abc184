import { RunletError } from "@runlet/errors";
import type { ContainerStatus } from "./options.ts";

/** The error for a terminal that was never there, or that somebody has taken. */
export function noTerminal(id: string): RunletError {
  return new RunletError("ERR_RUNLET_TERMINAL", `container ${id} has no terminal to take`, {
    hint: "set process.terminal in the config, and give no console socket",
  });
}

/** The error for streams of a container that was created without pipes. */
export function noStreams(id: string): RunletError {
  return new RunletError("ERR_RUNLET_USAGE", `container ${id} has no streams`, {
    hint: 'create it with stdio: "pipe" and without a terminal',
  });
}

/** The error for a container whose creation was interrupted. */
export function neverCompleted(id: string): RunletError {
  return new RunletError("ERR_RUNLET_STATE", `container ${id} was never completed`, {
    hint: `remove what is left of it: runlet delete --force ${id}`,
  });
}

/** What is thrown where a caller's signal breaks something off; the signal's reason is the cause. */
export function abortedError(signal: AbortSignal, what: "creation" | "restoring" | "start"): RunletError {
  return new RunletError("ERR_RUNLET_ABORTED", `the ${what} of the container was aborted`, { cause: signal.reason });
}

/** The error for a start of what is not `created`, or is paused. */
export function cannotStart(id: string, status: ContainerStatus): RunletError {
  const [message, hint] = startRefusals[status] ?? ["cannot start an already running container"];
  return new RunletError("ERR_RUNLET_STATE", message, { hint: hint === undefined ? undefined : `${hint} ${id}` });
}

const startRefusals: Partial<Record<ContainerStatus, readonly [message: string, hint: string]>> = {
  creating: ["cannot start a container that was never completed", "remove what is left of it: runlet delete --force"],
  stopped: ["cannot start a container that has stopped", "delete it and create it again: runlet delete"],
  paused: ["cannot start a container in the paused state", "let it go on first: runlet resume"],
};

/** The error for a deletion of what is not stopped. */
export function cannotDelete(id: string, status: ContainerStatus): RunletError {
  return new RunletError("ERR_RUNLET_STATE", `cannot delete container ${id} that is not stopped: ${status}`, {
    hint: `end it first: runlet kill ${id} KILL; or runlet delete --force ${id}`,
  });
}

/** The error for a container whose state somebody else may read. */
export function notYours(id: string, cause: unknown): RunletError {
  return new RunletError("ERR_RUNLET_NOT_ROOT", `the state of container ${id} cannot be read: permission denied`, {
    errno: "EACCES",
    syscall: "open",
    hint: "it is another user's: run as that user, or as root",
    cause,
  });
}

/** The error for an id that is in use. */
export function alreadyExists(id: string): RunletError {
  return new RunletError("ERR_RUNLET_EXISTS", `container with given ID already exists: ${id}`, {
    hint: `choose another id, or delete that container: runlet delete --force ${id}`,
  });
}

/** The error for a container that is not there. */
export function notFound(id: string, cause?: unknown): RunletError {
  return new RunletError("ERR_RUNLET_NOT_FOUND", `container does not exist: ${id}`, {
    hint: "`runlet list` shows the containers of this state root; --root chooses another",
    cause,
  });
}

/** Whether an error says that there is no such container. */
export function isNotFound(error: unknown): boolean {
  return error instanceof RunletError && error.code === "ERR_RUNLET_NOT_FOUND";
}

/** The error for a signal to what has ended. */
export function notRunning(id: string): RunletError {
  return new RunletError("ERR_RUNLET_STATE", "container not running", {
    hint: `it has stopped: runlet delete ${id} removes it`,
  });
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
