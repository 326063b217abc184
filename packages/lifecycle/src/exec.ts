import { closeSync } from "node:fs";
import type { Cgroup, CgroupDescriptors } from "@runlet/cgroups";
import { RunletError, SyscallError } from "@runlet/errors";
import { compileExec, type Plan } from "@runlet/plan";
import type { Process } from "@runlet/spec";
import { viewContainer } from "./container-view.ts";
import { Receivers } from "./descriptor-passing.ts";
import { openExecCgroup } from "./exec-cgroup.ts";
import { aboutProcess, explainExec, locationInProcess } from "./exec-failure.ts";
import type { ExecOptions } from "./exec-options.ts";
import { ExecProcess } from "./exec-process.ts";
import { processOf } from "./exec-request.ts";
import { failureInPlan } from "./failure.ts";
import { HelperDriver } from "./helper-driver.ts";
import type { HookState } from "./hook-runner.ts";
import { hostFacts } from "./host.ts";
import { joinIntelRdtGroup, recordedIntelRdt } from "./intel-rdt.ts";
import type { Report } from "./message.ts";
import { writeOomScoreAdj } from "./oom-score.ts";
import type { ContainerStatus, Warning } from "./options.ts";
import { writePidFile } from "./pid-file.ts";
import { isAlive } from "./process-status.ts";
import { requireCgroup } from "./resource-control.ts";
import { passListener } from "./seccomp-listener.ts";
import type { StateRecord } from "./state-record.ts";
import { openStandardDescriptors, openStreams, type StandardDescriptors } from "./stdio.ts";

const consoleSocket = "console socket";
const pidfdSocket = "pidfd socket";

/** What {@link execProcess} needs of the container. */
export interface ExecRequest {
  readonly record: StateRecord;
  readonly status: ContainerStatus;
  readonly cgroup: Cgroup | null;
  /** The container's state as hooks get it, which goes with the descriptor of a seccomp listener. */
  readonly state: HookState;
  readonly options: ExecOptions;
  readonly warn: (warning: Warning) => void;
}

/**
 * Runs another process in a container; returns when it has been executed.
 *
 * @throws RunletError; nothing is left behind then.
 */
export async function execProcess(request: ExecRequest): Promise<ExecProcess> {
  try {
    return await runProcess(request);
  } catch (error) {
    throw aboutProcess(error);
  }
}

/** Whether a warning is about what was asked for: what the container's own config is warned of, its creation has said. */
function isOfRequest({ pointer = "" }: Warning, { process, capabilities = [] }: ExecOptions): boolean {
  return pointer.startsWith("/process/") && (process !== undefined || capabilities.length > 0);
}

async function runProcess(request: ExecRequest): Promise<ExecProcess> {
  const { record, options, warn } = request;
  options.signal?.throwIfAborted();
  checkStatus(request);
  const process = processOf(options, record.config);
  checkTerminal(options, process);
  const view = viewContainer(record.init_process_pid, record.rootfs);
  if (view === null) throw stopped(record);
  using receivers = new Receivers();
  receivers.connect(consoleSocket, options.consoleSocket);
  receivers.connect(pidfdSocket, options.pidfdSocket);
  using cgroup = openCgroup(request);
  const { preserveFds = 0 } = options;
  const plan = compileExec(process, hostFacts(), {
    id: record.id,
    config: record.config,
    pid: record.init_process_pid,
    ...view,
    cgroupControllers: cgroup?.procs.map(({ controller }) => controller) ?? [],
    intelRdt: recordedIntelRdt(record),
    noNewKeyring: record.noNewKeyring ?? false,
    preserveFds,
  });
  for (const warning of plan.warnings ?? [])
    if (isOfRequest(warning, options)) warn({ ...warning, ...locationInProcess(warning.pointer) });
  const stdio = openStandardDescriptors(process.terminal === true ? "null" : (options.stdio ?? "pipe"));
  try {
    await using driver = await drive({ request, process, plan, stdio, cgroup });
    const { child } = driver;
    const oomKillsBefore = request.cgroup?.oomKillCount() ?? 0;
    if (options.pidFile !== undefined) writePidFile(options.pidFile, child.pid);
    if (receivers.has(consoleSocket)) passTerminal(driver, receivers);
    receivers.pass(pidfdSocket, "pidfd", child.pidfd);
    const streams = stdio.pipeFds === null ? null : await openStreams(stdio.pipeFds);
    driver.release();
    return new ExecProcess({
      child,
      streams,
      terminalFd: driver.takeTerminal(),
      cgroup: request.cgroup,
      oomKillsBefore,
      signal: options.signal,
    });
  } catch (error) {
    stdio.closePipes();
    throw isEnding(record) ? stopped(record, error) : error;
  }
}

/** Whether the container's process has ended or is about to: it leaves its namespaces first. */
function isEnding({ init_process_pid: pid, init_process_start: startTime, rootfs }: StateRecord): boolean {
  return !isAlive(pid, startTime) || viewContainer(pid, rootfs) === null;
}

function passTerminal(driver: HelperDriver, receivers: Receivers): void {
  const terminalFd = driver.takeTerminal();
  if (terminalFd === null) return;
  try {
    receivers.pass(consoleSocket, "/dev/ptmx", terminalFd);
  } finally {
    closeSync(terminalFd);
  }
}

interface DriveParts {
  readonly request: ExecRequest;
  readonly process: Process;
  readonly plan: Plan;
  readonly stdio: StandardDescriptors;
  readonly cgroup: CgroupDescriptors | null;
}

/** Carries the plan out, to its execve(2). */
async function drive({ request, process, plan, stdio, cgroup }: DriveParts): Promise<HelperDriver> {
  const { record, state, options } = request;
  const driver = new HelperDriver({
    plan,
    signal: options.signal,
    timeoutMs: options.ignorePaused ? Number.POSITIVE_INFINITY : options.helperTimeoutMs,
    carryOut: async (operation, pid) => {
      if (operation.op === "joinIntelRdtGroup") joinIntelRdtGroup(pid, operation);
      else if (operation.op === "setOomScoreAdj") writeOomScoreAdj(pid, operation);
      else throw new Error(`${operation.op} is no operation of the parent's`);
    },
    hookState: () => state,
    passListener: (fds) => passListener({ spec: record.config, state, fds, pid: driver.child.pid }),
    explainFailure: (report) => explainFailure(plan, process, report),
  });
  try {
    try {
      const preserved = Array.from({ length: options.preserveFds ?? 0 }, (_, index) => index + 3);
      driver.start({ fds: [...stdio.fds, ...preserved] });
      await driver.handOver({
        startSocketFd: null,
        cgroup,
        beforeHandover: () => {
          // From here on the descriptors say who it is: a pid can be another process's, an open namespace cannot.
          if (!isAlive(record.init_process_pid, record.init_process_start)) throw stopped(record);
        },
      });
    } finally {
      stdio.closeContainerEnds();
    }
    await driver.drive();
    return driver;
  } catch (error) {
    await driver[Symbol.asyncDispose]();
    throw error instanceof SyscallError && error.syscall === "clone3" ? explainClone(error) : error;
  }
}

function checkStatus({ record, status, cgroup, options }: ExecRequest): void {
  if (status === "creating") throw notCreated(record);
  if (status === "stopped") throw stopped(record);
  // One that is created can be paused as well.
  if (options.ignorePaused || (status !== "paused" && !cgroup?.isFrozen())) return;
  throw new RunletError("ERR_RUNLET_STATE", "cannot exec in a paused container (use --ignore-paused to override)", {
    hint: `let it run first: runlet resume ${record.id}`,
  });
}

function notCreated({ id }: StateRecord): RunletError {
  return new RunletError("ERR_RUNLET_STATE", "cannot exec in a container whose creation has not ended", {
    hint: `wait for its end; what an interrupted one has left is removed by: runlet delete --force ${id}`,
  });
}

function stopped({ id }: StateRecord, cause?: unknown): RunletError {
  return new RunletError("ERR_RUNLET_STATE", "cannot exec in a stopped container", {
    hint: `only delete is left for it: runlet delete ${id}`,
    ...(cause === undefined ? {} : { cause }),
  });
}

function checkTerminal({ consoleSocket }: ExecOptions, { terminal }: Process): void {
  if (consoleSocket === undefined || terminal === true) return;
  throw new RunletError("ERR_RUNLET_TERMINAL", "cannot use console socket if runlet will not detach or allocate tty", {
    hint: "ask for a terminal (--tty), or leave the console socket out",
  });
}

function openCgroup({ record, cgroup, options }: ExecRequest): (CgroupDescriptors & Disposable) | null {
  const { cgroup: subPaths = [] } = options;
  if (cgroup !== null) {
    try {
      return openExecCgroup({ cgroup, subPaths, pid: record.init_process_pid });
    } catch (error) {
      if (isEnding(record)) throw stopped(record, error);
      if (!(error instanceof RunletError)) requireCgroup(record, cgroup);
      throw error;
    }
  }
  if (subPaths.length === 0) return null;
  throw new RunletError("ERR_RUNLET_USAGE", `bad sub cgroup path: container ${record.id} has no control group`);
}

async function explainFailure(plan: Plan, process: Process, report: Report): Promise<RunletError> {
  const [rootFd, ...others] = report.fds;
  for (const fd of others) closeSync(fd);
  if (report.call === "execve" && rootFd !== undefined) return await explainExec(process, report, rootFd);
  if (rootFd !== undefined) closeSync(rootFd);
  return failureInPlan(plan, report, { isExec: true });
}

function explainClone(cause: SyscallError): RunletError {
  const hints: Readonly<Record<string, string>> = {
    EAGAIN: "there are too many processes: see `ulimit -u` and pids.max",
    EBADF: "a descriptor that is to be passed on (--preserve-fds) is not open",
  };
  return new RunletError("ERR_RUNLET_PROCESS", "the process cannot be started", {
    syscall: cause.syscall,
    errno: cause.code,
    hint: hints[cause.code],
    cause,
  });
}
