import { readFileSync } from "node:fs";
import { quote, RunletError } from "@runlet/errors";
import type { LinuxResources } from "@runlet/spec";
import { BusError } from "@runlet/syscall";
import type {
  Cgroup,
  CgroupCreateOptions,
  CgroupDescriptors,
  CgroupState,
  CgroupWarning,
  CgroupWrite,
  FileCgroup,
} from "../cgroup.ts";
import type { CgroupEvent } from "../events.ts";
import { parseOwnCgroups } from "../layout.ts";
import { waitUntilEmpty } from "../removal.ts";
import { resourcesPointer } from "../resource-value.ts";
import type { CgroupStats } from "../stats.ts";
import { withRemains } from "../write-limits.ts";
import { deviceProperties } from "./device-properties.ts";
import { countLoggedOomKills } from "./kernel-log.ts";
import { ManagerBus } from "./manager-bus.ts";
import { annotatedProperties, type UnitProperty } from "./property.ts";
import { type LimitProperty, limitProperties } from "./resource-properties.ts";

/** Options of {@link SystemdCgroup}. */
export interface SystemdOptions {
  readonly id: string;
  /** Name of the unit, `runlet-ID.scope`. */
  readonly unit: string;
  /** Slice that the unit is in; empty for systemd's own choice. */
  readonly slice: string;
  readonly isUserInstance: boolean;
  /** The unit's group in the file system, driven for what systemd has no property for. */
  readonly files: FileCgroup;
  /** As {@link CgroupState.sinceUptimeMs}; a unit that is yet to be made has none. */
  readonly sinceUptimeMs?: number | undefined;
}

/** A control group that systemd makes and removes: a transient scope. */
export class SystemdCgroup implements Cgroup {
  readonly driver = "systemd";
  readonly needsProcess = true;
  /** systemd moves the process. */
  readonly controllers = [];
  readonly path: string;
  readonly hostPaths: Readonly<Record<string, string>>;
  readonly #options: SystemdOptions;
  readonly #files: FileCgroup;
  readonly #bus: ManagerBus;
  #sinceUptimeMs: number | undefined;

  constructor(options: SystemdOptions) {
    this.#sinceUptimeMs = options.sinceUptimeMs;
    this.#options = options;
    this.#files = options.files;
    this.#bus = new ManagerBus(options.isUserInstance);
    this.path = options.files.path;
    this.hostPaths = options.files.hostPaths;
  }

  plan(resources: LinuxResources | undefined): readonly CgroupWrite[] {
    const writes = this.#files.plan(resources);
    const properties = limitProperties(writes).map(({ name, value, write }) => ({
      ...write,
      controller: "systemd",
      file: name,
      value: value instanceof Uint8Array ? write.value : value === 2n ** 64n - 1n ? "infinity" : String(value),
      ...(write.value !== String(value) && { given: write.given ?? write.value }),
    }));
    return [...properties, ...writes];
  }

  planUpdate(resources: LinuxResources): readonly CgroupWrite[] {
    return this.#files.planUpdate(resources);
  }

  warnings(resources: LinuxResources | undefined): readonly CgroupWarning[] {
    return this.#files.warnings(resources);
  }

  async create(options: CgroupCreateOptions = {}): Promise<void> {
    const { pid, resources, annotations } = options;
    if (pid === undefined) throw new Error("the systemd driver needs a process to make a scope of");
    this.#since();
    const writes = this.#files.plan(resources);
    const properties: UnitProperty[] = [
      ...this.#unitProperties(pid),
      ...(await this.#supported(limitProperties(writes))),
      ...(this.#files.driver === "v1" ? deviceProperties(writes, readFileSync("/proc/devices", "latin1")) : []),
      ...annotatedProperties(annotations ?? {}),
    ];
    await this.#start(properties);
    try {
      this.#checkMembership(pid);
      await this.#files.create({ pid });
    } catch (error) {
      await this.#files.kill();
      await this.#stop();
      throw error;
    }
  }

  #unitProperties(pid: number): UnitProperty[] {
    const { id, slice } = this.#options;
    const accounting = ["MemoryAccounting", "CPUAccounting", "TasksAccounting", this.#ioAccounting()];
    return [
      { name: "Description", signature: "s", value: `runlet container ${id}` },
      ...(slice === "" ? [] : [{ name: "Slice", signature: "s", value: slice }]),
      { name: "Delegate", signature: "b", value: true },
      { name: "PIDs", signature: "au", value: [pid] },
      ...accounting.map((name) => ({ name, signature: "b", value: true })),
      { name: "DefaultDependencies", signature: "b", value: false },
    ];
  }

  #ioAccounting(): string {
    return this.#files.driver === "v2" ? "IOAccounting" : "BlockIOAccounting";
  }

  /** Leaves out what this systemd does not know: the file holds it all the same. */
  async #supported(properties: readonly LimitProperty[]): Promise<readonly LimitProperty[]> {
    const newest = Math.max(0, ...properties.map(({ since }) => since));
    const leastSupported = 240;
    if (newest <= leastSupported) return properties;
    const version = await this.#bus.version();
    return properties.filter(({ since }) => since <= version);
  }

  async #start(properties: readonly UnitProperty[]): Promise<void> {
    const { unit } = this.#options;
    try {
      try {
        await this.#bus.startUnit(unit, properties);
      } catch (error) {
        if (busName(error) !== "org.freedesktop.systemd1.UnitExists") throw error;
        // A unit that failed keeps its name until somebody says that it has been seen.
        await this.#bus.resetFailedUnit(unit);
        await this.#bus.startUnit(unit, properties);
      }
    } catch (error) {
      throw error instanceof BusError ? this.#startError(error) : error;
    }
  }

  #startError(error: BusError): RunletError {
    const { unit } = this.#options;
    const isTaken = error.busName === "org.freedesktop.systemd1.UnitExists";
    return new RunletError(
      "ERR_RUNLET_SYSTEMD",
      isTaken
        ? `the unit ${quote(unit)} already exists`
        : `systemd refused the unit ${quote(unit)}: ${quote(error.message)}`,
      {
        pointer: isTaken ? "/linux/cgroupsPath" : undefined,
        hint: isTaken ? `give another cgroupsPath, or stop the unit: systemctl stop ${unit}` : undefined,
        details: { unit, busName: error.busName },
        cause: error,
      },
    );
  }

  /** A scope can be elsewhere than its slice says: in a container whose systemd has a delegated group as its root. */
  #checkMembership(pid: number): void {
    const groups = parseOwnCgroups(readFileSync(`/proc/${pid}/cgroup`, "utf8"));
    const path = this.#files.driver === "v2" ? groups.get("") : (groups.get("name=systemd") ?? groups.get(""));
    if (path === undefined || path === this.path) return;
    throw new RunletError(
      "ERR_RUNLET_SYSTEMD",
      `systemd put the container in ${quote(path)}, not in ${quote(this.path)}`,
      {
        pointer: "/linux/cgroupsPath",
        hint: "use --cgroup-manager=cgroupfs",
      },
    );
  }

  openProcs(): CgroupDescriptors {
    return this.#files.openProcs();
  }

  async apply(resources: LinuxResources | undefined): Promise<void> {
    await this.#files.apply(resources);
  }

  async update(resources: LinuxResources): Promise<void> {
    const properties = await this.#supported(limitProperties(this.#files.planUpdate(resources)));
    const undo = this.#files.change(resources);
    if (properties.length === 0) return;
    try {
      await this.#bus.setProperties(this.#options.unit, properties);
    } catch (error) {
      throw withRemains(error instanceof BusError ? this.#updateError(error) : error, undo());
    }
    // systemd has written its own, rounded values meanwhile. Devices it leaves alone.
    const { devices: _, ...limits } = resources;
    await this.#files.update(limits);
  }

  #updateError(error: BusError): RunletError {
    const { unit } = this.#options;
    return new RunletError(
      "ERR_RUNLET_SYSTEMD",
      `systemd refused to change the unit ${quote(unit)}: ${quote(error.message)}`,
      {
        pointer: resourcesPointer,
        details: { unit, busName: error.busName },
        cause: error,
      },
    );
  }

  processes(): readonly number[] {
    return this.#files.processes();
  }

  async kill(signal?: number): Promise<void> {
    await this.#files.kill(signal);
  }

  async freeze(): Promise<void> {
    await this.#files.freeze();
  }

  async thaw(): Promise<void> {
    await this.#files.thaw();
  }

  isFrozen(): boolean {
    return this.#files.isFrozen();
  }

  exists(): boolean {
    return this.#files.exists();
  }

  stats(): CgroupStats {
    return this.#files.stats();
  }

  oomKillCount(): number {
    // In this order: between the two the group may go away, but not come back.
    const count = this.#files.oomKillCount();
    return count > 0 || this.exists() ? count : countLoggedOomKills(this.path, this.#since());
  }

  async *events(signal?: AbortSignal): AsyncGenerator<CgroupEvent, void, void> {
    let oomKillCount = this.#files.oomKillCount();
    for await (const event of this.#files.events(signal)) {
      if (event.type === "oom") oomKillCount = event.oomKillCount;
      // The group may have gone before its last count was seen.
      const missed = event.type === "empty" ? this.oomKillCount() : oomKillCount;
      if (missed > oomKillCount) yield { type: "oom", oomKillCount: missed };
      yield event;
    }
  }

  async delete(): Promise<void> {
    // systemd would end what is left by itself, and take up to 90 s for it.
    await waitUntilEmpty(Object.values(this.hostPaths));
    await this.#stop();
    await this.#files.delete();
  }

  /** Stops the unit; one that is gone, as a scope without processes soon is, is no error. */
  async #stop(): Promise<void> {
    for (const step of ["stopUnit", "resetFailedUnit"] as const) {
      try {
        await this.#bus[step](this.#options.unit);
      } catch (error) {
        if (busName(error) !== "org.freedesktop.systemd1.NoSuchUnit") throw error;
      }
    }
  }

  toState(): CgroupState {
    const { unit, isUserInstance } = this.#options;
    const state = this.#files.toState();
    return { ...state, driver: "systemd", unit, userInstance: isUserInstance, sinceUptimeMs: this.#since() };
  }

  #since(): number {
    this.#sinceUptimeMs ??= Number.parseFloat(readFileSync("/proc/uptime", "latin1")) * 1000;
    return this.#sinceUptimeMs;
  }
}

function busName(error: unknown): string | undefined {
  return error instanceof BusError ? error.busName : undefined;
}
