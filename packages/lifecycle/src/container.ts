import type { Readable, Writable } from "node:stream";
import { type Cgroup, type CgroupEvent, cgroupFromState, deleteIntelRdt, intelRdtStats } from "@runlet/cgroups";
import type { LinuxResources } from "@runlet/spec";
import { closeFd } from "@runlet/syscall";
import type { CheckpointOptions } from "./checkpoint/options.ts";
import {
  abortedError,
  cannotDelete,
  cannotStart,
  isNotFound,
  messageOf,
  noStreams,
  noTerminal,
  notRunning,
} from "./container-errors.ts";
import type { ContainerParts } from "./container-parts.ts";
import { ContainerProcess } from "./container-process.ts";
import { ContainerRecord } from "./container-record.ts";
import { hasOwnPidNamespace, hookStateOf, stateOf, statusOf } from "./container-status.ts";
import { execProcess } from "./exec.ts";
import type { ExecOptions } from "./exec-options.ts";
import type { ExecProcess } from "./exec-process.ts";
import { runPoststartHooks, runPoststopHooks } from "./hook-runner.ts";
import { hostLayout } from "./host.ts";
import type { ImageProvider } from "./image-provider.ts";
import type { SchemataUpdate } from "./intel-rdt.ts";
import type {
  ContainerState,
  ContainerStats,
  ContainerStatus,
  ContainerStreams,
  ExitInfo,
  Warning,
} from "./options.ts";
import {
  type ControlledContainer,
  pauseProcesses,
  requireCgroup,
  requireProcesses,
  resumeProcesses,
  thawKilled,
  updateLimits,
} from "./resource-control.ts";
import { signalName, signalNumber } from "./signal-name.ts";
import { connectForStart, startProcess } from "./start.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { StateRecord } from "./state-record.ts";

const SIGKILL = 9;
const SIGTERM = 15;

/**
 * One container. `Runtime.create` and `Runtime.load` give it; any number of objects, in any number of processes, may stand
 * for the same container. Disposing it kills and deletes the container.
 */
export class Container implements AsyncDisposable {
  readonly id: string;
  readonly #directory: StateDirectory;
  readonly #record: ContainerRecord;
  readonly #warn: (warning: Warning) => void;
  readonly #streams: ContainerStreams | null;
  readonly #signal: AbortSignal | undefined;
  readonly #helperTimeoutMs: number | undefined;
  readonly #allowed: readonly string[];
  readonly #images: ImageProvider | undefined;
  readonly #onAbort: () => void;
  readonly #process: ContainerProcess;
  #terminalFd: number | null;
  #oomKilled = false;
  #cgroup: Cgroup | null | undefined;

  /** For `Runtime` only. */
  constructor(parts: ContainerParts) {
    const { directory, record, warn, child, streams, terminalFd, signal, allowedAnnotations = [] } = parts;
    this.#allowed = allowedAnnotations;
    this.#images = parts.images;
    this.#helperTimeoutMs = parts.helperTimeoutMs;
    this.id = directory.id;
    this.#directory = directory;
    this.#record = new ContainerRecord(directory, record);
    this.#warn = warn;
    this.#cgroup = parts.cgroup;
    this.#process = new ContainerProcess(child ?? null);
    this.#streams = streams ?? null;
    this.#terminalFd = terminalFd ?? null;
    this.#signal = signal;
    this.#onAbort = () => {
      this[Symbol.asyncDispose]().catch((error: unknown) => this.#warn({ message: messageOf(error) }));
    };
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Process id of the container's process in this pid namespace; 0 when there is none yet. */
  get pid(): number {
    return this.#record.last?.init_process_pid ?? 0;
  }

  /** Whether it has streams of Node's: it was created here, with `stdio: "pipe"` and without a terminal. */
  get hasStreams(): boolean {
    return this.#streams !== null;
  }

  /** Standard input of a container created with `stdio: "pipe"`. @throws RunletError `ERR_RUNLET_USAGE` for others. */
  get stdin(): Writable {
    return this.#requireStreams().stdin;
  }

  /** Standard output, as {@link stdin}. */
  get stdout(): Readable {
    return this.#requireStreams().stdout;
  }

  /** Standard error, as {@link stdin}. */
  get stderr(): Readable {
    return this.#requireStreams().stderr;
  }

  /**
   * Takes the main end of the container's terminal, for a config with `process.terminal` and no console socket.
   *
   * @returns its descriptor, from then on the caller's.
   * @throws RunletError `ERR_RUNLET_TERMINAL` when there is none, or it has been taken.
   */
  takeTerminal(): number {
    const fd = this.#terminalFd;
    if (fd === null) throw noTerminal(this.id);
    this.#terminalFd = null;
    return fd;
  }

  /** Where the container is in its life. */
  async state(): Promise<ContainerState> {
    const record = this.#record.read();
    return stateOf(record, this.#status(record), this.#cgroupOf(record));
  }

  /**
   * Executes the container's process, and returns when that has taken place and the poststart hooks have run.
   *
   * @throws RunletError `ERR_RUNLET_STATE` when it is not `created`, or is paused; `ERR_RUNLET_EXEC` when the kernel cannot
   *   execute it, `ERR_RUNLET_HOOK`, `ERR_RUNLET_TIMEOUT`; the container is stopped then.
   */
  async start(): Promise<void> {
    const record = await this.#execute();
    try {
      await runPoststartHooks(record.config, { state: hookStateOf(record, "running"), signal: this.#signal });
    } catch (error) {
      // runtime.md#lifecycle step 9: an error, and the container is stopped.
      await this.#end(record);
      throw this.#signal?.aborted ? abortedError(this.#signal, "start") : error;
    }
  }

  async #execute(): Promise<StateRecord> {
    using lock = await this.#directory.lock();
    const record = this.#record.read();
    if (this.#process.exit !== null) throw cannotStart(this.id, "stopped");
    // Looked at first: who has been connected to is awake, and best told at once to go on.
    const isPaused = this.#cgroupOf(record)?.isFrozen() ?? false;
    const connectionFd = connectForStart(lock.directoryFd);
    // Only what is created listens: the others are told what they are.
    if (connectionFd === null) throw cannotStart(this.id, this.#status(record));
    // It would begin when it goes on, and nobody would be there who knows.
    if (isPaused) {
      closeFd(connectionFd);
      throw cannotStart(this.id, "paused");
    }
    try {
      await startProcess({
        connectionFd,
        record,
        state: hookStateOf(record, "created"),
        signal: this.#signal,
        helperTimeoutMs: this.#helperTimeoutMs,
      });
    } catch (error) {
      await this.#end(record);
      throw this.#signal?.aborted ? abortedError(this.#signal, "start") : error;
    }
    this.#directory.removeStartSocket();
    return record;
  }

  /**
   * Runs another process in the container, beside its own; any number at once.
   *
   * @returns the process, when it has been executed.
   * @throws RunletError `ERR_RUNLET_STATE` when the container is stopped or paused, `ERR_RUNLET_EXEC` for a program that cannot be
   *   executed, `ERR_RUNLET_PROCESS`, `ERR_RUNLET_TERMINAL`; the container is as it was then.
   */
  async exec(options: ExecOptions): Promise<ExecProcess> {
    const record = this.#record.read();
    return await execProcess({
      record,
      status: this.#status(record),
      cgroup: this.#cgroupOf(record),
      state: hookStateOf(record, "running"),
      options,
      warn: this.#warn,
    });
  }

  /**
   * Waits until the container's process has ended. For a container that another process created it is only known that it
   * has ended: `exitCode` and `signal` are null.
   *
   * @throws RunletError `ERR_RUNLET_STATE` when there is no process yet.
   */
  async wait(): Promise<ExitInfo> {
    const record = this.#process.isOurs ? this.#record.last : this.#record.read();
    if (record?.init_process_pid === 0) requireProcesses("creating");
    if (record !== null) await this.#process.wait(record);
    this.#oomKilled ||= (this.#cgroupOf(record)?.oomKillCount() ?? 0) > 0;
    const { exitCode = null, signalNumber: number = null } = this.#process.exit ?? {};
    return { exitCode, signal: number === null ? null : signalName(number), oomKilled: this.#oomKilled };
  }

  /**
   * Sends a signal to the container's process; `all` sends it to every process of its control group. Where it has no pid
   * namespace of its own, SIGKILL goes to all, since nothing else would end them.
   *
   * @param signal - name or number. Default SIGTERM.
   * @throws RunletError `ERR_RUNLET_STATE` ("container not running") when it has ended, `ERR_RUNLET_INVALID_SIGNAL`.
   */
  async kill(signal: string | number = SIGTERM, options: { readonly all?: boolean } = {}): Promise<void> {
    const number = signalNumber(signal);
    const record = this.#record.read();
    const cgroup = this.#cgroupOf(record);
    if (options.all) {
      await cgroup?.kill(number);
      return;
    }
    if (!this.#process.signal(record, number)) throw notRunning(this.id);
    if (number !== SIGKILL) return;
    if (!hasOwnPidNamespace(record)) await cgroup?.kill(SIGKILL);
    else if (cgroup !== null) await thawKilled(cgroup);
  }

  /** Stops all its processes where they are. @throws RunletError `ERR_RUNLET_STATE` ("container not running"). */
  async pause(): Promise<void> {
    using _lock = await this.#directory.lock();
    await pauseProcesses(this.#controlled(this.#record.read()));
  }

  /** Lets paused processes go on. @throws RunletError `ERR_RUNLET_STATE` ("container not paused"). */
  async resume(): Promise<void> {
    using _lock = await this.#directory.lock();
    await resumeProcesses(this.#controlled(this.#record.read()));
  }

  /** Ids of all its processes in this pid namespace; none when it has stopped. */
  async processes(): Promise<readonly number[]> {
    const record = this.#record.read();
    if (this.#status(record) === "stopped") return [];
    return requireCgroup(record, this.#cgroupOf(record)).processes();
  }

  /**
   * Changes the limits that are given and no others, all or none.
   *
   * @param options.intelRdt - schemata of its class of service; a container that has none gets one.
   * @throws RunletError `ERR_RUNLET_STATE` when it has stopped; with the pointer of the field whose value is refused.
   */
  async update(resources: LinuxResources, options: { readonly intelRdt?: SchemataUpdate } = {}): Promise<void> {
    using _lock = await this.#directory.lock();
    const record = this.#record.read();
    const write = (changed: StateRecord): void => this.#directory.write(changed);
    write(await updateLimits({ ...this.#controlled(record), record, resources, schemata: options.intelRdt, write }));
  }

  /**
   * Saves the container to image files, from which `Runtime.restore` brings it back. Unless `leaveRunning` or `preDump` is set,
   * it has ended and is deleted afterwards.
   *
   * @throws RunletError `ERR_RUNLET_CHECKPOINT` when CRIU is absent or cannot save it, `ERR_RUNLET_NOT_ROOT`,
   *   `ERR_RUNLET_STATE` when it is not running; the container goes on then.
   */
  async checkpoint(options: CheckpointOptions): Promise<void> {
    const { checkpointContainer } = await import("./checkpoint/checkpoint.ts");
    {
      using _lock = await this.#directory.lock();
      const record = this.#record.read();
      const [status, cgroup] = [this.#status(record), this.#cgroupOf(record)];
      const stateHostPath = this.#directory.hostPath;
      await checkpointContainer({ record, status, cgroup, stateHostPath, options, allowedAnnotations: this.#allowed });
    }
    if (!options.leaveRunning && !options.preDump) await this[Symbol.asyncDispose]();
  }

  /** What it uses, in the shape of runc's `events --stats`. @throws RunletError `ERR_RUNLET_STATE` when it has stopped. */
  async stats(): Promise<ContainerStats> {
    const record = this.#record.read();
    requireProcesses(this.#status(record));
    const stats = requireCgroup(record, this.#cgroupOf(record)).stats();
    return { ...stats, intel_rdt: record.intelRdt === undefined ? {} : intelRdtStats(record.intelRdt) };
  }

  /** Yields what happens in its control group until that goes away or `signal` fires. */
  async *events(signal?: AbortSignal): AsyncGenerator<CgroupEvent, void, void> {
    const record = this.#record.read();
    yield* requireCgroup(record, this.#cgroupOf(record)).events(signal);
  }

  /**
   * Removes the container. One that has stopped or was never started goes at once; `force` kills a running one first, and
   * takes away what an interrupted creation or deletion left.
   *
   * @throws RunletError `ERR_RUNLET_STATE` when it is running and `force` is not given.
   */
  async delete({ force = false }: { readonly force?: boolean } = {}): Promise<void> {
    // Whoever has the lock because it waits for the process need not be waited for.
    if (force) this.#kill();
    {
      using lock = await this.#directory.lock();
      const record = this.#record.readIfThere(force);
      if (record !== null) await this.#destroy(record, force);
      else await this.#collect();
      this.#directory.remove(lock);
    }
    this.#close();
  }

  /** Kills and deletes the container; one that is gone is no error. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.delete({ force: true });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.#collect();
      this.#close();
    }
  }

  /** Whoever has deleted the container, or was killed while doing so, cannot collect a child of ours. */
  async #collect(): Promise<void> {
    const { last } = this.#record;
    if (last === null || !this.#process.isOurs) return;
    // Of a process that has ended the others have, too: what is in its control group may be another container's by now.
    if (this.#process.signal(last, SIGKILL)) await this.#end(last);
    else await this.#process.awaitEnd(last);
  }

  /** Whether its bundle was made for it of an image, and goes with it: {@link delete} wants the runtime's `images` then. */
  get ownsBundle(): boolean {
    return this.#record.last?.ownsBundle ?? false;
  }

  #kill(): void {
    const record = this.#record.readIfThere(true);
    if (record !== null) this.#process.signal(record, SIGKILL);
  }

  async #destroy(record: StateRecord, force: boolean): Promise<void> {
    const status = this.#status(record);
    if ((status === "running" || status === "paused") && !force) throw cannotDelete(this.id, status);
    await this.#end(record);
    await this.#cgroupOf(record)?.delete();
    if (record.intelRdt !== undefined) deleteIntelRdt(record.intelRdt);
    await runPoststopHooks(record.config, hookStateOf(record, "stopped"), this.#warn);
    if (!record.ownsBundle) return;
    const { removeBundle } = await import("./bundle-removal.ts");
    await removeBundle(record.bundle, this.#images);
  }

  async #end(record: StateRecord): Promise<void> {
    await this.#process.end(record, this.#cgroupOf(record));
  }

  #controlled(record: StateRecord): ControlledContainer {
    return { status: this.#status(record), cgroup: () => requireCgroup(record, this.#cgroupOf(record)) };
  }

  #status(record: StateRecord): ContainerStatus {
    if (this.#process.exit !== null) return "stopped";
    return statusOf({ record, cgroup: this.#cgroupOf(record), directory: this.#directory });
  }

  #cgroupOf(record: StateRecord | null): Cgroup | null {
    if (this.#cgroup === undefined) {
      const state = record?.cgroup ?? null;
      this.#cgroup = state === null ? null : cgroupFromState(state, { layout: hostLayout() });
    }
    return this.#cgroup;
  }

  #requireStreams(): ContainerStreams {
    if (this.#streams !== null) return this.#streams;
    throw noStreams(this.id);
  }

  #close(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#process.close();
    if (this.#terminalFd !== null) closeFd(this.#terminalFd);
    this.#terminalFd = null;
    this.#streams?.stdin.destroy();
  }
}
