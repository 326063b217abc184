import type { LinuxResources } from "@runlet/spec";
import type { CgroupEvent } from "./events.ts";
import type { CgroupStats } from "./stats.ts";

/** Which code a {@link Cgroup} is driven by. */
export type CgroupDriver = "v1" | "v2" | "systemd" | "disabled";

/** One value of one file of a control group, with the config entry that caused it. */
export interface CgroupWrite {
  /** JSON Pointer of the config entry, or `spec:` and the rule of the specification that implies the write. */
  readonly from: string;
  /** Controller on v1 (`memory`), empty on v2. */
  readonly controller: string;
  /** Name of the file, or of the property of the unit (systemd). */
  readonly file: string;
  readonly value: string;
  /** The config's value where it is another than the one written: `1024` of `cpu.shares`. */
  readonly given?: string;
}

/** Something in the resources that has no effect here, without being an error. */
export interface CgroupWarning {
  readonly message: string;
  /** JSON Pointer of the config entry. */
  readonly pointer: string;
}

/**
 * What of a control group is recorded on disk, so that another process can go on with it. Written before
 * {@link Cgroup.create}: nothing in it becomes known only afterwards.
 */
export interface CgroupState {
  readonly driver: CgroupDriver;
  /** Path below the hierarchies' roots. */
  readonly path: string;
  /** Host directories by controller, as runc's state.json has them; the unified hierarchy's key is empty. */
  readonly cgroup_paths: Readonly<Record<string, string>>;
  /** Whether refusals by the host's permissions are borne, see {@link CgroupRequest}. */
  readonly rootless: boolean;
  /** Whether the path was chosen by us rather than by the config. */
  readonly isDefaultPath: boolean;
  /** Name of the unit (systemd). */
  readonly unit?: string;
  /** Whether the user's own instance of systemd manages the unit (systemd). */
  readonly userInstance?: boolean;
  /** The host's uptime in milliseconds, before the unit was made: what is older was another of its name (systemd). */
  readonly sinceUptimeMs?: number;
}

/** Descriptors by which a process joins a control group. All have O_CLOEXEC; whoever got them closes them. */
export interface CgroupDescriptors {
  /**
   * `cgroup.procs` (v2) or `tasks` (v1) of each hierarchy, O_WRONLY, in the order of {@link Cgroup.controllers}: a process with
   * one thread that writes `0` to each is in. A hierarchy that a rootless runtime does without is /dev/null.
   */
  readonly procs: readonly { readonly controller: string; readonly fd: number }[];
  /** The directory itself, O_PATH, for CLONE_INTO_CGROUP: of the unified hierarchy on a hybrid host; null where there is none. */
  readonly directoryFd: number | null;
}

/** Options of {@link Cgroup.create}. */
export interface CgroupCreateOptions {
  /** A living process that is put in; needed by the systemd driver, see {@link Cgroup.needsProcess}. */
  readonly pid?: number;
  /** What the config asks for: the systemd driver makes its unit with it. {@link Cgroup.apply} is called all the same. */
  readonly resources?: LinuxResources;
  /**
   * Annotations whose names the caller allows: `org.systemd.property.*` set properties of the unit (systemd), others have no
   * effect.
   */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The control group of one container. */
export interface Cgroup {
  readonly driver: CgroupDriver;
  /** Path below the hierarchies' roots, beginning with `/`. */
  readonly path: string;
  /** Host directories by controller, as {@link CgroupState.cgroup_paths}. */
  readonly hostPaths: Readonly<Record<string, string>>;
  /**
   * One controller's name for each hierarchy that a process joins by {@link openProcs}, empty for the unified one. None where
   * somebody else moves the process (systemd) or nobody does (disabled).
   */
  readonly controllers: readonly string[];
  /** Whether {@link create} must be given a process: systemd makes no scope without one. */
  readonly needsProcess: boolean;

  /**
   * What {@link apply} writes for `resources` in a new control group, in order. Pure: the host is not looked at beyond
   * the layout that the manager was given.
   *
   * @throws RunletError `ERR_RUNLET_CONFIG_INVALID` or `ERR_RUNLET_UNSUPPORTED` with the pointer of the field.
   */
  plan(resources: LinuxResources | undefined): readonly CgroupWrite[];
  /**
   * What {@link update} writes for `resources`, devices apart: depends on the limits that are there.
   *
   * @throws RunletError with the pointer of the field; `rejecting memory limit` where `checkBeforeUpdate` finds too much in use.
   */
  planUpdate(resources: LinuxResources): readonly CgroupWrite[];
  /** Fields of `resources` that have no effect here. Pure. */
  warnings(resources: LinuxResources | undefined): readonly CgroupWarning[];
  /**
   * Makes the control group. One that is there already is taken when it is empty and not frozen.
   *
   * @throws RunletError `ERR_RUNLET_CGROUP`; what was made is removed again.
   */
  create(options?: CgroupCreateOptions): Promise<void>;
  /** Opens what a process with one thread needs to join: it writes 0 to each. The caller closes the descriptors. */
  openProcs(): CgroupDescriptors;
  /**
   * Sets the limits of a new control group. `resources.devices` unset means the default devices alone, as in runc.
   *
   * @throws RunletError with the pointer of the field whose value the kernel refused.
   */
  apply(resources: LinuxResources | undefined): Promise<void>;
  /**
   * Changes the limits that are given and no others, in an order that keeps each step valid; devices only if they are
   * given. When one is refused, the others are as they were.
   *
   * @throws RunletError as {@link apply}.
   */
  update(resources: LinuxResources): Promise<void>;
  /** Ids of all processes in the control group and those below it, in the caller's pid namespace. Empty when it is gone. */
  processes(): readonly number[];
  /** Sends a signal, SIGKILL unless given, to every process of the control group and those below it, forks included. */
  kill(signal?: number): Promise<void>;
  /** Stops all processes and returns when all have stopped. @throws RunletError `ERR_RUNLET_TIMEOUT` after 10 s, thawed again. */
  freeze(): Promise<void>;
  /** Lets the processes run again. */
  thaw(): Promise<void>;
  /** Whether the processes are stopped by {@link freeze}, or on the way there. False when the control group is gone. */
  isFrozen(): boolean;
  /** Whether the control group is there. */
  exists(): boolean;
  /** Usage and limits, in the shape of runc's `events --stats`. @throws RunletError `ERR_RUNLET_CGROUP` when it is gone. */
  stats(): CgroupStats;
  /**
   * How many processes the memory limit has killed; 0 where nobody counts. Of a unit that systemd has removed, as it does
   * when the last process ends, the kernel's log tells, as long as it can be read and has the record.
   */
  oomKillCount(): number;
  /** Yields what happens until the control group goes away, or `signal` fires. */
  events(signal?: AbortSignal): AsyncIterable<CgroupEvent>;
  /**
   * Removes the control group, those below it, and parents that were made for it and are empty. One that is gone is no
   * error. Processes that are about to end are waited for, up to 2 s.
   *
   * @throws RunletError `ERR_RUNLET_CGROUP` when processes stay.
   */
  delete(): Promise<void>;
  /** What {@link CgroupManager.fromState} needs. */
  toState(): CgroupState;
}

/** A control group that is driven by its files. */
export interface FileCgroup extends Cgroup {
  /**
   * As {@link Cgroup.update}.
   *
   * @returns what takes the change back and names what it could not.
   */
  change(resources: LinuxResources): () => readonly string[];
}
