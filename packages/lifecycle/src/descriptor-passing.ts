import { closeSync } from "node:fs";
import { quote, RunletError, SyscallError } from "@runlet/errors";
import { connectUnix, SOCK_STREAM, sendMessage } from "@runlet/syscall";

const encoder = new TextEncoder();

/**
 * Connects to a socket that is to receive a descriptor: before anything is made, so that a socket that nobody listens on
 * costs nothing.
 *
 * @param option - name of the option that gave the path, for the error.
 * @returns the connection, the caller's.
 * @throws RunletError `ERR_RUNLET_TERMINAL`.
 */
export function connectReceiver(hostPath: string, option: string): number {
  try {
    return connectUnix(-1, hostPath, SOCK_STREAM);
  } catch (cause) {
    const details = cause instanceof SyscallError ? { syscall: "connect", errno: cause.code } : {};
    throw new RunletError("ERR_RUNLET_TERMINAL", `cannot connect to the ${option} ${quote(hostPath)}`, {
      ...details,
      hint: "start the program that listens on this Unix socket first",
      cause,
    });
  }
}

/** Sends one descriptor with a name as the message (SCM_RIGHTS), and closes the connection. The descriptor stays open. */
export function passDescriptor(connectionFd: number, name: string, fd: number): void {
  try {
    sendMessage(connectionFd, encoder.encode(name), [fd]);
  } finally {
    closeSync(connectionFd);
  }
}
