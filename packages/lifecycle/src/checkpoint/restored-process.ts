import { closeSync, constants, openSync, readFileSync } from "node:fs";
import type { Cgroup, CgroupDescriptors } from "@runlet/cgroups";
import { quote, RunletError } from "@runlet/errors";
import type { Operation, Plan } from "@runlet/plan";
import type { LinuxResources } from "@runlet/spec";
import { type ChildProcess, closeFds, fstat, openPidfd, sendSignal, waitPidfd, waitReadable } from "@runlet/syscall";
import { type HookState, runHook } from "../hook-runner.ts";
import { type CriuOptions, type CriuResponse, requestTypes } from "./criu-message.ts";
import { type CriuNotification, CriuProcess, type CriuSurroundings } from "./criu-process.ts";
import { type CriuService, explainCriuFailure } from "./criu-service.ts";
import { makeRootReadonly } from "./readonly-root.ts";

const SIGKILL = 9;

/** What {@link restoreProcess} brings back, and how. */
export interface RestoredProcessRequest {
  readonly id: string;
  readonly service: CriuService;
  readonly plan: Plan;
  /** The root file system on the host. */
  readonly rootHostPath: string;
  readonly cgroup: Cgroup | null;
  readonly resources: LinuxResources | undefined;
  readonly actingAnnotations: Readonly<Record<string, string>>;
  /** All of CRIU's options but those that depend on its process. */
  readonly opts: CriuOptions;
  readonly images: HeldDirectory;
  readonly work: HeldDirectory;
  readonly fds: readonly [number, number, number];
  readonly inheritedFds: readonly number[];
  readonly logHostPath: string;
  readonly signal?: AbortSignal | undefined;
  /** The state that hooks get. */
  hookState(pid: number): HookState;
  /** Called with the process when it is whole, before it goes on. */
  onProcess(child: ChildProcess): void;
}

/** A directory that has been opened and looked at. */
export interface HeldDirectory {
  /** Absolute. */
  readonly hostPath: string;
  /** Stays the caller's. */
  readonly fd: number;
}

/** A process that runs, the caller's child. */
export interface RestoredProcess {
  readonly child: ChildProcess;
  /** The main end of its terminal, the caller's; null without one. */
  readonly terminalFd: number | null;
}

/**
 * Lets CRIU restore a container's processes; returns when they run. When that fails, none is left.
 *
 * CRIU gets a mount namespace of its own, in which the root file system is a mount, as CRIU demands it: nothing is ever
 * mounted on the host. It stands in the container's control group, where its children stay.
 */
export async function restoreProcess(request: RestoredProcessRequest): Promise<RestoredProcess> {
  const run = new RestoreRun(request);
  try {
    return await run.restore();
  } catch (error) {
    await run.undo();
    throw error;
  }
}

class RestoreRun {
  readonly #request: RestoredProcessRequest;
  #child: ChildProcess | null = null;
  #terminalFd: number | null = null;

  constructor(request: RestoredProcessRequest) {
    this.#request = request;
  }

  /** Those of the plan. */
  get #operations(): readonly Operation[] {
    return this.#request.plan.phases.flatMap(({ operations }) => operations);
  }

  async restore(): Promise<RestoredProcess> {
    const { service, fds, inheritedFds, signal, id, logHostPath, cgroup } = this.#request;
    const groups = openGroups(cgroup);
    let criu: CriuProcess;
    try {
      const surroundings = this.#surroundings(groups);
      criu = await CriuProcess.start({ hostPath: service.hostPath, fds, inheritedFds, surroundings, signal });
    } finally {
      groups?.[Symbol.dispose]();
    }
    await using running = criu;
    const imagesDirFd = openAsSeenBy(running.pid, this.#request.images);
    const workDirFd = openAsSeenBy(running.pid, this.#request.work);
    const cgRoot = cgroup === null ? [] : groupPaths(running.pid);
    const request = { type: requestTypes.RESTORE, opts: { ...this.#request.opts, cgRoot, imagesDirFd, workDirFd } };
    let response: CriuResponse;
    try {
      response = await running.request(request, (notification) => this.#onNotification(notification));
    } finally {
      closeSync(imagesDirFd);
      closeSync(workDirFd);
    }
    if (!response.success) throw explainCriuFailure(`cannot restore container ${id}`, response, logHostPath);
    const hasEndedWell = await running.finish();
    if (!hasEndedWell || this.#child === null) {
      throw explainCriuFailure(`cannot restore container ${id}`, response, logHostPath);
    }
    return { child: this.#child, terminalFd: this.#terminalFd };
  }

  async #onNotification({ script, pid, fds }: CriuNotification): Promise<void> {
    if (script === "orphan-pts-master" && this.#terminalFd === null) {
      const [terminalFd = null, ...others] = fds;
      this.#terminalFd = terminalFd;
      others.forEach(closeSync);
      return;
    }
    fds.forEach(closeSync);
    if (pid > 0) this.#child ??= { pid, pidfd: openPidfd(pid) };
    if (script === "setup-namespaces") await this.#runHooks(pid);
    if (script !== "post-restore" || this.#child === null) return;
    const readonlyRoot = this.#operations.find(({ op }) => op === "setRootReadonly");
    if (readonlyRoot !== undefined) await makeRootReadonly(this.#child.pid, this.#request.rootHostPath, readonlyRoot);
    this.#request.onProcess(this.#child);
  }

  /** runtime.md#lifecycle: hooks of what is done in the runtime's namespaces, when the container's are there. */
  async #runHooks(pid: number): Promise<void> {
    const { signal } = this.#request;
    for (const hook of this.#operations) {
      if (hook.op !== "hook" || (hook.kind !== "prestart" && hook.kind !== "createRuntime")) continue;
      await runHook({ hook, state: this.#request.hookState(pid), signal });
    }
  }

  #surroundings(groups: CgroupDescriptors | null): CriuSurroundings {
    const { rootHostPath, cgroup, resources, actingAnnotations } = this.#request;
    const operations = this.#operations;
    const intoCgroup = operations.some((operation) => operation.op === "clone" && operation.intoCgroup);
    const unit = operations.find((operation) => operation.op === "createCgroup");
    const from = unit?.from ?? "spec:config-linux.md#cgroups-path";
    const controllers = groups?.procs.map(({ controller }) => controller) ?? [];
    const written = controllers.filter((controller) => controller !== "" || !intoCgroup);
    const join: Operation[] =
      written.length === 0 ? [] : [{ op: "joinCgroup", slots: written.map((_, slot) => slot), from }];
    return {
      namespaces: ["mount"],
      intoCgroup,
      descriptors: written.map((controller) => ({ kind: "cgroupProcs", controller, from })),
      operations: [
        ...(cgroup?.needsProcess && unit !== undefined ? [unit] : join),
        { op: "setRootPropagation", propagation: ["MS_SLAVE", "MS_REC"], privateParentOf: null, from: "/root/path" },
        { op: "bindRoot", hostPath: rootHostPath, treeSlot: null, from: "/root/path" },
      ],
      cgroup: groups,
      carryOut: async (operation, pid) => {
        if (operation.op !== "createCgroup") throw new Error(`${operation.op} is no operation of a restore`);
        await cgroup?.create({ pid, resources: resources ?? {}, annotations: actingAnnotations });
        await cgroup?.apply(resources);
      },
    };
  }

  /** Ends and collects what CRIU has left behind: its children are ours. */
  async undo(): Promise<void> {
    if (this.#terminalFd !== null) closeSync(this.#terminalFd);
    if (this.#child !== null) await endChild(this.#child);
    await this.#request.cgroup?.kill(SIGKILL);
  }
}

function openGroups(cgroup: Cgroup | null): (CgroupDescriptors & Disposable) | null {
  if (cgroup === null || cgroup.needsProcess) return null;
  const groups = cgroup.openProcs();
  const fds = groups.procs.map(({ fd }) => fd);
  if (groups.directoryFd !== null) fds.push(groups.directoryFd);
  return { ...groups, [Symbol.dispose]: () => closeFds(fds) };
}

/**
 * Opens a directory in the mount namespace of a process: CRIU mounts in its work directory, which the kernel allows only in
 * one's own.
 */
function openAsSeenBy(pid: number, { hostPath, fd }: HeldDirectory): number {
  const seenFd = openSync(`/proc/${pid}/root${hostPath}`, constants.O_RDONLY | constants.O_DIRECTORY);
  const [seen, held] = [fstat(seenFd), fstat(fd)];
  if (seen.ino === held.ino && seen.dev === held.dev) return seenFd;
  closeSync(seenFd);
  throw new RunletError("ERR_RUNLET_CHECKPOINT", `another directory has taken the place of ${quote(hostPath)}`);
}

/** The control groups that take the place of those that the container was in when it was saved. */
function groupPaths(pid: number): { ctrl: string; path: string }[] {
  return readFileSync(`/proc/${pid}/cgroup`, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => {
      const [, controllers = "", ...path] = line.split(":");
      return controllers.split(",").map((ctrl) => ({ ctrl, path: path.join(":") }));
    });
}

async function endChild({ pidfd }: ChildProcess): Promise<void> {
  try {
    sendSignal(pidfd, SIGKILL);
    while (waitPidfd(pidfd) === null) await waitReadable(pidfd);
  } catch {
    // CRIU has ended it, and whoever collects orphans has collected it.
  } finally {
    closeSync(pidfd);
  }
}
