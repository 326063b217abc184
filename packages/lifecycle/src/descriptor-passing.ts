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
function connectReceiver(hostPath: string, option: string): number {
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

/** Connections to the sockets that receive a descriptor; what has received none is closed in the end. */
export class Receivers implements Disposable {
  readonly #connections = new Map<string, number>();

  /** Connects to the socket at a path, if one is given. */
  connect(option: string, hostPath: string | undefined): void {
    if (hostPath !== undefined) this.#connections.set(option, connectReceiver(hostPath, option));
  }

  has(option: string): boolean {
    return this.#connections.has(option);
  }

  /**
   * Sends a descriptor, which stays the caller's, with a name as the message (SCM_RIGHTS), and closes the connection. Where
   * no socket was given nothing is sent.
   *
   * @throws RunletError `ERR_RUNLET_TERMINAL` when the receiver has gone away.
   */
  pass(option: string, name: string, fd: number): void {
    const connectionFd = this.#connections.get(option);
    if (connectionFd === undefined) return;
    this.#connections.delete(option);
    try {
      sendMessage(connectionFd, encoder.encode(name), [fd]);
    } catch (cause) {
      const details = cause instanceof SyscallError ? { syscall: cause.syscall, errno: cause.code } : {};
      throw new RunletError("ERR_RUNLET_TERMINAL", `the ${option} was closed before it received its descriptor`, {
        ...details,
        hint: "the program that listens on it must keep the connection open until a message has come",
        cause,
      });
    } finally {
      closeSync(connectionFd);
    }
  }

  [Symbol.dispose](): void {
    for (const fd of this.#connections.values()) closeSync(fd);
    this.#connections.clear();
  }
}
