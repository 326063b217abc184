import { dirname } from "node:path";
import { type Cgroup, deleteIntelRdt, type IntelRdtGroup } from "@runlet/cgroups";
import { isRunletError, RunletError } from "@runlet/errors";
import type { Operation, Plan } from "@runlet/plan";
import { type ChildProcess, closeFd, readProcessStatus } from "@runlet/syscall";
import type { LoadedConfig } from "./config.ts";
import { Container } from "./container.ts";
import { abortedError } from "./container-errors.ts";
import { hookStateOf } from "./container-status.ts";
import { type Creation, Creator } from "./creation.ts";
import { Receivers } from "./descriptor-passing.ts";
import { type RecordedOperation, recordOperation } from "./failure.ts";
import { runPoststopHooks } from "./hook-runner.ts";
import type { ImageProvider } from "./image-provider.ts";
import { newRecord } from "./new-record.ts";
import type { CreateOptions, Stdio, Warning } from "./options.ts";
import { writePidFile } from "./pid-file.ts";
import { withProcess } from "./record-json.ts";
import { endProcesses } from "./resource-control.ts";
import type { StateDirectory, StateLock } from "./state-directory.ts";
import type { RecordedProcess, StateRecord } from "./state-record.ts";
import { makeStateRoot } from "./state-root.ts";
import { openStandardDescriptors, openStreams, type StandardDescriptors } from "./stdio.ts";
import { type Undo, undoAll } from "./undo.ts";

/** A container that is to be made. */
export interface ContainerRequest {
  readonly id: string;
  readonly loaded: LoadedConfig;
  readonly plan: Plan;
  readonly cgroup: Cgroup | null;
  /** Its groups of resctrl, for a config that asks for them. */
  readonly intelRdt: IntelRdtGroup | null;
  /** Those of the config's annotations that may act. */
  readonly actingAnnotations: Readonly<Record<string, string>>;
  readonly options: CreateOptions;
  readonly directory: StateDirectory;
  readonly isRootless: boolean;
  readonly images?: ImageProvider | undefined;
  readonly warn: (warning: Warning) => void;
}

const consoleSocket = "console socket";
const pidfdSocket = "pidfd socket";

/**
 * Makes a container. Each thing that will exist on the host is written down before it is made, and undone when a later one
 * fails.
 */
export async function createContainer(request: ContainerRequest): Promise<Container> {
  const undo: Undo[] = [];
  try {
    return await create(request, undo);
  } catch (error) {
    await undoAll(undo, request.warn);
    throw request.options.signal?.aborted ? abortedError(request.options.signal, "creation") : error;
  }
}

async function create(request: ContainerRequest, undo: Undo[]): Promise<Container> {
  const { loaded, options, directory, warn } = request;
  const { spec } = loaded;
  checkTerminal(options, spec.process?.terminal ?? false);
  const receivers = new Receivers();
  undo.push(() => receivers[Symbol.dispose]());
  receivers.connect(consoleSocket, options.consoleSocket);
  receivers.connect(pidfdSocket, options.pidfdSocket);
  const stdio = openStandardDescriptors(stdioOf(options, spec.process?.terminal ?? false));
  undo.push(() => stdio.closePipes());
  let creator: Creator | undefined;
  let creation: Creation;
  let record: StateRecord | null = null;
  let lock: StateLock;
  try {
    // runtime.md#lifecycle steps 12 and 13: when all is undone, and only where there was something for hooks to see.
    undo.push(() => {
      if (record === null || record.init_process_pid === 0) return;
      return runPoststopHooks(spec, hookStateOf(record, "stopped"), warn);
    });
    lock = await claim(directory);
    // Until all is undone: what another command makes of the same id would be undone, too.
    undo.push(() => lock[Symbol.dispose]());
    undo.push(() => directory.remove());
    // What the process is in can go when the process has gone.
    const groups: Undo[] = [];
    undo.push(() => undoAll(groups, warn));
    const onProcess = ({ pid }: ChildProcess) => {
      record = withProcess(intent, identify(pid));
      directory.write(record);
    };
    const { directoryFd } = lock;
    const made = newCreator({ request, stdio, directoryFd, onProcess });
    creator = made;
    undo.push(() => made[Symbol.asyncDispose]());
    // A helper without a plan does nothing, and ends with this process: nothing of it has to be written down.
    if (!creator.startsInCgroup) creator.start();
    const intent = recordOf(request, stdio);
    record = intent;
    if (options.hasNotifySocket) directory.createNotifyDirectory();
    directory.writeIntent(intent);
    if (request.intelRdt !== null) makeIntelRdt(request.intelRdt, groups);
    creation = await createProcess({ request, creator, groups });
    if (options.pidFile !== undefined) writePidFile(options.pidFile, creation.child.pid);
  } catch (error) {
    await creator?.settle();
    throw error;
  } finally {
    stdio.closeContainerEnds();
  }
  let { terminalFd } = creation;
  const closeTerminal = () => {
    if (terminalFd !== null) closeFd(terminalFd);
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
    cgroup: request.cgroup,
    child: creation.child,
    streams,
    terminalFd,
    signal: options.signal,
    helperTimeoutMs: options.helperTimeoutMs,
    allowedAnnotations: Object.keys(request.actingAnnotations),
    images: request.images,
  });
  receivers[Symbol.dispose]();
  directory.complete();
  creation.release();
  undo.length = 0;
  lock[Symbol.dispose]();
  return container;
}

/** Claims the id. The state root is made when it turns out to be missing: it is there nearly always. */
async function claim(directory: StateDirectory): Promise<StateLock> {
  try {
    return await directory.claim();
  } catch (error) {
    if (!isRunletError(error) || error.code !== "ERR_RUNLET_HOST") throw error;
    makeStateRoot(dirname(directory.hostPath));
    return await directory.claim();
  }
}

function makeIntelRdt(group: IntelRdtGroup, groups: Undo[]): void {
  group.create();
  groups.push(() => deleteIntelRdt(group.toState()));
}

interface CreatorParts {
  readonly request: ContainerRequest;
  readonly stdio: StandardDescriptors;
  readonly directoryFd: number;
  readonly onProcess: (child: ChildProcess) => void;
}

function newCreator({ request, stdio, directoryFd, onProcess }: CreatorParts): Creator {
  const { id, loaded, plan, cgroup, options } = request;
  const preserved = options.preserveFds ? Array.from({ length: options.preserveFds }, (_, index) => index + 3) : [];
  return new Creator({
    id,
    plan,
    spec: loaded.spec,
    bundleHostPath: loaded.bundleHostPath,
    actingAnnotations: request.actingAnnotations,
    cgroup,
    directoryFd,
    fds: [...stdio.fds, ...preserved],
    signal: options.signal,
    helperTimeoutMs: options.helperTimeoutMs,
    onProcess,
  });
}

interface ProcessParts {
  readonly request: ContainerRequest;
  readonly creator: Creator;
  /** Takes what removes the control group. */
  readonly groups: Undo[];
}

/** Makes the control group and the process: it has been started already where it does not start in the group. */
async function createProcess({ request, creator, groups }: ProcessParts): Promise<Creation> {
  const { cgroup, loaded } = request;
  const makesGroup = cgroup !== null && !cgroup.needsProcess;
  if (makesGroup) await cgroup.create();
  if (cgroup !== null) {
    groups.push(() => (makesGroup || creator.hasMadeCgroup ? removeCgroup(cgroup) : cgroup.delete()));
  }
  if (creator.startsInCgroup) creator.start();
  if (makesGroup) await cgroup.apply(loaded.spec.linux?.resources);
  return await creator.create();
}

/** Removes a control group that was made here, with what hooks have left in it: only a pid namespace ends that with the helper. */
async function removeCgroup(cgroup: Cgroup): Promise<void> {
  if (cgroup.processes().length > 0) await endProcesses(cgroup);
  await cgroup.delete();
}

/** What is written about the container before it is made, with what a start needs. */
function recordOf(request: ContainerRequest, streams: StandardDescriptors): StateRecord {
  const { plan, intelRdt, options } = request;
  let firstIndex = 0;
  for (const { name, operations } of plan.phases) {
    if (name === "atStart") break;
    firstIndex += operations.length;
  }
  const atStart = plan.phases.find(({ name }) => name === "atStart")?.operations ?? [];
  return newRecord(request, streams, {
    intelRdt: intelRdt?.toState(),
    startOperations: { firstIndex, operations: recordOperations(atStart) },
    ownsBundle: options.ownsBundle,
    noNewKeyring: options.noNewKeyring,
    hasNotifySocket: options.hasNotifySocket,
  });
}

const recordedOperations = new WeakMap<readonly Operation[], readonly RecordedOperation[]>();

/** Plans of one config share the operations of their start. */
function recordOperations(operations: readonly Operation[]): readonly RecordedOperation[] {
  let recorded = recordedOperations.get(operations);
  if (recorded === undefined) {
    recorded = operations.map(recordOperation);
    recordedOperations.set(operations, recorded);
  }
  return recorded;
}

function identify(pid: number): RecordedProcess {
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
