import type { Cgroup } from "@runlet/cgroups";
import { RunletError, SyscallError } from "@runlet/errors";
import {
  type ChildExit,
  type ChildProcess,
  closeFd,
  openPidfd,
  sendSignal,
  waitPidfd,
  waitReadable,
} from "@runlet/syscall";
import { hasOwnPidNamespace } from "./container-status.ts";
import { isAlive } from "./process-status.ts";
import { endProcesses, thawKilled } from "./resource-control.ts";
import type { StateRecord } from "./state-record.ts";

const SIGKILL = 9;
const endTimeoutMs = 10_000;

/** The process of a container, by its record and, where it is a child of this process, by its pidfd. */
export class ContainerProcess {
  #child: ChildProcess | null;
  #exit: ChildExit | null = null;
  /** One wait for all who wait: a descriptor is watched once. */
  #ending: Promise<void> | null = null;

  /** @param child - its pidfd becomes this object's; null for a process that another one created. */
  constructor(child: ChildProcess | null) {
    this.#child = child;
  }

  /** Whether it is, or was until it was collected, a child of this process. */
  get isOurs(): boolean {
    return this.#child !== null || this.#exit !== null;
  }

  /** How it ended; null while it runs, and for a process that another one created. */
  get exit(): ChildExit | null {
    return this.#exit;
  }

  /**
   * Sends a signal.
   *
   * @returns whether the process was there to be signalled.
   */
  signal({ init_process_pid: pid, init_process_start: startTime }: StateRecord, number: number): boolean {
    if (pid === 0 || this.#exit !== null) return false;
    try {
      // Opened first and looked at then: from the descriptor on it cannot be another process.
      const pidfd = this.#child?.pidfd ?? openPidfd(pid);
      try {
        if (!isAlive(pid, startTime)) return false;
        sendSignal(pidfd, number);
        return true;
      } finally {
        if (pidfd !== this.#child?.pidfd) closeFd(pidfd);
      }
    } catch (error) {
      if (error instanceof SyscallError && error.code === "ESRCH") return false;
      throw error;
    }
  }

  /** Waits until it has ended, and collects it if it is a child. */
  wait(record: StateRecord): Promise<void> {
    this.#ending ??= this.#child === null ? this.#waitForAnothers(record) : this.#collect(this.#child.pidfd);
    return this.#ending;
  }

  async #collect(pidfd: number): Promise<void> {
    while (this.#exit === null) {
      this.#exit = waitPidfd(pidfd);
      if (this.#exit === null) await waitReadable(pidfd);
    }
  }

  async #waitForAnothers({ init_process_pid: pid, init_process_start: startTime }: StateRecord): Promise<void> {
    try {
      const pidfd = openPidfd(pid);
      try {
        if (isAlive(pid, startTime)) await waitReadable(pidfd);
      } finally {
        closeFd(pidfd);
      }
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ESRCH") throw error;
    }
  }

  /**
   * Waits until a process that was killed is gone.
   *
   * @throws RunletError `ERR_RUNLET_TIMEOUT` after ten seconds.
   */
  async awaitEnd(record: StateRecord): Promise<void> {
    if (this.#child !== null) return await this.wait(record);
    const { init_process_pid: pid, init_process_start: startTime, id } = record;
    if (pid === 0) return;
    const deadline = Date.now() + endTimeoutMs;
    for (let delayMs = 1; isAlive(pid, startTime); delayMs = Math.min(delayMs * 2, 50)) {
      if (Date.now() > deadline) {
        throw new RunletError("ERR_RUNLET_TIMEOUT", `process ${pid} of container ${id} does not end`, {
          hint: "it may wait in the kernel (state D), for a device or a network file system",
        });
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }

  /**
   * Kills every process of the container and waits until this one, the first, has ended.
   *
   * @param cgroup - the container's; null without one.
   * @throws RunletError `ERR_RUNLET_TIMEOUT` after ten seconds.
   */
  async end(record: StateRecord, cgroup: Cgroup | null): Promise<void> {
    // The end of a pid namespace's first process is the end of all others.
    if (this.#exit !== null && hasOwnPidNamespace(record)) return;
    this.signal(record, SIGKILL);
    if (cgroup !== null) await thawKilled(cgroup);
    await this.awaitEnd(record);
    // A creator that was killed may have left a process that it had no time to record: its control group knows it.
    const isComplete = record.init_process_pid !== 0 && hasOwnPidNamespace(record);
    if (!isComplete && cgroup !== null) await endProcesses(cgroup);
  }

  /** Gives the pidfd back. */
  close(): void {
    if (this.#child !== null) closeFd(this.#child.pidfd);
    this.#child = null;
  }
}
