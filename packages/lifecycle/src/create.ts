import { closeSync } from "node:fs";
import { type Cgroup, deleteIntelRdt, type IntelRdtGroup } from "@runlet/cgroups";
import { RunletError } from "@runlet/errors";
import type { Plan } from "@runlet/plan";
import type { ChildProcess } from "@runlet/syscall";
import type { LoadedConfig } from "./config.ts";
import { Container } from "./container.ts";
import { type Creation, Creator } from "./creation.ts";
import { Receivers } from "./descriptor-passing.ts";
import { recordOperation } from "./failure.ts";
import { type HookState, runPoststopHooks } from "./hook-runner.ts";
import type { ImageProvider } from "./image-provider.ts";
import type { CreateOptions, Stdio, Warning } from "./options.ts";
import { writePidFile } from "./pid-file.ts";
import { readProcessStatus } from "./process-status.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { StateRecord } from "./state-record.ts";
import { linksOf, openStandardDescriptors, openStreams, type StandardDescriptors } from "./stdio.ts";

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
  const { loaded, options, directory, warn } = request;
  const { spec } = loaded;
  checkTerminal(options, spec.process?.terminal ?? false);
  using receivers = new Receivers();
  receivers.connect(consoleSocket, options.consoleSocket);
  receivers.connect(pidfdSocket, options.pidfdSocket);
  const stdio = openStandardDescriptors(stdioOf(options, spec.process?.terminal ?? false));
  undo.push(() => stdio.closePipes());
  let creation: Creation;
  let record: StateRecord = { ...newRecord(request), external_descriptors: linksOf(stdio.fds) };
  // runtime.md#lifecycle steps 12 and 13: when all is undone, and only where there was something for hooks to see.
  undo.push(() => (record.init_process_pid === 0 ? undefined : runPoststopHooks(spec, stoppedState(record), warn)));
  directory.create();
  undo.push(() => directory.remove());
  if (options.hasNotifySocket) directory.createNotifyDirectory();
  try {
    using lock = await directory.lock();
    directory.writeIntent(record);
    if (request.intelRdt !== null) makeIntelRdt(request.intelRdt, undo);
    const onProcess = ({ pid }: ChildProcess) => {
      record = { ...record, ...identify(pid) };
      directory.write(record);
    };
    const { directoryFd } = lock;
    const creator = newCreator({ request, stdio, directoryFd, onProcess });
    creation = await createProcess({ request, creator, undo });
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
    cgroup: request.cgroup,
    child: creation.child,
    streams,
    terminalFd,
    signal: options.signal,
    allowedAnnotations: Object.keys(request.actingAnnotations),
    images: request.images,
  });
  creation.release();
  undo.length = 0;
  return container;
}

function makeIntelRdt(group: IntelRdtGroup, undo: Undo[]): void {
  group.create();
  undo.push(() => deleteIntelRdt(group.toState()));
}

function stoppedState({ ociVersion, id, bundle, annotations }: StateRecord): HookState {
  return { ociVersion, id, status: "stopped", bundle, ...(annotations === undefined ? {} : { annotations }) };
}

interface CreatorParts {
  readonly request: ContainerRequest;
  readonly stdio: StandardDescriptors;
  readonly directoryFd: number;
  readonly onProcess: (child: ChildProcess) => void;
}

function newCreator({ request, stdio, directoryFd, onProcess }: CreatorParts): Creator {
  const { id, loaded, plan, cgroup, options } = request;
  const preserved = Array.from({ length: options.preserveFds ?? 0 }, (_, index) => index + 3);
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
  readonly undo: Undo[];
}

/** Makes the control group and the process, side by side where the process does not start in the group. */
async function createProcess({ request, creator, undo }: ProcessParts): Promise<Creation> {
  const { cgroup, loaded } = request;
  const resources = loaded.spec.linux?.resources;
  const makesGroup = cgroup !== null && !cgroup.needsProcess;
  if (cgroup !== null && !makesGroup) undo.push(() => cgroup.delete());
  if (makesGroup && creator.startsInCgroup) {
    await cgroup.create();
    undo.push(() => cgroup.delete());
  }
  undo.push(() => creator[Symbol.asyncDispose]());
  creator.start();
  if (makesGroup && !creator.startsInCgroup) {
    await cgroup.create();
    undo.splice(-1, 0, () => cgroup.delete());
  }
  if (makesGroup) await cgroup.apply(resources);
  return await creator.create();
}

function newRecord({ id, loaded, plan, cgroup, intelRdt, options, isRootless }: ContainerRequest): StateRecord {
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
    ...(intelRdt === null ? {} : { intelRdt: intelRdt.toState() }),
    startOperations: { firstIndex, operations: atStart.map(recordOperation) },
    ...(options.ownsBundle ? { ownsBundle: true } : {}),
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
