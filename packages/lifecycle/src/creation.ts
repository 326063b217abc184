import { closeSync } from "node:fs";
import type { Cgroup } from "@runlet/cgroups";
import { RunletError, SyscallError } from "@runlet/errors";
import { cloneFlags, encode, type Operation, operationAt, type Plan } from "@runlet/plan";
import type { Spec } from "@runlet/spec";
import {
  type ChildExit,
  type ChildProcess,
  createMemoryFile,
  listenUnix,
  openPidfd,
  receiveMessage,
  SOCK_SEQPACKET,
  sendMessage,
  sendSignal,
  socketpair,
  startHelper,
  waitPidfd,
  waitReadable,
} from "@runlet/syscall";
import { type OpenedDescriptors, openDescriptors } from "./descriptors.ts";
import { failureInPlan, filterHint } from "./failure.ts";
import { type HookState, runHook } from "./hook-runner.ts";
import { writeIdMappings } from "./id-mapping.ts";
import { decodeReport, goMessage, maxReportBytes, type Report } from "./message.ts";
import { NetDevices } from "./net-device.ts";
import { writeOomScoreAdj } from "./oom-score.ts";
import { passListener } from "./seccomp-listener.ts";
import { signalName } from "./signal-name.ts";
import { startSocketName } from "./state-directory.ts";

/** What is needed to make a container's process from its plan. */
export interface CreationRequest {
  readonly id: string;
  readonly plan: Plan;
  readonly spec: Spec;
  readonly bundleHostPath: string;
  /** Those of the config's annotations that may act. */
  readonly actingAnnotations: Readonly<Record<string, string>>;
  readonly cgroup: Cgroup | null;
  /** Directory of the container's state; stays the caller's. */
  readonly directoryFd: number;
  /** Descriptors 0, 1, 2 of the container, and those to preserve behind them; they stay the caller's. */
  readonly fds: readonly number[];
  readonly signal?: AbortSignal | undefined;
  /** Called with the process as soon as there is one, while the helper works. */
  readonly onProcess: (child: ChildProcess) => void;
}

/** A process that is created and waits for its start. */
export interface Creation {
  readonly child: ChildProcess;
  /** The main end of its terminal, the caller's; null without one. */
  readonly terminalFd: number | null;
  /** To be called when nothing can fail any more: from then on disposing of the creator does not end the process. */
  release(): void;
}

const SIGKILL = 9;

/** Drives the init helper from the clone to `created`, and does the parent's own operations in between. */
export class Creator implements AsyncDisposable {
  readonly #request: CreationRequest;
  #child: ChildProcess | null = null;
  #controlFd = -1;
  #terminalFd: number | null = null;
  readonly #netDevices = new NetDevices();
  #isDone = false;

  constructor(request: CreationRequest) {
    this.#request = request;
  }

  /**
   * Starts the helper and carries the plan out up to the wait for the start. Disposing ends the process and gives its
   * network devices back, unless the creation has been released.
   *
   * @throws RunletError of the operation that failed.
   */
  async create(): Promise<Creation> {
    await this.#start();
    this.#request.onProcess(this.#requireChild());
    const { signal } = this.#request;
    for (;;) {
      const message = receiveMessage(this.#controlFd, maxReportBytes);
      if (message === null) {
        await waitReadable(this.#controlFd, signal);
        continue;
      }
      const report = decodeReport(message);
      if (report === null) throw await this.#explainEnd();
      if (await this.#handle(report)) break;
    }
    closeSync(this.#controlFd);
    this.#controlFd = -1;
    const terminalFd = this.#terminalFd;
    this.#terminalFd = null;
    return { child: this.#requireChild(), terminalFd, release: () => this.#release() };
  }

  #release(): void {
    this.#isDone = true;
    this.#netDevices[Symbol.dispose]();
  }

  async #start(): Promise<void> {
    const { plan, cgroup, directoryFd, fds } = this.#request;
    const clone = plan.phases.flatMap(({ operations }) => operations).find(({ op }) => op === "clone");
    const intoCgroup = clone?.op === "clone" && clone.intoCgroup;
    const cgroupFds = cgroup === null || cgroup.needsProcess ? null : cgroup.openProcs();
    const temporary: number[] = cgroupFds?.procs.map(({ fd }) => fd) ?? [];
    if (cgroupFds?.directoryFd != null) temporary.push(cgroupFds.directoryFd);
    let opened: OpenedDescriptors | undefined;
    try {
      const startSocketFd = listenUnix(directoryFd, startSocketName, SOCK_SEQPACKET);
      temporary.push(startSocketFd);
      opened = await openDescriptors({ plan, startSocketFd, cgroup: cgroupFds });
      const [ourFd, theirFd] = socketpair(SOCK_SEQPACKET);
      this.#controlFd = ourFd;
      temporary.push(theirFd);
      const controlFd = fds.length;
      const planFd = createMemoryFile("runlet-plan", encode(plan, { firstSlotFd: controlFd + 2 }));
      temporary.push(planFd);
      this.#child = startHelper({
        fds: [...fds, theirFd, planFd, ...opened.fds],
        controlFd,
        planFd: controlFd + 1,
        cloneFlags: cloneFlags(plan),
        cgroupFd: intoCgroup ? (cgroupFds?.directoryFd ?? -1) : -1,
      });
    } catch (error) {
      throw error instanceof SyscallError && error.syscall === "clone3" ? explainClone(error, plan) : error;
    } finally {
      for (const fd of temporary) closeSync(fd);
      opened?.[Symbol.dispose]();
    }
  }

  /** @returns whether the container has been created. */
  async #handle(report: Report): Promise<boolean> {
    switch (report.kind) {
      case "failed":
        for (const fd of report.fds) closeSync(fd);
        throw failureInPlan(this.#request.plan, report);
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
        passListener(this.#request.spec, this.hookState("creating"), report.fds);
        return false;
      case "created":
        return true;
    }
  }

  async #pause(index: number): Promise<void> {
    const operation = operationAt(this.#request.plan, index);
    if (operation === undefined) throw new Error(`the init helper pauses at operation ${index}, which does not exist`);
    if (operation.op === "hook" && (operation.kind === "createContainer" || operation.kind === "startContainer")) {
      const state = createMemoryFile(
        "runlet-state",
        new TextEncoder().encode(JSON.stringify(this.hookState("creating"))),
      );
      sendMessage(this.#controlFd, goMessage, [state]);
      closeSync(state);
      return;
    }
    await this.#carryOut(operation);
    sendMessage(this.#controlFd, goMessage);
  }

  async #carryOut(operation: Operation): Promise<void> {
    const { pid } = this.#requireChild();
    switch (operation.op) {
      case "createCgroup":
        await this.#request.cgroup?.create({
          pid,
          resources: this.#request.spec.linux?.resources ?? {},
          annotations: this.#request.actingAnnotations,
        });
        return await this.#request.cgroup?.apply(this.#request.spec.linux?.resources);
      case "writeIdMappings":
        return await writeIdMappings(pid, operation);
      case "moveNetDevice":
        return this.#netDevices.move(pid, operation);
      case "setOomScoreAdj":
        return writeOomScoreAdj(pid, operation);
      case "hook":
        return await runHook(operation, this.hookState("creating"));
      default:
        throw new Error(`${operation.op} is no operation of the parent's`);
    }
  }

  /** The helper goes on in a child of this process; the first one has ended or is about to. */
  async #follow(pid: number): Promise<void> {
    const first = this.#requireChild();
    this.#child = { pid, pidfd: openPidfd(pid) };
    await reap(first.pidfd);
    closeSync(first.pidfd);
    this.#request.onProcess(this.#child);
    sendMessage(this.#controlFd, goMessage);
  }

  /** The state that hooks get on their standard input. */
  hookState(status: HookState["status"]): HookState {
    const { id, spec, bundleHostPath } = this.#request;
    return {
      ociVersion: spec.ociVersion,
      id,
      status,
      ...(this.#child === null ? {} : { pid: this.#child.pid }),
      bundle: bundleHostPath,
      ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    };
  }

  async #explainEnd(): Promise<RunletError> {
    const exit = await reap(this.#requireChild().pidfd);
    const isOomKill = exit.signalNumber === SIGKILL && (this.#request.cgroup?.oomKillCount() ?? 0) > 0;
    const how = exit.signalNumber === null ? `exit status ${exit.exitCode}` : signalName(exit.signalNumber);
    const message = `the init helper ended before the container was created: ${how}`;
    if (isOomKill) {
      const hint = "the memory limit is too low even for the helper: raise it";
      return new RunletError("ERR_RUNLET_INIT", message, { pointer: "/linux/resources/memory/limit", hint });
    }
    // A filter that refuses sendmsg(2) leaves the helper no words.
    if (this.#request.spec.linux?.seccomp !== undefined && exit.signalNumber !== SIGKILL)
      return new RunletError("ERR_RUNLET_SECCOMP", message, { pointer: "/linux/seccomp", hint: filterHint });
    return new RunletError("ERR_RUNLET_INIT", message, { hint: "something else has ended it; `dmesg` may say more" });
  }

  #requireChild(): ChildProcess {
    if (this.#child === null) throw new Error("there is no process yet");
    return this.#child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    if (this.#controlFd >= 0) closeSync(this.#controlFd);
    if (this.#terminalFd !== null) closeSync(this.#terminalFd);
    if (this.#child === null) return;
    try {
      this.#netDevices.giveBack();
    } finally {
      this.#netDevices[Symbol.dispose]();
      await this.#endChild(this.#child);
    }
  }

  async #endChild({ pidfd }: ChildProcess): Promise<void> {
    sendSignal(pidfd, SIGKILL);
    await reap(pidfd);
    closeSync(pidfd);
  }
}

/** Waits for a child to end and collects it; one that has been collected already counts as ended. */
export async function reap(pidfd: number): Promise<ChildExit> {
  for (;;) {
    const exit = waitPidfd(pidfd);
    if (exit !== null) return exit;
    await waitReadable(pidfd);
  }
}

function explainClone(cause: SyscallError, plan: Plan): RunletError {
  const clone = plan.phases.flatMap(({ operations }) => operations).find(({ op }) => op === "clone");
  const names = clone?.op === "clone" ? clone.namespaces.join(", ") : "";
  const hints: Readonly<Record<string, string>> = {
    EPERM: "new namespaces need root, or a user namespace in the config (`runlet spec --rootless`)",
    ENOSPC: "there are too many namespaces of a kind: see /proc/sys/user/max_*_namespaces",
    EUSERS: "user namespaces are nested too deep",
    EAGAIN: "there are too many processes: see `ulimit -u` and pids.max",
    EINVAL: "the kernel was built without one of these namespaces",
  };
  return new RunletError(
    "ERR_RUNLET_NAMESPACE",
    `the container's process cannot be started in new namespaces (${names})`,
    {
      pointer: "/linux/namespaces",
      syscall: cause.syscall,
      errno: cause.code,
      hint: hints[cause.code],
      cause,
    },
  );
}
