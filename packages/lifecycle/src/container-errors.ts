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

/** The error for a start of what is not `created`. */
export function cannotStart(id: string, status: ContainerStatus): RunletError {
  const message =
    status === "stopped" ? "cannot start a container that has stopped" : "cannot start an already running container";
  return new RunletError("ERR_RUNLET_STATE", message, {
    hint: status === "stopped" ? `delete it and create it again: runlet delete ${id}` : undefined,
  });
}

/** The error for a deletion of what is not stopped. */
export function cannotDelete(id: string, status: ContainerStatus): RunletError {
  return new RunletError("ERR_RUNLET_STATE", `cannot delete container ${id} that is not stopped: ${status}`, {
    hint: `end it first: runlet kill ${id} KILL; or runlet delete --force ${id}`,
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
