import { closeSync, fstatSync, openSync, readlinkSync, writeFileSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Cgroup } from "@runlet/cgroups";
import { RunletError } from "@runlet/errors";
import { compile, type Plan } from "@runlet/plan";
import { openat, openFlags } from "@runlet/syscall";
import { hostFacts, hostLayout } from "../host.ts";
import type { ContainerStatus } from "../options.ts";
import { withNotifyMount } from "../service-manager.ts";
import type { StateRecord } from "../state-record.ts";
import { criuConfigPath } from "./criu-config.ts";
import { type CriuOptions, cgroupModes, requestTypes } from "./criu-message.ts";
import { type CriuNotification, CriuProcess } from "./criu-process.ts";
import { alwaysSet, type CriuService, explainCriuFailure, openCriuService, requireFeatures } from "./criu-service.ts";
import {
  externalMounts,
  externalNamespaces,
  inheritedNamespaces,
  locateExternalMounts,
  namespaceInode,
} from "./external-resource.ts";
import { checkParentPath, clearWorkFiles, makeImageDirectory, makeWorkDirectory } from "./image-directory.ts";
import type { CheckpointOptions, ManageCgroupsMode } from "./options.ts";

/** Where the links of the container's standard streams are written, in an image. */
export const descriptorsName = "descriptors.json";

const dumpLogName = "dump.log";
const CLONE_NEWNET = 0x4000_0000;

/** What {@link checkpointContainer} works on. */
export interface CheckpointRequest {
  readonly record: StateRecord;
  readonly status: ContainerStatus;
  readonly cgroup: Cgroup | null;
  /** Directory of the container's state. */
  readonly stateHostPath: string;
  /** Names of annotations that may act. */
  readonly allowedAnnotations: readonly string[];
  readonly options: CheckpointOptions;
}

/**
 * Saves a container to image files. Its processes have ended afterwards, unless the options say otherwise.
 *
 * @throws RunletError `ERR_RUNLET_STATE` when it does not run, `ERR_RUNLET_CHECKPOINT`; the container goes on then.
 */
export async function checkpointContainer(request: CheckpointRequest): Promise<void> {
  const { options, status, record } = request;
  checkStatus(status);
  if (options.parentPath !== undefined) checkParentPath(options.parentPath);
  checkStatusFd(options.statusFd);
  const service = await openCriuService(options.criuPath);
  if (options.preDump) await requireFeatures(service, { memTrack: true });
  if (options.lazyPages) await requireFeatures(service, { lazyPages: true });
  const imageHostPath = resolve(options.imagePath);
  const workHostPath = resolve(options.workPath ?? options.imagePath);
  const fds: number[] = [];
  try {
    const imagesDirFd = makeImageDirectory(imageHostPath);
    fds.push(imagesDirFd);
    clearWorkFiles(imagesDirFd, dumpLogName);
    const workDirFd = makeWorkDirectory(workHostPath, dumpLogName);
    fds.push(workDirFd);
    const opts = { ...criuOptions(request), imagesDirFd, workDirFd };
    if (!options.preDump) {
      const links = record.external_descriptors ?? streamLinks(record.init_process_pid);
      writeDescriptors(imagesDirFd, links);
    }
    await dump(request, service, { opts, logHostPath: join(workHostPath, dumpLogName) });
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

async function dump(
  { record, options }: CheckpointRequest,
  { hostPath }: CriuService,
  { opts, logHostPath }: { opts: CriuOptions; logHostPath: string },
): Promise<void> {
  const nullFd = openSync("/dev/null", "r+");
  try {
    await using criu = await CriuProcess.start({ hostPath, fds: [nullFd, nullFd, nullFd] });
    const type = options.preDump ? requestTypes.PRE_DUMP : requestTypes.DUMP;
    const response = await criu.request({ type, opts }, (notification) => onNotification(notification, options));
    if (!response.success) throw explainCriuFailure(`cannot save container ${record.id}`, response, logHostPath);
    // After a pre-dump CRIU waits for the dump that follows; it is another one's.
    const hasEndedWell = await criu.finish();
    if (!hasEndedWell && !options.preDump) {
      throw explainCriuFailure(`cannot save container ${record.id}`, response, logHostPath);
    }
  } finally {
    closeSync(nullFd);
  }
}

function onNotification({ script, fds }: CriuNotification, { statusFd }: CheckpointOptions): void {
  for (const fd of fds) closeSync(fd);
  if (script !== "status-ready" || statusFd === undefined) return;
  writeSync(statusFd, "\0");
  closeSync(statusFd);
}

function checkStatus(status: ContainerStatus): void {
  if (status === "running" || status === "paused") return;
  throw new RunletError("ERR_RUNLET_STATE", `container cannot be checkpointed in ${status} state`, {
    hint: status === "created" ? "start it first" : undefined,
  });
}

function checkStatusFd(fd: number | undefined): void {
  if (fd === undefined) return;
  try {
    fstatSync(fd);
  } catch (cause) {
    throw new RunletError("ERR_RUNLET_USAGE", `the descriptor ${fd} (--status-fd) is not open`, { cause });
  }
}

/** The plan that the container was made by. */
function planOf({ record, cgroup, stateHostPath }: CheckpointRequest): Plan {
  const { id, config, bundle, hasNotifySocket } = record;
  const group =
    cgroup === null || cgroup.driver === "disabled"
      ? null
      : {
          driver: cgroup.driver,
          path: cgroup.path,
          writes: [],
          controllers: cgroup.controllers,
          hostPaths: cgroup.hostPaths,
        };
  const spec = hasNotifySocket ? withNotifyMount(config, stateHostPath) : config;
  return compile(spec, hostFacts(), { id, bundleHostPath: bundle, cgroup: group });
}

function criuOptions(request: CheckpointRequest): CriuOptions {
  const { record, cgroup, options } = request;
  const pid = record.init_process_pid;
  const plan = planOf(request);
  const configHostPath = criuConfigPath(record.config, request.allowedAnnotations);
  const namespaces = externalNamespaces(record.config);
  const mounts = options.preDump ? new Map<string, string>() : locateExternalMounts(pid, externalMounts(plan));
  const freezer = freezerOf(cgroup);
  return {
    ...alwaysSet,
    ...sharedOptions(options),
    pid,
    root: record.rootfs,
    logFile: dumpLogName,
    leaveRunning: options.leaveRunning ?? false,
    tcpSkipInFlight: options.tcpSkipInFlight ?? false,
    linkRemap: options.linkRemap ?? false,
    extMnt: [...mounts].map(([key, val]) => ({ key, val })),
    external: namespaces.flatMap((namespace) => {
      if (!(namespace.type in inheritedNamespaces)) return [];
      const [name, key] = inheritedNamespaces[namespace.type as keyof typeof inheritedNamespaces];
      return [`${name}[${namespaceInode(namespace)}]:${key}`];
    }),
    ...(freezer === undefined ? {} : { freezeCgroup: freezer }),
    ...(options.pageServer === undefined ? {} : { ps: options.pageServer }),
    ...(options.parentPath === undefined ? {} : { parentImg: options.parentPath, trackMem: true }),
    ...(configHostPath === null ? {} : { configFile: configHostPath }),
  };
}

/** What a checkpoint and a restore ask for alike. */
export function sharedOptions(
  options: Omit<CheckpointOptions, "imagePath" | "manageCgroupsMode"> & {
    readonly manageCgroupsMode?: ManageCgroupsMode | undefined;
  },
): CriuOptions {
  return {
    tcpEstablished: options.tcpEstablished ?? false,
    extUnixSk: options.extUnixSk ?? false,
    shellJob: options.shellJob ?? false,
    fileLocks: options.fileLocks ?? false,
    lazyPages: options.lazyPages ?? false,
    autoDedup: options.autoDedup ?? false,
    manageCgroupsMode: cgroupModes[options.manageCgroupsMode ?? "default"],
    emptyNs: options.emptyNamespaces?.includes("network") ? CLONE_NEWNET : 0,
  };
}

/** The control group by which CRIU freezes the container; without one it stops each process by ptrace(2). */
function freezerOf(cgroup: Cgroup | null): string | undefined {
  if (cgroup === null) return undefined;
  return hostLayout().kind === "v2" ? cgroup.hostPaths[""] : cgroup.hostPaths.freezer;
}

/** By descriptor, as all that CRIU writes: where others may write to a directory above, its path could lead elsewhere. */
function writeDescriptors(dirFd: number, links: readonly string[]): void {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = openFlags;
  const fd = openat({ dirFd, path: descriptorsName, flags: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600 });
  try {
    writeFileSync(fd, JSON.stringify(links));
  } finally {
    closeSync(fd);
  }
}

/** What a process's standard streams are: `pipe:[12345]`, `/dev/null`. */
function streamLinks(pid: number): string[] {
  return [0, 1, 2].map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return "";
    }
  });
}
