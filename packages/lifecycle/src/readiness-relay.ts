import { chmodSync, closeSync, constants, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { quote, RunletError, SyscallError } from "@runlet/errors";
import {
  connectUnix,
  listenUnix,
  openPidfd,
  pipe,
  receiveMessage,
  SOCK_DGRAM,
  sendMessage,
  waitReadable,
} from "@runlet/syscall";
import { notifySocketName } from "./service-manager.ts";
import { notifyDirectoryName } from "./state-directory.ts";

/** What systemd takes at most. */
const maxMessageBytes = 4096;

/** More than a socket of the usual length holds: who has ended has said no more. */
const maxMessagesAtOnce = 1024;

/** How long the service manager may take to read what it was sent, before its attention is given up. As in runc. */
const barrierTimeoutMs = 30_000;

const encoder = new TextEncoder();

/**
 * Takes a container's word that it is ready to the service manager of the host, who knows neither the container's socket nor
 * its process ids. Nothing else of what the container says is passed on: it could name another process as the service's.
 *
 * @see sd_notify(3)
 */
export class ReadinessRelay implements Disposable {
  readonly #containerFd: number;
  readonly #hostFd: number;

  private constructor(containerFd: number, hostFd: number) {
    this.#containerFd = containerFd;
    this.#hostFd = hostFd;
  }

  /**
   * Opens the container's socket, which has to be there before its process is.
   *
   * @param directoryHostPath - directory of the container's state.
   * @param notifySocket - where the service manager listens: a path, or an abstract name behind an `@`.
   * @returns null for a container that was created without such a socket, and for one that somebody else listens to, who has
   *   started it.
   * @throws RunletError `ERR_RUNLET_USAGE` when nobody listens at `notifySocket`.
   */
  static open(directoryHostPath: string, notifySocket: string): ReadinessRelay | null {
    const directoryFd = openDirectory(join(directoryHostPath, notifyDirectoryName));
    if (directoryFd === null) return null;
    try {
      const hostFd = connectToManager(notifySocket);
      try {
        const containerFd = listen(directoryFd);
        if (containerFd === null) {
          closeSync(hostFd);
          return null;
        }
        // Every user of the container may report.
        chmodSync(`/proc/self/fd/${directoryFd}/${notifySocketName}`, 0o777);
        return new ReadinessRelay(containerFd, hostFd);
      } catch (error) {
        closeSync(hostFd);
        throw error;
      }
    } finally {
      closeSync(directoryFd);
    }
  }

  /**
   * Waits until the container is ready or has ended, and in the first case says so, and which process is the service's.
   *
   * @param pid - the container's process.
   */
  async relay(pid: number): Promise<void> {
    const ready = await this.#awaitReady(pid);
    if (ready === null) return;
    sendMessage(this.#hostFd, encoder.encode(`${ready}\n`));
    sendMessage(this.#hostFd, encoder.encode(`MAINPID=${pid}\n`));
    await this.#awaitAttention();
  }

  /** @returns the line that says so. */
  async #awaitReady(pid: number): Promise<string | null> {
    const pidfd = openProcess(pid);
    if (pidfd === null) return null;
    const waiting = new AbortController();
    try {
      const ended = waitReadable(pidfd, waiting.signal).then(() => "ended" as const);
      ended.catch(() => {});
      for (;;) {
        const ready = this.#readReady();
        if (ready !== null) return ready;
        const told = waitReadable(this.#containerFd, waiting.signal).then(() => "told" as const);
        told.catch(() => {});
        // What it said last is still there when it has ended.
        if ((await Promise.race([told, ended])) === "ended") return this.#readReady();
      }
    } finally {
      waiting.abort();
      closeSync(pidfd);
    }
  }

  /** A container that never stops talking must not keep this process from everything else. */
  #readReady(): string | null {
    for (let count = 0; count < maxMessagesAtOnce; count++) {
      const message = receiveMessage(this.#containerFd, maxMessageBytes);
      if (message === null) return null;
      for (const fd of message.fds) closeSync(fd);
      const lines = new TextDecoder().decode(message.bytes).split("\n");
      const ready = lines.find((line) => line.startsWith("READY="));
      if (ready !== undefined) return ready;
    }
    return null;
  }

  /** systemd matches a message with its sender while that lives: it closes the pipe when it has come to this one. */
  async #awaitAttention(): Promise<void> {
    const [readFd, writeFd] = pipe();
    const patience = AbortSignal.timeout(barrierTimeoutMs);
    try {
      try {
        sendMessage(this.#hostFd, encoder.encode("BARRIER=1"), [writeFd]);
      } finally {
        closeSync(writeFd);
      }
      await waitReadable(readFd, patience);
    } catch (error) {
      if (!patience.aborted) throw error;
    } finally {
      closeSync(readFd);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#containerFd);
    closeSync(this.#hostFd);
  }
}

function openDirectory(hostPath: string): number | null {
  try {
    return openSync(hostPath, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** @returns null where somebody listens already. */
function listen(directoryFd: number): number | null {
  try {
    return listenUnix(directoryFd, notifySocketName, SOCK_DGRAM);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "EADDRINUSE") throw error;
    if (isHeard(directoryFd)) return null;
    // Left by a start that has failed: whoever closes a socket leaves its name.
    unlinkSync(`/proc/self/fd/${directoryFd}/${notifySocketName}`);
    return listenUnix(directoryFd, notifySocketName, SOCK_DGRAM);
  }
}

function isHeard(directoryFd: number): boolean {
  try {
    closeSync(connectUnix(directoryFd, notifySocketName, SOCK_DGRAM));
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ECONNREFUSED") return false;
    throw error;
  }
}

function openProcess(pid: number): number | null {
  try {
    return openPidfd(pid);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ESRCH") return null;
    throw error;
  }
}

function connectToManager(notifySocket: string): number {
  try {
    return connectUnix(-1, notifySocket, SOCK_DGRAM);
  } catch (cause) {
    const details = cause instanceof SyscallError ? { syscall: "connect", errno: cause.code } : {};
    throw new RunletError("ERR_RUNLET_USAGE", `cannot connect to NOTIFY_SOCKET ${quote(notifySocket)}`, {
      ...details,
      hint: "leave NOTIFY_SOCKET out of the environment where no service manager waits for the container",
      cause,
    });
  }
}
