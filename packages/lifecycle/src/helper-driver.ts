import { RunletError, SyscallError } from "@runlet/errors";
import { cloneFlags, encode, isParentOperation, type Operation, operationAt, type Plan } from "@runlet/plan";
import {
  type ChildExit,
  type ChildProcess,
  closeFd,
  openPidfd,
  receiveMessage,
  SOCK_SEQPACKET,
  type StartingHelper,
  sendMessage,
  sendPlan,
  sendSignal,
  socketpair,
  startHelper,
  waitPidfd,
  waitReadable,
} from "@runlet/syscall";
import { type DescriptorSources, OpenedDescriptors } from "./descriptors.ts";
import { createStateFile, type HookState } from "./hook-runner.ts";
import { decodeReport, goMessage, maxReportBytes, type Report } from "./message.ts";
import { defaultHelperTimeoutMs, waitForReport } from "./report-wait.ts";

/** What the helper is started with. */
export interface HelperStart {
  /** Descriptors 0, 1, 2 of the process, and those to preserve behind them; they stay the caller's. */
  readonly fds: readonly number[];
  /** A cgroup v2 directory for a plan whose clone starts in it; stays the caller's. Default none. */
  readonly cgroupFd?: number | null | undefined;
}

/** What the helper gets with its plan. */
export interface HelperHandover extends Omit<DescriptorSources, "plan"> {
  /** Called when the plan's descriptors are open, before the helper may do anything; may throw. */
  readonly beforeHandover?: () => void;
}

/** What the parent does while the helper works. */
export interface HelperWork {
  readonly plan: Plan;
  readonly signal?: AbortSignal | undefined;
  /** How long the helper may say nothing, besides what hooks take; Infinity for no limit. Default 60 s. */
  readonly timeoutMs?: number | undefined;
  /** Called with the process as soon as there is one; a second time when the helper goes on in a child. */
  readonly onProcess?: (child: ChildProcess) => void;
  /** Carries out an operation of the parent's. */
  carryOut(operation: Operation, pid: number): Promise<void>;
  /** What hooks that the helper runs get on standard input. */
  hookState(): HookState;
  /** Takes the descriptors of a seccomp listener. */
  passListener(fds: readonly number[]): void;
  /** The error for a failed operation; takes the report's descriptors. */
  explainFailure(report: Report): RunletError | Promise<RunletError>;
}

const SIGKILL = 9;

/**
 * Drives the init helper through a plan. Disposing ends the process, unless it has been released.
 */
export class HelperDriver implements AsyncDisposable {
  readonly #work: HelperWork;
  #child: ChildProcess | null = null;
  #starting: StartingHelper | null = null;
  #controlFd = -1;
  #slotFd = 0;
  #terminalFd: number | null = null;
  #exit: ChildExit | null = null;
  #isDone = false;
  readonly #timeoutMs: number;
  /** What of the time until the next message may go to hooks that the helper runs. */
  #hookMs = 0;
  /** Whether the helper has been told already that it may wait for its start. */
  #mayGoOn = false;

  constructor(work: HelperWork) {
    this.#work = work;
    this.#timeoutMs = work.timeoutMs ?? defaultHelperTimeoutMs;
  }

  /** The process; of a helper that forks, the one that goes on. */
  get child(): ChildProcess {
    if (this.#child === null) throw new Error("there is no process yet");
    return this.#child;
  }

  /** Whether there is a process. */
  get hasChild(): boolean {
    return this.#child !== null;
  }

  /** Waits for the end of the process and collects it. */
  async awaitEnd(): Promise<ChildExit> {
    this.#exit ??= await reap(this.child.pidfd);
    return this.#exit;
  }

  /** Gives the main end of the process's terminal to the caller; null when there is none. */
  takeTerminal(): number | null {
    const fd = this.#terminalFd;
    this.#terminalFd = null;
    return fd;
  }

  /** Lets the process live on when this is disposed of; its pidfd is the caller's from then on. */
  release(): void {
    this.#isDone = true;
  }

  /**
   * Begins to start the helper, which waits for its plan. What goes wrong is thrown by {@link handOver}. The descriptors
   * have to stay open until then.
   */
  start({ fds, cgroupFd }: HelperStart): void {
    const [ourFd, theirFd] = socketpair(SOCK_SEQPACKET);
    this.#controlFd = ourFd;
    this.#slotFd = fds.length + 1;
    try {
      const plan = this.#work.plan;
      this.#starting = startHelper({ fds: [...fds, theirFd], cloneFlags: cloneFlags(plan), cgroupFd: cgroupFd ?? -1 });
    } catch (error) {
      throw explainMemory(error);
    }
  }

  /**
   * Hands the plan over to the helper.
   *
   * @throws RunletError for a descriptor that cannot be opened, SyscallError of clone3(2).
   */
  async handOver({ startSocketFd, cgroup, beforeHandover }: HelperHandover): Promise<void> {
    const { plan, onProcess } = this.#work;
    const opened = new OpenedDescriptors();
    try {
      const opening = opened.open({ plan, startSocketFd, cgroup });
      if (opening !== undefined) await opening;
      const bytes = encode(plan, { firstSlotFd: this.#slotFd });
      // Usually it is there: a promise would tell in the next turn of the event loop.
      this.#child = this.#starting?.childIfStarted() ?? (await this.#starting?.started()) ?? null;
      beforeHandover?.();
      sendPlan(this.#controlFd, bytes, opened.fds);
    } catch (error) {
      // A helper that has ended is told of by the end of its socket.
      if (!(error instanceof SyscallError) || error.syscall !== "sendmsg") {
        await this.settle();
        throw error;
      }
    } finally {
      opened[Symbol.dispose]();
    }
    onProcess?.(this.child);
    if (asksNothing(plan)) this.#goOnOnceCreated();
  }

  /** Waits until what the helper is started with may be closed: it is there, or has failed to start. */
  async settle(): Promise<void> {
    await this.#starting?.started().catch(() => null);
  }

  /** Said before it is asked for: the helper need not be woken for it, nor waited for. */
  #goOnOnceCreated(): void {
    this.#goOn();
    this.#mayGoOn = true;
  }

  /**
   * Answers the helper until it has come to its wait for the start, or has closed its socket: by execve(2), or because it has
   * been killed.
   *
   * @throws RunletError of the operation that failed; `ERR_RUNLET_TIMEOUT` when the helper has said nothing for too long.
   */
  async drive(): Promise<"created" | "closed"> {
    for (;;) {
      const message = receiveMessage(this.#controlFd, maxReportBytes);
      if (message === null) {
        const limitMs = this.#timeoutMs + this.#hookMs;
        await waitForReport({ fd: this.#controlFd, limitMs, signal: this.#work.signal });
        continue;
      }
      this.#hookMs = 0;
      const report = decodeReport(message);
      if (report !== null && !(await this.#handle(report))) continue;
      closeFd(this.#controlFd);
      this.#controlFd = -1;
      return report === null ? "closed" : "created";
    }
  }

  /** @returns whether the process waits for its start. */
  async #handle(report: Report): Promise<boolean> {
    switch (report.kind) {
      case "failed":
        throw await this.#work.explainFailure(report);
      case "pause":
        await this.#pause(report.index);
        return false;
      case "forked":
        await this.#follow(report.value);
        return false;
      case "terminal":
        this.#terminalFd = report.fds[0] ?? null;
        return false;
      case "listener":
        this.#work.passListener(report.fds);
        return false;
      case "created":
        if (!this.#mayGoOn) this.#goOn();
        return true;
    }
  }

  async #pause(index: number): Promise<void> {
    const operation = operationAt(this.#work.plan, index);
    if (operation === undefined) throw new Error(`the init helper pauses at operation ${index}, which does not exist`);
    if (operation.op === "hook" && (operation.kind === "createContainer" || operation.kind === "startContainer")) {
      const stateFd = createStateFile(this.#work.hookState());
      try {
        this.#goOn([stateFd]);
      } finally {
        closeFd(stateFd);
      }
      this.#hookMs = hookMsFrom(this.#work.plan, index);
      return;
    }
    await this.#work.carryOut(operation, this.child.pid);
    this.#goOn();
  }

  /** A helper that has ended meanwhile is told of by the end of its socket. */
  #goOn(fds: readonly number[] = []): void {
    try {
      sendMessage(this.#controlFd, goMessage, fds);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
  }

  /** The helper goes on in a child of this process; the first one has ended or is about to. */
  async #follow(pid: number): Promise<void> {
    const first = this.child;
    this.#child = { pid, pidfd: openPidfd(pid) };
    await reap(first.pidfd);
    closeFd(first.pidfd);
    this.#work.onProcess?.(this.#child);
    this.#goOn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    if (this.#controlFd >= 0) closeFd(this.#controlFd);
    if (this.#terminalFd !== null) closeFd(this.#terminalFd);
    this.#child ??= (await this.#starting?.started().catch(() => null)) ?? null;
    if (this.#child === null) return;
    if (this.#exit === null) sendSignal(this.#child.pidfd, SIGKILL);
    await this.awaitEnd();
    closeFd(this.#child.pidfd);
  }
}

/** The helper is a program in memory, which a host can forbid. */
function explainMemory(cause: unknown): unknown {
  if (!(cause instanceof SyscallError) || cause.syscall !== "memfd_create" || cause.code !== "EACCES") return cause;
  return new RunletError("ERR_RUNLET_INIT", "the helper cannot be executed from memory", {
    syscall: cause.syscall,
    errno: cause.code,
    hint: "the host forbids it: sysctl vm.memfd_noexec=1",
    cause,
  });
}

/** Whether the helper comes to its wait for the start without waiting for the parent on the way. */
function asksNothing({ phases }: Plan): boolean {
  for (const { name, operations } of phases) {
    if (name === "beforeClone") continue;
    for (const operation of operations) {
      if (operation.op === "awaitStart") return true;
      if (operation.op === "fork" || operation.op === "hook" || isParentOperation(operation)) return false;
    }
  }
  return false;
}

/** How long the hooks may take that the helper runs from an operation on, one after the other without a word. */
function hookMsFrom(plan: Plan, index: number): number {
  let totalMs = 0;
  for (let at = index; ; at++) {
    const operation = operationAt(plan, at);
    if (operation === undefined) return totalMs;
    if (operation.op === "hook" && operation.kind === "createContainer")
      totalMs += operation.timeoutMs ?? Number.POSITIVE_INFINITY;
  }
}

/** Waits for a child to end and collects it. */
async function reap(pidfd: number): Promise<ChildExit> {
  for (;;) {
    const exit = waitPidfd(pidfd);
    if (exit !== null) return exit;
    await waitReadable(pidfd);
  }
}
