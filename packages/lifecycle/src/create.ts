import { closeSync } from "node:fs";
import type { Cgroup } from "@runlet/cgroups";
import { RunletError } from "@runlet/errors";
import type { Plan } from "@runlet/plan";
import type { ChildProcess } from "@runlet/syscall";
import type { LoadedConfig } from "./config.ts";
import { Container } from "./container.ts";
import { type Creation, Creator } from "./creation.ts";
import { Receivers } from "./descriptor-passing.ts";
import { recordOperation } from "./failure.ts";
import { type HookState, runPoststopHooks } from "./hook-runner.ts";
import type { CreateOptions, Stdio, Warning } from "./options.ts";
import { writePidFile } from "./pid-file.ts";
import { readProcessStatus } from "./process-status.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { StateRecord } from "./state-record.ts";
import { openStandardDescriptors, openStreams, type StandardDescriptors } from "./stdio.ts";

/** A container that is to be made. */
export interface ContainerRequest {
  readonly id: string;
  readonly loaded: LoadedConfig;
  readonly plan: Plan;
  readonly cgroup: Cgroup | null;
  /** Those of the config's annotations that may act. */
  readonly actingAnnotations: Readonly<Record<string, string>>;
  readonly options: CreateOptions;
  readonly directory: StateDirectory;
  readonly isRootless: boolean;
  readonly warn: (warning: Warning) => void;
}

const consoleSocket = "console socket";
const pidfdSocket = "pidfd socket";

/** What has been made, in reverse order of its undoing. */
type Undo = () => void | Promise<void>;

/**
 * Makes a container. Each thing that will exist on the host is written down before it is made, and undone when a later one
 * fails.
 */
export async function createContainer(request: ContainerRequest): Promise<Container> {
  const undo: Undo[] = [];
  try {
    return await create(request, undo);
  } catch (error) {
    for (const step of undo.reverse()) {
      try {
        await step();
      } catch (failure) {
        request.warn({
          message: `could not be undone: ${failure instanceof Error ? failure.message : String(failure)}`,
        });
      }
    }
    throw request.options.signal?.aborted ? abortedError(request.options.signal) : error;
  }
}

/** What a creation throws that its caller's signal broke off; the signal's reason is the cause. */
export function abortedError(signal: AbortSignal): RunletError {
  return new RunletError("ERR_RUNLET_ABORTED", "the creation of the container was aborted", { cause: signal.reason });
}

async function create(request: ContainerRequest, undo: Undo[]): Promise<Container> {
  const { loaded, cgroup, options, directory, warn } = request;
  const { spec } = loaded;
  checkTerminal(options, spec.process?.terminal ?? false);
  using receivers = new Receivers();
  receivers.connect(consoleSocket, options.consoleSocket);
  receivers.connect(pidfdSocket, options.pidfdSocket);
  const stdio = openStandardDescriptors(stdioOf(options, spec.process?.terminal ?? false));
  undo.push(() => stdio.closePipes());
  let creation: Creation;
  let record = newRecord(request);
  // runtime.md#lifecycle steps 12 and 13: when all is undone, and only where there was something for hooks to see.
  undo.push(() => (record.init_process_pid === 0 ? undefined : runPoststopHooks(spec, stoppedState(record), warn)));
  directory.create();
  undo.push(() => directory.remove());
  try {
    using lock = await directory.lock();
    directory.writeIntent(record);
    if (cgroup !== null && !cgroup.needsProcess) {
      await cgroup.create();
      undo.push(() => cgroup.delete());
      await cgroup.apply(spec.linux?.resources);
    } else if (cgroup !== null) {
      undo.push(() => cgroup.delete());
    }
    const onProcess = ({ pid }: ChildProcess) => {
      record = { ...record, ...identify(pid) };
      directory.write(record);
    };
    const { directoryFd } = lock;
    creation = await createProcess({ request, stdio, directoryFd, undo, onProcess });
    if (options.pidFile !== undefined) writePidFile(options.pidFile, creation.child.pid);
  } finally {
    stdio.closeContainerEnds();
  }
  let { terminalFd } = creation;
  const closeTerminal = () => {
    if (terminalFd !== null) closeSync(terminalFd);
    terminalFd = null;
  };
  undo.push(closeTerminal);
  if (terminalFd !== null && receivers.has(consoleSocket)) {
    receivers.pass(consoleSocket, "/dev/ptmx", terminalFd);
    closeTerminal();
  }
  receivers.pass(pidfdSocket, "pidfd", creation.child.pidfd);
  const streams = stdio.pipeFds === null ? null : await openStreams(stdio.pipeFds);
  const container = new Container({
    directory,
    record,
    warn,
    child: creation.child,
    streams,
    terminalFd,
    signal: options.signal,
  });
  creation.release();
  undo.length = 0;
  return container;
}

function stoppedState({ ociVersion, id, bundle, annotations }: StateRecord): HookState {
  return { ociVersion, id, status: "stopped", bundle, ...(annotations === undefined ? {} : { annotations }) };
}

interface ProcessParts {
  readonly request: ContainerRequest;
  readonly stdio: StandardDescriptors;
  readonly directoryFd: number;
  readonly undo: Undo[];
  readonly onProcess: (child: ChildProcess) => void;
}

async function createProcess({ request, stdio, directoryFd, undo, onProcess }: ProcessParts): Promise<Creation> {
  const { id, loaded, plan, cgroup, options } = request;
  const preserved = Array.from({ length: options.preserveFds ?? 0 }, (_, index) => index + 3);
  const creator = new Creator({
    id,
    plan,
    spec: loaded.spec,
    bundleHostPath: loaded.bundleHostPath,
    actingAnnotations: request.actingAnnotations,
    cgroup,
    directoryFd,
    fds: [...stdio.fds, ...preserved],
    signal: options.signal,
    onProcess,
  });
  undo.push(() => creator[Symbol.asyncDispose]());
  return await creator.create();
}

function newRecord({ id, loaded, plan, cgroup, options, isRootless }: ContainerRequest): StateRecord {
  const { spec } = loaded;
  let firstIndex = 0;
  for (const { name, operations } of plan.phases) {
    if (name === "atStart") break;
    firstIndex += operations.length;
  }
  const atStart = plan.phases.find(({ name }) => name === "atStart")?.operations ?? [];
  return {
    id,
    version: 1,
    ociVersion: spec.ociVersion,
    init_process_pid: 0,
    init_process_start: 0,
    created: now(),
    bundle: loaded.bundleHostPath,
    rootfs: loaded.rootHostPath,
    ownerUid: process.geteuid?.() ?? 0,
    rootless: isRootless,
    ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    cgroup_paths: cgroup?.hostPaths ?? {},
    cgroup: cgroup?.toState() ?? null,
    startOperations: { firstIndex, operations: atStart.map(recordOperation) },
    ...(options.noNewKeyring ? { noNewKeyring: true } : {}),
    config: spec,
  };
}

/** RFC 3339 with nine digits of a second, as runc prints it. */
function now(): string {
  return new Date().toISOString().replace("Z", "000000Z");
}

function identify(pid: number): Pick<StateRecord, "init_process_pid" | "init_process_start"> {
  const status = readProcessStatus(pid);
  if (status === null) throw new RunletError("ERR_RUNLET_INIT", "the container's process ended before it was recorded");
  return { init_process_pid: pid, init_process_start: status.startTime };
}

/** With a terminal the container's streams are its own; what is passed at first is never read. */
function stdioOf({ stdio = "pipe" }: CreateOptions, hasTerminal: boolean): Stdio {
  return hasTerminal ? "null" : stdio;
}

function checkTerminal({ consoleSocket }: CreateOptions, hasTerminal: boolean): void {
  if (consoleSocket === undefined || hasTerminal) return;
  throw new RunletError("ERR_RUNLET_TERMINAL", "cannot use console socket if runlet will not detach or allocate tty", {
    pointer: "/process/terminal",
    hint: "set process.terminal in the config, or leave the console socket out",
  });
}
