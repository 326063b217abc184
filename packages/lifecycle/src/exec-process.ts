import { closeSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import type { Cgroup } from "@runlet/cgroups";
import { RunletError } from "@runlet/errors";
import { type ChildExit, type ChildProcess, sendSignal, waitPidfd, waitReadable } from "@runlet/syscall";
import type { ContainerStreams, ExitInfo } from "./options.ts";
import { signalName, signalNumber } from "./signal-name.ts";

/** What an {@link ExecProcess} is made of; all of it becomes the process's. */
export interface ExecProcessParts {
  readonly child: ChildProcess;
  readonly streams: ContainerStreams | null;
  readonly terminalFd: number | null;
  readonly cgroup: Cgroup | null;
  readonly oomKillsBefore: number;
  readonly signal: AbortSignal | undefined;
}

const SIGKILL = 9;

/** A process that `Container.exec` runs in a container. Disposing it kills it, unless it has ended. */
export class ExecProcess implements AsyncDisposable {
  /** Process id in this process's pid namespace. */
  readonly pid: number;
  readonly #parts: ExecProcessParts;
  readonly #onAbort = () => this.#signal(SIGKILL);
  #terminalFd: number | null;
  #exit: ChildExit | null = null;
  /** One wait for all who wait: a descriptor is watched once. */
  #ending: Promise<void> | null = null;
  #isClosed = false;

  /** For `Container` only. */
  constructor(parts: ExecProcessParts) {
    this.pid = parts.child.pid;
    this.#parts = parts;
    this.#terminalFd = parts.terminalFd;
    if (parts.signal?.aborted) this.#onAbort();
    else parts.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Standard input of a process with `stdio: "pipe"`. @throws RunletError `ERR_RUNLET_USAGE` for others. */
  get stdin(): Writable {
    return this.#requireStreams().stdin;
  }

  /** Standard output, as {@link stdin}. */
  get stdout(): Readable {
    return this.#requireStreams().stdout;
  }

  /** Standard error, as {@link stdin}. */
  get stderr(): Readable {
    return this.#requireStreams().stderr;
  }

  /**
   * Takes the main end of the process's terminal, for `tty` without a console socket.
   *
   * @returns its descriptor, from then on the caller's.
   * @throws RunletError `ERR_RUNLET_TERMINAL` when there is none, or it has been taken.
   */
  takeTerminal(): number {
    const fd = this.#terminalFd;
    if (fd === null) {
      throw new RunletError("ERR_RUNLET_TERMINAL", "the process has no terminal to take", {
        hint: "give tty: true, and no console socket",
      });
    }
    this.#terminalFd = null;
    return fd;
  }

  /** Waits until the process has ended. May be called any number of times. */
  async wait(): Promise<ExitInfo> {
    this.#ending ??= this.#collect();
    await this.#ending;
    const { exitCode = null, signalNumber: number = null } = this.#exit ?? {};
    const { cgroup, oomKillsBefore } = this.#parts;
    const oomKilled = number === SIGKILL && (cgroup?.oomKillCount() ?? 0) > oomKillsBefore;
    return { exitCode, signal: number === null ? null : signalName(number), oomKilled };
  }

  /**
   * Sends a signal to the process.
   *
   * @param signal - name or number. Default SIGTERM.
   * @throws RunletError `ERR_RUNLET_STATE` when it has ended, `ERR_RUNLET_INVALID_SIGNAL`.
   */
  kill(signal: string | number = "SIGTERM"): void {
    if (!this.#signal(signalNumber(signal))) throw new RunletError("ERR_RUNLET_STATE", "process not running");
  }

  /** Kills the process if it runs, and gives back what it holds. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#signal(SIGKILL);
    await this.wait();
    const { child, streams } = this.#parts;
    closeSync(child.pidfd);
    if (this.#terminalFd !== null) closeSync(this.#terminalFd);
    this.#terminalFd = null;
    streams?.stdin.destroy();
    streams?.stdout.destroy();
    streams?.stderr.destroy();
  }

  /** @returns whether there was a process to signal. */
  #signal(number: number): boolean {
    // A child that has not been collected can be signalled, even when it has ended.
    this.#exit ??= this.#isClosed ? null : waitPidfd(this.#parts.child.pidfd);
    if (this.#exit !== null) return false;
    sendSignal(this.#parts.child.pidfd, number);
    return true;
  }

  async #collect(): Promise<void> {
    const { pidfd } = this.#parts.child;
    while (this.#exit === null) {
      this.#exit = waitPidfd(pidfd);
      if (this.#exit === null) await waitReadable(pidfd);
    }
    this.#parts.signal?.removeEventListener("abort", this.#onAbort);
  }

  #requireStreams(): ContainerStreams {
    if (this.#parts.streams !== null) return this.#parts.streams;
    throw new RunletError("ERR_RUNLET_USAGE", "the process has no streams", {
      hint: 'give stdio: "pipe" and no terminal',
    });
  }
}
