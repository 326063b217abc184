import { closeSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Cgroup } from "@runlet/cgroups";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import type { Plan } from "@runlet/plan";
import type { Spec } from "@runlet/spec";
import { readProcessStatus } from "@runlet/syscall";
import { selectAnnotations } from "../annotations.ts";
import type { LoadedConfig } from "../config.ts";
import { Container } from "../container.ts";
import { abortedError } from "../container-errors.ts";
import { hookStateOf } from "../container-status.ts";
import { Receivers } from "../descriptor-passing.ts";
import { runPoststartHooks, runPoststopHooks } from "../hook-runner.ts";
import { newRecord } from "../new-record.ts";
import type { Warning } from "../options.ts";
import { writePidFile } from "../pid-file.ts";
import { withProcess } from "../record-json.ts";
import { notifyContainerPath, withNotifyMount } from "../service-manager.ts";
import type { StateDirectory, StateLock } from "../state-directory.ts";
import type { RecordedProcess, StateRecord } from "../state-record.ts";
import { openStandardDescriptors, openStreams, type StandardDescriptors } from "../stdio.ts";
import { type Undo, undoAll } from "../undo.ts";
import { descriptorsName, sharedOptions } from "./checkpoint.ts";
import { criuConfigPath } from "./criu-config.ts";
import type { CriuOptions } from "./criu-message.ts";
import { firstInheritedFd } from "./criu-process.ts";
import { alwaysSet, type CriuService, openCriuService, requireVersion } from "./criu-service.ts";
import {
  type ExternalMount,
  type ExternalNamespace,
  externalMounts,
  externalNamespaces,
  inheritedNamespaces,
  nullDevice,
} from "./external-resource.ts";
import { checkImages } from "./image-check.ts";
import { ImageDirectory, imageError, makeWorkDirectory } from "./image-directory.ts";
import { hasExternalMount } from "./image-mount-check.ts";
import { makeMountPoints } from "./mount-point.ts";
import type { ManageCgroupsMode, RestoreOptions } from "./options.ts";
import { type RestoredProcess, restoreProcess } from "./restored-process.ts";

const restoreLogName = "restore.log";
const consoleSocket = "console socket";
/** The first CRIU of which it is certain that it saves `no_new_privs`. */
const noNewPrivilegesVersion = 40000;

/** What {@link restoreContainer} brings back. */
export interface RestoreRequest {
  readonly id: string;
  readonly loaded: LoadedConfig;
  /** Compiles a plan of a config for this container. */
  readonly compile: (spec: Spec) => Plan;
  readonly cgroup: Cgroup | null;
  /** Names of annotations that may act. */
  readonly allowedAnnotations: readonly string[];
  readonly options: RestoreOptions;
  readonly directory: StateDirectory;
  readonly isRootless: boolean;
  readonly warn: (warning: Warning) => void;
}

/**
 * Restores a container from image files. Nothing that the images say is believed before it has been compared with the config.
 *
 * @throws RunletError; nothing is left behind then.
 */
export async function restoreContainer(request: RestoreRequest): Promise<Container> {
  const { options, warn } = request;
  const undo: Undo[] = [];
  try {
    return await restore(request, undo);
  } catch (error) {
    await undoAll(undo, warn);
    throw options.signal?.aborted ? abortedError(options.signal, "restoring") : error;
  }
}

async function restore(request: RestoreRequest, undo: Undo[]): Promise<Container> {
  const { loaded, options, directory, warn } = request;
  const { spec } = loaded;
  const hasTerminal = spec.process?.terminal ?? false;
  checkTerminal(options, hasTerminal);
  const service = await openCriuService(options.criuPath);
  checkVersions(service, options);
  if (spec.process?.noNewPrivileges && service.version < noNewPrivilegesVersion) {
    warn({ pointer: "/process/noNewPrivileges", message: "is not restored: CRIU does it from version 4.0 on" });
  }
  if (spec.linux?.intelRdt !== undefined) {
    warn({ pointer: "/linux/intelRdt", message: "is not restored: the container is in the default class of service" });
  }
  const namespaces = externalNamespaces(spec);
  using images = ImageDirectory.open(resolve(options.imagePath));
  // It was made with a socket to report to a service manager, of which its config says nothing.
  const hasNotifySocket = hasExternalMount(images, notifyContainerPath) && !hasMount(spec, notifyContainerPath);
  const plan = request.compile(hasNotifySocket ? withNotifyMount(spec, directory.hostPath) : spec);
  const mounts = externalMounts(plan);
  const pipes = readPipes(images);
  using receivers = new Receivers();
  receivers.connect(consoleSocket, options.consoleSocket);
  const stdio = openStandardDescriptors(hasTerminal ? "null" : (options.stdio ?? "pipe"));
  undo.push(() => stdio.closePipes());
  const held: number[] = [];
  let record: StateRecord;
  let restored: RestoredProcess;
  let lock: StateLock;
  try {
    record = newRecord(request, stdio, { hasNotifySocket });
    undo.push(() =>
      record.init_process_pid === 0 ? undefined : runPoststopHooks(spec, hookStateOf(record, "stopped"), warn),
    );
    lock = await claim(request, record, undo);
    const mountPoints = makeMountPoints(loaded.rootHostPath, plan);
    checkImages(images, {
      spec,
      plan,
      rootHostPath: loaded.rootHostPath,
      external: mounts,
      namespaces,
      mountPoints,
      restoresCgroups: cgroupsMode(request) !== "ignore",
      hasLsmProfile: options.lsmProfile !== undefined,
      savesNoNewPrivileges: service.version >= noNewPrivilegesVersion,
    });
    const workHostPath = resolve(options.workPath ?? options.imagePath);
    const workDirFd = makeWorkDirectory(workHostPath, restoreLogName);
    held.push(workDirFd);
    const inherited = openNamespaces(namespaces, held);
    restored = await restoreProcess({
      ...request,
      service,
      plan,
      rootHostPath: loaded.rootHostPath,
      resources: spec.linux?.resources,
      actingAnnotations: selectAnnotations(spec, request.allowedAnnotations),
      opts: {
        ...restoreOptions(request, { plan, namespaces, mounts }),
        inheritFd: [...inherited.map(({ key }, index) => ({ key, fd: firstInheritedFd + index })), ...pipes],
      },
      images,
      work: { hostPath: workHostPath, fd: workDirFd },
      fds: stdio.fds,
      inheritedFds: inherited.map(({ fd }) => fd),
      logHostPath: join(workHostPath, restoreLogName),
      signal: options.signal,
      hookState: (pid) => hookStateOf({ ...record, init_process_pid: pid }, "creating"),
      onProcess: (child) => {
        record = withProcess(record, identify(child.pid));
        directory.write(record);
        if (options.pidFile !== undefined) writePidFile(options.pidFile, child.pid);
      },
    });
  } finally {
    stdio.closeContainerEnds();
    for (const fd of held) closeSync(fd);
  }
  return await adopt({ request, record, restored, receivers, stdio, lock }, undo);
}

/** Takes the id, writes down what is going to be made, and makes the control group. */
async function claim(
  { directory, cgroup, loaded }: RestoreRequest,
  record: StateRecord,
  undo: Undo[],
): Promise<StateLock> {
  const lock = await directory.claim();
  // Until all is undone: what another command makes of the same id would be undone, too.
  undo.push(() => lock[Symbol.dispose]());
  undo.push(() => directory.remove());
  if (record.hasNotifySocket) directory.createNotifyDirectory();
  directory.writeIntent(record);
  if (cgroup === null) return lock;
  undo.push(() => cgroup.delete());
  if (cgroup.needsProcess) return lock;
  await cgroup.create();
  await cgroup.apply(loaded.spec.linux?.resources);
  return lock;
}

interface RestoredParts {
  readonly request: RestoreRequest;
  readonly record: StateRecord;
  readonly restored: RestoredProcess;
  readonly receivers: Receivers;
  readonly stdio: StandardDescriptors;
  /** Ends here. */
  readonly lock: StateLock;
}

/** Makes a container of what runs. */
async function adopt(parts: RestoredParts, undo: Undo[]): Promise<Container> {
  const { request, record, restored, receivers, stdio, lock } = parts;
  const { loaded, options, directory, warn } = request;
  const { child, terminalFd } = restored;
  const isPassedOn = receivers.has(consoleSocket);
  const container = new Container({
    directory,
    record,
    warn,
    child,
    streams: stdio.pipeFds === null ? null : await openStreams(stdio.pipeFds),
    terminalFd: isPassedOn ? null : terminalFd,
    allowedAnnotations: request.allowedAnnotations,
    signal: options.signal,
  });
  undo.length = 0;
  directory.complete();
  lock[Symbol.dispose]();
  undo.push(() => container.delete({ force: true }));
  if (isPassedOn && terminalFd !== null) {
    try {
      receivers.pass(consoleSocket, "/dev/ptmx", terminalFd);
    } finally {
      closeSync(terminalFd);
    }
  }
  await runPoststartHooks(loaded.spec, { state: hookStateOf(record, "running"), signal: options.signal });
  undo.length = 0;
  return container;
}

function hasMount({ mounts = [] }: Spec, containerPath: string): boolean {
  return mounts.some(({ destination }) => destination === containerPath);
}

function checkTerminal({ consoleSocket: hostPath }: RestoreOptions, hasTerminal: boolean): void {
  if (hostPath === undefined || hasTerminal) return;
  throw new RunletError("ERR_RUNLET_TERMINAL", "cannot use console socket if runlet will not detach or allocate tty", {
    pointer: "/process/terminal",
    hint: "set process.terminal in the config, or leave the console socket out",
  });
}

/** Without a control group of the container's own, those of the images would be made where they were. */
function cgroupsMode({ cgroup, options }: RestoreRequest): ManageCgroupsMode | undefined {
  return cgroup === null ? "ignore" : options.manageCgroupsMode;
}

function checkVersions(service: CriuService, { lsmProfile, lsmMountContext }: RestoreOptions): void {
  if (lsmProfile !== undefined) requireVersion(service, 31600, "--lsm-profile");
  if (lsmMountContext !== undefined) requireVersion(service, 31600, "--lsm-mount-context");
}

/** What is restored, and what of it lies outside. */
interface RestorePlan {
  readonly plan: Plan;
  readonly namespaces: readonly ExternalNamespace[];
  readonly mounts: readonly ExternalMount[];
}

function restoreOptions(request: RestoreRequest, { plan, namespaces, mounts }: RestorePlan): CriuOptions {
  const { loaded, options, allowedAnnotations } = request;
  const { lsmProfile, lsmMountContext } = options;
  const configHostPath = criuConfigPath(loaded.spec, allowedAnnotations);
  const hasMasks = plan.phases.some(({ operations }) => operations.some(({ op }) => op === "maskPath"));
  const masks = hasMasks ? [{ key: nullDevice, val: nullDevice }] : [];
  return {
    ...alwaysSet,
    ...sharedOptions({ ...options, manageCgroupsMode: cgroupsMode(request) }),
    root: loaded.rootHostPath,
    logFile: restoreLogName,
    rstSibling: true,
    evasiveDevices: true,
    extMnt: [
      ...masks.filter(({ key }) => !mounts.some(({ containerPath }) => containerPath === key)),
      ...mounts.map(({ containerPath, hostPath }) => ({ key: containerPath, val: hostPath })),
    ],
    joinNs: namespaces
      .filter(({ type }) => !(type in inheritedNamespaces))
      .map(({ type, hostPath }) => ({ ns: type, nsFile: hostPath })),
    ...(lsmProfile === undefined ? {} : { lsmProfile }),
    ...(lsmMountContext === undefined ? {} : { lsmMountContext }),
    ...(configHostPath === null ? {} : { configFile: configHostPath }),
  };
}

/** Opens the namespaces that CRIU inherits by descriptor. */
function openNamespaces(namespaces: readonly ExternalNamespace[], held: number[]): { key: string; fd: number }[] {
  return namespaces.flatMap(({ type, hostPath, from }) => {
    if (!(type in inheritedNamespaces)) return [];
    const [, key] = inheritedNamespaces[type as keyof typeof inheritedNamespaces];
    try {
      const fd = openSync(hostPath, "r");
      held.push(fd);
      return [{ key, fd }];
    } catch (cause) {
      const errno = String((cause as NodeJS.ErrnoException).code);
      throw new RunletError(
        "ERR_RUNLET_NAMESPACE",
        `the ${type} namespace ${quote(hostPath)}: ${errnoMessage(errno)}`,
        {
          pointer: `${from}/path`,
          syscall: "open",
          errno,
          cause,
        },
      );
    }
  });
}

/** Those of the saved container's standard streams that were pipes, each to be replaced by ours of the same number. */
function readPipes(images: ImageDirectory): { key: string; fd: number }[] {
  let links: unknown;
  try {
    links = JSON.parse(Buffer.from(images.read(descriptorsName)).toString("utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (!Array.isArray(links) || links.length > 3)
    throw imageError(images.hostPath, descriptorsName, "holds no list of three");
  return links.flatMap((key: unknown, fd) =>
    typeof key === "string" && /^pipe:\[\d{1,20}\]$/.test(key) ? [{ key, fd }] : [],
  );
}

function identify(pid: number): RecordedProcess {
  const status = readProcessStatus(pid);
  if (status === null)
    throw new RunletError("ERR_RUNLET_CHECKPOINT", "the restored process ended before it was recorded");
  return { init_process_pid: pid, init_process_start: status.startTime };
}
