import { closeSync } from "node:fs";
import type { Cgroup } from "@runlet/cgroups";
import { RunletError, SyscallError } from "@runlet/errors";
import type { Operation, Plan } from "@runlet/plan";
import type { Spec } from "@runlet/spec";
import { type ChildProcess, listenUnix, SOCK_SEQPACKET } from "@runlet/syscall";
import { failureInPlan, filterHint } from "./failure.ts";
import { HelperDriver } from "./helper-driver.ts";
import { type HookState, runHook } from "./hook-runner.ts";
import { writeIdMappings } from "./id-mapping.ts";
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

/** Makes a container's process by the init helper, and does the parent's own operations in between. */
export class Creator implements AsyncDisposable {
  readonly #request: CreationRequest;
  readonly #driver: HelperDriver;
  readonly #netDevices = new NetDevices();
  #isDone = false;

  constructor(request: CreationRequest) {
    this.#request = request;
    this.#driver = new HelperDriver({
      plan: request.plan,
      signal: request.signal,
      onProcess: request.onProcess,
      carryOut: (operation, pid) => this.#carryOut(operation, pid),
      hookState: () => this.hookState("creating"),
      passListener: (fds) => passListener({ spec: request.spec, state: this.hookState("creating"), fds }),
      explainFailure: (report) => {
        for (const fd of report.fds) closeSync(fd);
        return failureInPlan(request.plan, report);
      },
    });
  }

  /**
   * Starts the helper and carries the plan out up to the wait for the start. Disposing ends the process and gives its
   * network devices back, unless the creation has been released.
   *
   * @throws RunletError of the operation that failed.
   */
  async create(): Promise<Creation> {
    await this.#start();
    if ((await this.#driver.drive()) === "closed") throw await this.#explainEnd();
    return { child: this.#driver.child, terminalFd: this.#driver.takeTerminal(), release: () => this.#release() };
  }

  #release(): void {
    this.#isDone = true;
    this.#driver.release();
    this.#netDevices[Symbol.dispose]();
  }

  async #start(): Promise<void> {
    const { plan, cgroup, directoryFd, fds } = this.#request;
    const clone = plan.phases.flatMap(({ operations }) => operations).find(({ op }) => op === "clone");
    const intoCgroup = clone?.op === "clone" && clone.intoCgroup;
    const cgroupFds = cgroup === null || cgroup.needsProcess ? null : cgroup.openProcs();
    const temporary: number[] = cgroupFds?.procs.map(({ fd }) => fd) ?? [];
    if (cgroupFds?.directoryFd != null) temporary.push(cgroupFds.directoryFd);
    try {
      const startSocketFd = listenUnix(directoryFd, startSocketName, SOCK_SEQPACKET);
      temporary.push(startSocketFd);
      const cgroupFd = intoCgroup ? cgroupFds?.directoryFd : null;
      await this.#driver.start({ fds, startSocketFd, cgroup: cgroupFds, cgroupFd });
    } catch (error) {
      throw error instanceof SyscallError && error.syscall === "clone3" ? explainClone(error, this.#request) : error;
    } finally {
      for (const fd of temporary) closeSync(fd);
    }
  }

  async #carryOut(operation: Operation, pid: number): Promise<void> {
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

  /** The state that hooks get on their standard input. */
  hookState(status: HookState["status"]): HookState {
    const { id, spec, bundleHostPath } = this.#request;
    return {
      ociVersion: spec.ociVersion,
      id,
      status,
      ...(this.#driver.hasChild ? { pid: this.#driver.child.pid } : {}),
      bundle: bundleHostPath,
      ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    };
  }

  async #explainEnd(): Promise<RunletError> {
    const exit = await this.#driver.awaitEnd();
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

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    try {
      if (this.#driver.hasChild) this.#netDevices.giveBack();
    } finally {
      this.#netDevices[Symbol.dispose]();
      await this.#driver[Symbol.asyncDispose]();
    }
  }
}

function explainClone(cause: SyscallError, { plan, spec }: Pick<CreationRequest, "plan" | "spec">): RunletError {
  const clone = plan.phases.flatMap(({ operations }) => operations).find(({ op }) => op === "clone");
  const isInCgroup = clone?.op === "clone" && clone.intoCgroup;
  if (cause.code === "ENOMEM" && isInCgroup && spec.linux?.resources?.memory?.limit !== undefined) {
    return new RunletError("ERR_RUNLET_INIT", "the container's process cannot be started within its memory limit", {
      pointer: "/linux/resources/memory/limit",
      syscall: cause.syscall,
      errno: cause.code,
      hint: "the memory limit is too low even for the helper: raise it",
      cause,
    });
  }
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
