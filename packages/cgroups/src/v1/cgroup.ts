import { RunletError } from "@runlet/errors";
import type { LinuxResources } from "@runlet/spec";
import type {
  CgroupCreateOptions,
  CgroupDescriptors,
  CgroupState,
  CgroupWarning,
  CgroupWrite,
  FileCgroup,
} from "../cgroup.ts";
import { isGone, isRefusal, readTextIfExists, writeValue } from "../cgroup-file.ts";
import { deviceRules } from "../device-rule.ts";
import type { CgroupEvent } from "../events.ts";
import { frozenError, goneError, joinError, makeError, notEmptyError } from "../existing-group.ts";
import { checkMemoryUsage } from "../memory-usage.ts";
import { leafPath, makeLeaf, makeLeaves, removeMade, removeMarkedParents } from "../parents.ts";
import { processesOf, signalAll } from "../processes.ts";
import { removeGroups } from "../removal.ts";
import type { PlannedWrite } from "../resource-value.ts";
import type { CgroupStats } from "../stats.ts";
import { changeLimits, type Undo, withRemains, writeLimits } from "../write-limits.ts";
import { missingControllerError, refusedControllerError } from "./controller-errors.ts";
import { inheritCpuset, initialiseCpuset } from "./cpuset.ts";
import { openDescriptors, type V1Place } from "./descriptors.ts";
import { type DeviceList, deviceList, deviceListWrites, newDeviceListWrites, parseDeviceList } from "./device-list.ts";
import { countOomKills, watchGroup } from "./events.ts";
import { freezeGroup, isGroupFrozen, thawGroup } from "./freezer.ts";
import { limitWrites, type V1Facts } from "./limits.ts";
import { explainMemoryLimit } from "./memory-limit.ts";
import { readStats } from "./stats.ts";
import { resourceWarnings } from "./warnings.ts";

/** Options of {@link V1Cgroup}. */
export interface V1Options {
  /** Path below the hierarchies' roots. */
  readonly path: string;
  readonly places: readonly V1Place[];
  readonly facts: V1Facts;
  readonly rootless: boolean;
  readonly isDefaultPath: boolean;
}

const SIGKILL = 9;

/** A control group of v1: one directory in each hierarchy, and in the unified one of a hybrid host. */
export class V1Cgroup implements FileCgroup {
  readonly driver = "v1";
  readonly needsProcess = false;
  readonly path: string;
  readonly hostPaths: Readonly<Record<string, string>>;
  readonly controllers: readonly string[];
  readonly #options: V1Options;
  /** Hierarchies that a rootless runtime may not use. */
  readonly #refused = new Set<V1Place>();

  constructor(options: V1Options) {
    this.#options = options;
    this.path = options.path;
    this.controllers = options.places.map((place) => place.controllers[0] ?? "");
    const hostPaths: Record<string, string> = {};
    for (const { controllers, nested } of options.places) {
      const hostPath = leafPath(nested);
      for (const controller of controllers) hostPaths[controller] = hostPath;
    }
    this.hostPaths = hostPaths;
  }

  plan(resources: LinuxResources | undefined): readonly CgroupWrite[] {
    return [...newDeviceListWrites(resources?.devices), ...this.#limits(resources)];
  }

  planUpdate(resources: LinuxResources): readonly CgroupWrite[] {
    this.#checkExists();
    if (resources.memory !== undefined) {
      checkMemoryUsage(resources.memory, () => readTextIfExists(`${this.hostPaths.memory}/memory.usage_in_bytes`));
    }
    return this.#limits(resources);
  }

  warnings(resources: LinuxResources | undefined): readonly CgroupWarning[] {
    return resourceWarnings(resources);
  }

  #limits(resources: LinuxResources | undefined): PlannedWrite[] {
    return resources === undefined ? [] : limitWrites(resources, this.#options.facts);
  }

  async create({ pid }: CgroupCreateOptions = {}): Promise<void> {
    const { places } = this.#options;
    const madeAtOnce = makeLeaves(places.map(({ nested }) => nested));
    const made = places.slice(0, madeAtOnce);
    try {
      for (const [index, place] of places.entries()) {
        const isMade = index < madeAtOnce;
        if (this.#make(place, { pid, isMade }) && !isMade) made.push(place);
      }
      if (pid !== undefined) this.#join(pid);
    } catch (error) {
      for (const place of made) removeMade(place.nested, true);
      throw error;
    }
  }

  /**
   * @param pid - the process that may be in already.
   * @param isMade - whether the group has been made just now.
   * @returns whether the group was made.
   */
  #make(place: V1Place, { pid, isMade }: { pid: number | undefined; isMade: boolean }): boolean {
    const hostPath = leafPath(place.nested);
    const hasCpuset = place.controllers.includes("cpuset");
    let isNew = isMade;
    try {
      if (!isMade) isNew = makeLeaf(place.nested, hasCpuset ? inheritCpuset : undefined);
      if (hasCpuset) (isNew ? initialiseCpuset : inheritCpuset)(hostPath);
    } catch (error) {
      removeMade(place.nested, isNew);
      if (!this.#bearsRefusals || !isRefusal(error)) throw makeError(hostPath, error);
      this.#refused.add(place);
      return false;
    }
    if (isNew) return true;
    const others = processesOf(hostPath).filter((member) => member !== pid);
    if (others.length > 0) throw notEmptyError(hostPath, others.length);
    if (place.controllers.includes("freezer") && isGroupFrozen(hostPath)) throw frozenError(hostPath);
    return false;
  }

  #join(pid: number): void {
    for (const place of this.#options.places) {
      const hostPath = leafPath(place.nested);
      if (this.#refused.has(place) || processesOf(hostPath).includes(pid)) continue;
      try {
        writeValue(`${hostPath}/cgroup.procs`, String(pid));
      } catch (error) {
        throw joinError(hostPath, pid, error);
      }
    }
  }

  openProcs(): CgroupDescriptors {
    const isRefused = (place: V1Place) => this.#refused.has(place);
    return openDescriptors(this.#options.places, { isRefused, bearsRefusals: this.#bearsRefusals });
  }

  /** Whether a hierarchy that the host's permissions deny is done without: nobody asked for this path. */
  get #bearsRefusals(): boolean {
    return this.#options.rootless && this.#options.isDefaultPath;
  }

  async apply(resources: LinuxResources | undefined): Promise<void> {
    this.#writeDevices(newDeviceListWrites(resources?.devices));
    writeLimits(this.#limits(resources), this.#writer);
  }

  async update(resources: LinuxResources): Promise<void> {
    this.change(resources);
  }

  change(resources: LinuxResources): Undo {
    const limits = this.planUpdate(resources);
    const devices = resources.devices === undefined ? null : deviceList(deviceRules(resources.devices));
    const undo = changeLimits(limits, this.#writer);
    if (devices === null) return undo;
    const before = this.#readDevices();
    const undoAll = (): readonly string[] => [...this.#setDevicesBack(before), ...undo()];
    try {
      this.#writeDevices(deviceListWrites(devices, before ?? null));
    } catch (error) {
      throw withRemains(error, undoAll());
    }
    return undoAll;
  }

  /** @returns null for a list that does not tell what it holds: it allows by default. Undefined where there is none. */
  #readDevices(): DeviceList | null | undefined {
    const text = readTextIfExists(`${this.hostPaths.devices}/devices.list`);
    return text === undefined ? undefined : parseDeviceList(text);
  }

  /** @returns as {@link Undo}. */
  #setDevicesBack(before: DeviceList | null | undefined): readonly string[] {
    if (before === undefined) return [];
    if (before === null) return ["devices.list"];
    try {
      this.#writeDevices(deviceListWrites(before, this.#readDevices() ?? null));
      return [];
    } catch {
      return ["devices.list"];
    }
  }

  /** In a user namespace the kernel refuses device lists, and with them mknod(2): nothing is lost by doing without. */
  #writeDevices(writes: readonly PlannedWrite[]): void {
    if (this.hostPaths.devices === undefined && this.#options.rootless) return;
    try {
      writeLimits(writes, this.#writer);
    } catch (error) {
      if (!this.#options.rootless) throw error;
    }
  }

  readonly #writer = {
    directoryOf: (write: PlannedWrite): string => {
      const place = this.#options.places.find(({ controllers }) => controllers.includes(write.controller));
      if (place === undefined) throw missingControllerError(write);
      if (this.#refused.has(place)) throw refusedControllerError(write);
      return leafPath(place.nested);
    },
    explain: (write: PlannedWrite, hostPath: string, error: unknown): RunletError | undefined =>
      explainMemoryLimit(write, hostPath, error),
  };

  processes(): readonly number[] {
    return processesOf(this.#membersPath());
  }

  /** Any hierarchy lists the processes; one with a stop or kill of its own is asked where there is one. */
  #membersPath(): string {
    const { "": unified, freezer, devices } = this.hostPaths;
    return unified ?? freezer ?? devices ?? Object.values(this.hostPaths)[0] ?? "";
  }

  async kill(signal: number = SIGKILL): Promise<void> {
    if (signal === SIGKILL && this.#killAtOnce()) {
      // What is stopped dies when it goes on.
      if (this.isFrozen()) await this.thaw();
      return;
    }
    const wasFrozen = this.isFrozen();
    const canFreeze = this.hostPaths.freezer !== undefined && this.exists();
    // Stopped, no process can fork out of the list between reading and signalling.
    if (canFreeze && !wasFrozen) await this.freeze();
    try {
      signalAll(this.processes(), signal);
    } finally {
      if (canFreeze && (!wasFrozen || signal === SIGKILL)) await this.thaw();
    }
  }

  /** `cgroup.kill` of the unified hierarchy, on hybrid hosts since Linux 5.14. */
  #killAtOnce(): boolean {
    const unified = this.hostPaths[""];
    if (unified === undefined) return false;
    try {
      writeValue(`${unified}/cgroup.kill`, "1");
      return true;
    } catch (error) {
      if (isGone(error) || isRefusal(error)) return false;
      throw error;
    }
  }

  async freeze(): Promise<void> {
    this.#checkExists();
    await freezeGroup(this.#freezerPath());
  }

  async thaw(): Promise<void> {
    this.#checkExists();
    thawGroup(this.#freezerPath());
  }

  #freezerPath(): string {
    const { freezer } = this.hostPaths;
    if (freezer !== undefined) return freezer;
    throw new RunletError("ERR_RUNLET_CGROUP", "cannot pause: this host has no freezer controller", {
      hint: "mount the freezer controller below /sys/fs/cgroup",
    });
  }

  isFrozen(): boolean {
    return this.hostPaths.freezer !== undefined && isGroupFrozen(this.hostPaths.freezer);
  }

  exists(): boolean {
    return readTextIfExists(`${this.#membersPath()}/cgroup.procs`) !== undefined;
  }

  #checkExists(): void {
    if (!this.exists()) throw goneError(this.#membersPath());
  }

  stats(): CgroupStats {
    this.#checkExists();
    return readStats(this.hostPaths);
  }

  oomKillCount(): number {
    return this.hostPaths.memory === undefined ? 0 : countOomKills(this.hostPaths.memory);
  }

  events(signal?: AbortSignal): AsyncIterable<CgroupEvent> {
    const { memory: memoryPath, "": unifiedPath } = this.hostPaths;
    return watchGroup({ memoryPath, unifiedPath, membersPath: this.#membersPath() }, signal);
  }

  async delete(): Promise<void> {
    await removeGroups(this.#options.places.map((place) => leafPath(place.nested)));
    for (const place of this.#options.places) removeMarkedParents(place.nested);
  }

  toState(): CgroupState {
    return {
      driver: "v1",
      path: this.path,
      cgroup_paths: this.hostPaths,
      rootless: this.#options.rootless,
      isDefaultPath: this.#options.isDefaultPath,
    };
  }
}
