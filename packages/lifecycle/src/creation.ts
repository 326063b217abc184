import type { Cgroup, CgroupDescriptors } from "@runlet/cgroups";
import { RunletError, SyscallError } from "@runlet/errors";
import type { Operation, Plan } from "@runlet/plan";
import type { Spec } from "@runlet/spec";
import { type ChildProcess, closeFd, closeFds, listenUnix, SOCK_SEQPACKET } from "@runlet/syscall";
import { failureInPlan, filterHint } from "./failure.ts";
import { HelperDriver } from "./helper-driver.ts";
import { type HookState, runHook } from "./hook-runner.ts";
import { writeIdMappings } from "./id-mapping.ts";
import { joinIntelRdtGroup } from "./intel-rdt.ts";
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
  /** How long the helper may say nothing. */
  readonly helperTimeoutMs?: number | undefined;
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
  #cgroupFds: CgroupDescriptors | null = null;
  #hasMadeCgroup = false;
  #isDone = false;

  constructor(request: CreationRequest) {
    this.#request = request;
    this.#driver = new HelperDriver({
      plan: request.plan,
      signal: request.signal,
      timeoutMs: request.helperTimeoutMs,
      onProcess: request.onProcess,
      carryOut: (operation, pid) => this.#carryOut(operation, pid),
      hookState: () => this.hookState("creating"),
      passListener: (fds) => passListener({ spec: request.spec, state: this.hookState("creating"), fds }),
      explainFailure: (report) => {
        for (const fd of report.fds) closeFd(fd);
        return failureInPlan(request.plan, report);
      },
    });
  }

  /**
   * Begins to start the helper. The kernel makes namespaces on another thread while the caller makes the control group;
   * nothing of the plan is carried out before {@link create}, which also says what went wrong here.
   */
  start(): void {
    const { fds } = this.#request;
    if (this.startsInCgroup) this.#openCgroup();
    this.#driver.start({ fds, cgroupFd: this.#cgroupFds?.directoryFd });
  }

  /** Waits until what it was started with may be closed: {@link create} does so itself. */
  async settle(): Promise<void> {
    await this.#driver.settle();
  }

  /** Whether the control group has to be there before {@link start}. */
  get startsInCgroup(): boolean {
    return findClone(this.#request.plan)?.intoCgroup ?? false;
  }

  /** Whether the plan has made the control group: one that needs a process, see `Cgroup.needsProcess`. */
  get hasMadeCgroup(): boolean {
    return this.#hasMadeCgroup;
  }

  /**
   * Carries the plan out up to the wait for the start. Disposing ends the process and gives its network devices back, unless
   * the creation has been released.
   *
   * @throws RunletError of the operation that failed.
   */
  async create(): Promise<Creation> {
    await this.#handOver();
    if ((await this.#driver.drive()) === "closed") throw await this.#explainEnd();
    return { child: this.#driver.child, terminalFd: this.#driver.takeTerminal(), release: () => this.#release() };
  }

  #release(): void {
    this.#isDone = true;
    this.#driver.release();
    this.#netDevices[Symbol.dispose]();
  }

  async #handOver(): Promise<void> {
    let startSocketFd: number | undefined;
    try {
      this.#openCgroup();
      startSocketFd = listenUnix(this.#request.directoryFd, startSocketName, SOCK_SEQPACKET);
      await this.#driver.handOver({ startSocketFd, cgroup: this.#cgroupFds });
    } catch (error) {
      await this.settle();
      throw error instanceof SyscallError && error.syscall === "clone3" ? explainClone(error, this.#request) : error;
    } finally {
      if (startSocketFd !== undefined) closeFd(startSocketFd);
      this.#closeCgroup();
    }
  }

  #openCgroup(): void {
    const { cgroup } = this.#request;
    if (cgroup === null || cgroup.needsProcess) return;
    this.#cgroupFds ??= cgroup.openProcs();
  }

  #closeCgroup(): void {
    if (this.#cgroupFds === null) return;
    const { procs, directoryFd } = this.#cgroupFds;
    closeFds([...procs.map(({ fd }) => fd), ...(directoryFd === null ? [] : [directoryFd])]);
    this.#cgroupFds = null;
  }

  async #carryOut(operation: Operation, pid: number): Promise<void> {
    switch (operation.op) {
      case "createCgroup":
        await this.#request.cgroup?.create({
          pid,
          resources: this.#request.spec.linux?.resources ?? {},
          annotations: this.#request.actingAnnotations,
        });
        this.#hasMadeCgroup = true;
        return await this.#request.cgroup?.apply(this.#request.spec.linux?.resources);
      case "joinIntelRdtGroup":
        return joinIntelRdtGroup(pid, operation);
      case "writeIdMappings":
        return await writeIdMappings(pid, operation);
      case "moveNetDevice":
        return this.#netDevices.move(pid, operation);
      case "setOomScoreAdj":
        return writeOomScoreAdj(pid, operation);
      case "hook":
        return await runHook({ hook: operation, state: this.hookState("creating"), signal: this.#request.signal });
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
      this.#closeCgroup();
    }
  }
}

function findClone({ phases }: Plan): Extract<Operation, { op: "clone" }> | undefined {
  for (const { operations } of phases)
    for (const operation of operations) if (operation.op === "clone") return operation;
  return undefined;
}

function explainClone(cause: SyscallError, { plan, spec }: Pick<CreationRequest, "plan" | "spec">): RunletError {
  const clone = findClone(plan);
  if (cause.code === "ENOMEM" && clone?.intoCgroup && spec.linux?.resources?.memory?.limit !== undefined) {
    return new RunletError("ERR_RUNLET_INIT", "the container's process cannot be started within its memory limit", {
      pointer: "/linux/resources/memory/limit",
      syscall: cause.syscall,
      errno: cause.code,
      hint: "the memory limit is too low even for the helper: raise it",
      cause,
    });
  }
  const names = clone?.namespaces.join(", ") ?? "";
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
