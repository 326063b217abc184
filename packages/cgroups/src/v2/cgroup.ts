import { constants } from "node:fs";
import type { RunletError } from "@runlet/errors";
import type { LinuxResources } from "@runlet/spec";
import { closeFd, openFlags, openPath } from "@runlet/syscall";
import type {
  CgroupCreateOptions,
  CgroupDescriptors,
  CgroupState,
  CgroupWarning,
  CgroupWrite,
  FileCgroup,
} from "../cgroup.ts";
import { errnoOf, isGone, isRefusal, readTextIfExists, writeValue } from "../cgroup-file.ts";
import { deviceRules } from "../device-rule.ts";
import type { CgroupEvent } from "../events.ts";
import { frozenError, goneError, joinError, makeError, notEmptyError, threadedError } from "../existing-group.ts";
import { checkMemoryUsage } from "../memory-usage.ts";
import { leafPath, makeLeaf, type NestedPath, removeMade, removeMarkedParents } from "../parents.ts";
import { processesOf, signalAll } from "../processes.ts";
import { removeGroups } from "../removal.ts";
import type { PlannedWrite } from "../resource-value.ts";
import type { CgroupStats } from "../stats.ts";
import { changeLimits, type Undo, withRemains, writeLimits } from "../write-limits.ts";
import { ControllerPath, type MissingController, missingControllerError } from "./controllers.ts";
import { setDeviceProgram } from "./device-attachment.ts";
import { deviceWrites } from "./device-program.ts";
import { countOomKills, watchGroup } from "./events.ts";
import { freezeGroup, isGroupFrozen, thawGroup } from "./freezer.ts";
import { limitWrites, type V2Facts } from "./limits.ts";
import { readStats } from "./stats.ts";
import { resourceWarnings } from "./warnings.ts";

/** Options of {@link V2Cgroup}. */
export interface V2Options {
  /** Path below the hierarchy's root. */
  readonly path: string;
  /** The same, from the mount's root on. */
  readonly nested: NestedPath;
  /** `cgroup.controllers` of the mount's root. */
  readonly controllers: readonly string[];
  readonly facts: V2Facts;
  readonly rootless: boolean;
  readonly isDefaultPath: boolean;
}

const SIGKILL = 9;

/** A control group of v2: one directory. */
export class V2Cgroup implements FileCgroup {
  readonly driver = "v2";
  readonly needsProcess = false;
  readonly path: string;
  readonly hostPaths: Readonly<Record<string, string>>;
  readonly controllers = [""];
  readonly #options: V2Options;
  readonly #hostPath: string;
  #missing: ReadonlyMap<string, MissingController> = new Map();
  /** Whether a rootless runtime goes without, since the host's permissions deny the group. */
  #isRefused = false;

  constructor(options: V2Options) {
    this.#options = options;
    this.path = options.path;
    this.#hostPath = leafPath(options.nested);
    this.hostPaths = { "": this.#hostPath };
  }

  plan(resources: LinuxResources | undefined): readonly CgroupWrite[] {
    return [...deviceWrites(deviceRules(resources?.devices)), ...this.#limits(resources)];
  }

  warnings(resources: LinuxResources | undefined): readonly CgroupWarning[] {
    return resourceWarnings(resources);
  }

  #limits(resources: LinuxResources | undefined, known?: Partial<V2Facts>): PlannedWrite[] {
    return resources === undefined ? [] : limitWrites(resources, { ...this.#options.facts, ...known });
  }

  async create({ pid }: CgroupCreateOptions = {}): Promise<void> {
    let isNew = false;
    try {
      const way = new ControllerPath(this.#options.controllers);
      way.enable(this.#options.nested.basePath);
      isNew = makeLeaf(this.#options.nested, (hostPath) => way.enable(hostPath));
      this.#missing = way.missing;
    } catch (error) {
      removeMade(this.#options.nested, isNew);
      if (!this.#bearsRefusals || !isRefusal(error)) throw makeError(this.#hostPath, error);
      this.#isRefused = true;
      return;
    }
    try {
      if (this.#options.nested.names.length > 1) this.#checkType();
      if (!isNew) this.#checkUnused(pid);
      if (pid !== undefined) this.#join(pid);
    } catch (error) {
      removeMade(this.#options.nested, isNew);
      throw error;
    }
  }

  /** A group below a threaded one is invalid until it is threaded too, and takes no process of another domain then. */
  #checkType(): void {
    const type = readTextIfExists(`${this.#hostPath}/cgroup.type`);
    if (type !== undefined && type !== "domain" && type !== "domain threaded")
      throw threadedError(this.#hostPath, type);
  }

  /** @param pid - the process that may be in already. */
  #checkUnused(pid: number | undefined): void {
    const others = processesOf(this.#hostPath).filter((member) => member !== pid);
    if (others.length > 0) throw notEmptyError(this.#hostPath, others.length);
    if (isGroupFrozen(this.#hostPath)) throw frozenError(this.#hostPath);
  }

  #join(pid: number): void {
    try {
      writeValue(`${this.#hostPath}/cgroup.procs`, String(pid));
    } catch (error) {
      throw joinError(this.#hostPath, pid, error);
    }
  }

  /** Whether a refusal by the host's permissions is done without: nobody asked for this path. */
  get #bearsRefusals(): boolean {
    return this.#options.rootless && this.#options.isDefaultPath;
  }

  openProcs(): CgroupDescriptors {
    if (this.#isRefused) return noGroup();
    const fd = this.#openProcsFile();
    if (fd === null) return noGroup();
    try {
      const directoryFd = openPath(this.#hostPath, openFlags.O_PATH | constants.O_DIRECTORY);
      return { procs: [{ controller: "", fd }], directoryFd };
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  #openProcsFile(): number | null {
    try {
      return openPath(`${this.#hostPath}/cgroup.procs`, constants.O_WRONLY);
    } catch (error) {
      if (this.#bearsRefusals && (isGone(error) || isRefusal(error))) return null;
      throw error;
    }
  }

  async apply(resources: LinuxResources | undefined): Promise<void> {
    const limits = this.#limits(resources, this.#weightFact(resources));
    if (this.#isRefused) {
      if (limits[0] !== undefined) throw missingControllerError(limits[0], this.#hostPath, this.#missing);
      return;
    }
    this.#setDevices(resources?.devices, false);
    writeLimits(limits, this.#writer);
  }

  planUpdate(resources: LinuxResources): readonly PlannedWrite[] {
    this.#checkExists();
    const { memory, cpu } = resources;
    if (memory !== undefined) checkMemoryUsage(memory, () => this.#read("memory.current"));
    return this.#limits(resources, {
      ...this.#weightFact(resources),
      memoryMax: memory === undefined ? undefined : this.#read("memory.max"),
      cpuMax: cpu === undefined ? undefined : this.#read("cpu.max"),
    });
  }

  #read(file: string): string | undefined {
    return readTextIfExists(`${this.#hostPath}/${file}`);
  }

  async update(resources: LinuxResources): Promise<void> {
    this.change(resources);
  }

  /** Devices come last: they are set at once or not at all, but a program that was replaced is gone. */
  change(resources: LinuxResources): Undo {
    const undo = changeLimits(this.planUpdate(resources), this.#writer);
    if (resources.devices === undefined) return undo;
    try {
      this.#setDevices(resources.devices, true);
    } catch (error) {
      throw withRemains(error, undo());
    }
    return () => [...undo(), "devices"];
  }

  #setDevices(devices: LinuxResources["devices"], isUpdate: boolean): void {
    setDeviceProgram({
      hostPath: this.#hostPath,
      rules: deviceRules(devices),
      isUpdate,
      isRootless: this.#options.rootless,
    });
  }

  /** Which weight file there is shows in a group only, not in the root. */
  #weightFact(resources: LinuxResources | undefined): Partial<V2Facts> {
    if (resources?.blockIO === undefined) return {};
    return { hasBfq: readTextIfExists(`${this.#hostPath}/io.bfq.weight`) !== undefined };
  }

  readonly #writer = {
    directoryOf: (): string => this.#hostPath,
    explain: (write: PlannedWrite, hostPath: string, error: unknown): RunletError | undefined => {
      const [controller] = write.file.split(".", 1);
      const isMissing = errnoOf(error) === "ENOENT" || errnoOf(error) === "EACCES" || errnoOf(error) === "EPERM";
      if (!isMissing || controller === "cgroup" || this.#hasController(controller ?? "")) return undefined;
      return missingControllerError(write, hostPath, this.#missing);
    },
  };

  #hasController(controller: string): boolean {
    return (readTextIfExists(`${this.#hostPath}/cgroup.controllers`) ?? "").split(" ").includes(controller);
  }

  processes(): readonly number[] {
    return processesOf(this.#hostPath);
  }

  async kill(signal: number = SIGKILL): Promise<void> {
    if (signal === SIGKILL && this.#killAtOnce()) return;
    if (!this.exists()) return;
    const wasFrozen = this.isFrozen();
    // Stopped, no process can fork out of the list between reading and signalling.
    if (!wasFrozen) await this.freeze();
    try {
      signalAll(this.processes(), signal);
    } finally {
      if (!wasFrozen || signal === SIGKILL) await this.thaw();
    }
  }

  /** `cgroup.kill`, since Linux 5.14; it reaches frozen processes too. */
  #killAtOnce(): boolean {
    try {
      writeValue(`${this.#hostPath}/cgroup.kill`, "1");
      return true;
    } catch (error) {
      if (isGone(error) || isRefusal(error)) return false;
      throw error;
    }
  }

  async freeze(): Promise<void> {
    this.#checkExists();
    await freezeGroup(this.#hostPath);
  }

  async thaw(): Promise<void> {
    this.#checkExists();
    thawGroup(this.#hostPath);
  }

  isFrozen(): boolean {
    return isGroupFrozen(this.#hostPath);
  }

  exists(): boolean {
    return readTextIfExists(`${this.#hostPath}/cgroup.controllers`) !== undefined;
  }

  #checkExists(): void {
    if (!this.exists()) throw goneError(this.#hostPath);
  }

  stats(): CgroupStats {
    this.#checkExists();
    return readStats(this.#hostPath);
  }

  oomKillCount(): number {
    return countOomKills(this.#hostPath);
  }

  events(signal?: AbortSignal): AsyncIterable<CgroupEvent> {
    return watchGroup(this.#hostPath, signal);
  }

  async delete(): Promise<void> {
    await removeGroups([this.#hostPath]);
    removeMarkedParents(this.#options.nested);
  }

  toState(): CgroupState {
    return {
      driver: "v2",
      path: this.path,
      cgroup_paths: this.hostPaths,
      rootless: this.#options.rootless,
      isDefaultPath: this.#options.isDefaultPath,
    };
  }
}

/** For a process that stays where it is: what it writes to join goes nowhere. */
function noGroup(): CgroupDescriptors {
  return { procs: [{ controller: "", fd: openPath("/dev/null", constants.O_WRONLY) }], directoryFd: null };
}
