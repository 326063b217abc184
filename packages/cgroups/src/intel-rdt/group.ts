import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { isRunletError, quote, RunletError } from "@runlet/errors";
import type { LinuxIntelRdt } from "@runlet/spec";
import type { CgroupWrite } from "../cgroup.ts";
import { errnoOf, isGone, readText, readTextIfExists, writeError, writeValue } from "../cgroup-file.ts";
import { unescapeOctal } from "../layout.ts";
import { invalidResource } from "../resource-value.ts";
import { checkSchemata, intelRdtPointer, type SchemaLine, type Schemata, schemaLines } from "./schemata.ts";
import { type IntelRdtStats, readIntelRdtStats } from "./stats.ts";

/** Options of {@link IntelRdtGroup}. */
export interface IntelRdtOptions {
  /** Id of the container: the name of its class of service unless `closID` names one, and of its monitoring group. */
  readonly id: string;
  readonly config: LinuxIntelRdt;
  /** Host path of the resctrl file system; null when it is not mounted. Default: {@link findResctrl}. */
  readonly mountPoint?: string | null;
}

/** What of an {@link IntelRdtGroup} is recorded on disk; known before anything is made. */
export interface IntelRdtState {
  /** Host path of the resctrl file system. */
  readonly mountPoint: string;
  /** Directory of the class of service, as runc's state.json has it. */
  readonly intel_rdt_path: string;
  /** Directory of the monitoring group, or null. */
  readonly monitoringPath: string | null;
  /** Whether the class of service is the container's own, to be removed with it. */
  readonly isOwn: boolean;
}

/**
 * Host path of the resctrl file system.
 *
 * @param mountinfo - default: /proc/self/mountinfo.
 * @returns null when it is not mounted.
 */
export function findResctrl(mountinfo: string = readFileSync("/proc/self/mountinfo", "utf8")): string | null {
  const line = mountinfo.split("\n").find((one) => / - resctrl /.test(one));
  const mountPoint = line?.split(" ")[4];
  return mountPoint === undefined ? null : unescapeOctal(mountPoint);
}

/**
 * A container's class of service and monitoring group of Intel's Resource Director Technology.
 *
 * @see config-linux.md#intelrdt, Documentation/arch/x86/resctrl.rst
 */
export class IntelRdtGroup {
  readonly #config: LinuxIntelRdt;
  readonly #state: IntelRdtState;

  /** @throws RunletError `ERR_RUNLET_CONFIG_INVALID` for a bad closID, `ERR_RUNLET_CGROUP` when resctrl is not mounted. */
  constructor({ id, config, mountPoint = findResctrl() }: IntelRdtOptions) {
    this.#config = config;
    if (mountPoint === null) throw notMounted();
    const { closID } = config;
    if (closID !== undefined && closID !== "/" && (/^\.{0,2}$/.test(closID) || /[/\n\0]/.test(closID))) {
      throw invalidResource(`${intelRdtPointer}/closID`, `closID ${quote(closID)} is no name of a directory`);
    }
    // "/" is the default class, which every process is in at first.
    const path = closID === "/" ? mountPoint : `${mountPoint}/${closID ?? id}`;
    this.#state = {
      mountPoint,
      intel_rdt_path: path,
      monitoringPath: config.enableMonitoring === true ? `${path}/mon_groups/${id}` : null,
      isOwn: closID === undefined,
    };
  }

  /** What {@link create} writes. Pure. */
  plan(): readonly CgroupWrite[] {
    return schemaLines(this.#config).map(({ from, value }) => ({
      from,
      controller: "resctrl",
      file: "schemata",
      value,
    }));
  }

  /**
   * Makes the class of service and sets its schemata. One that `closID` names and that is there already must have them; one of
   * the container's own that is there already must be empty.
   *
   * @throws RunletError `ERR_RUNLET_CGROUP` with the pointer of the field; what was made is removed again.
   */
  create(): void {
    const { intel_rdt_path: path, monitoringPath, isOwn } = this.#state;
    const lines = schemaLines(this.#config);
    const isThere = existsSync(path);
    if (!isOwn && !isThere && lines.length === 0) throw missingClass(path);
    if (isOwn && (readTextIfExists(`${path}/tasks`) ?? "") !== "") throw notEmpty(path);
    const made: string[] = [];
    try {
      if (!isThere) {
        mkdirSync(path);
        made.push(path);
      }
      if (!isOwn && isThere) checkSchemata(path, lines);
      else for (const line of lines) writeLine(path, line);
      if (monitoringPath !== null) {
        mkdirSync(monitoringPath);
        made.push(monitoringPath);
      }
    } catch (error) {
      for (const hostPath of made.reverse()) removeIfThere(hostPath);
      throw isRunletError(error) ? error : makeError(path, error);
    }
  }

  toState(): IntelRdtState {
    return this.#state;
  }
}

/** Puts a process, or a thread, into the groups: what it starts is in them too. @throws RunletError `ERR_RUNLET_CGROUP` */
export function joinIntelRdt(
  { intel_rdt_path: path, monitoringPath }: Pick<IntelRdtState, "intel_rdt_path" | "monitoringPath">,
  pid: number,
): void {
  for (const group of monitoringPath === null ? [path] : [path, monitoringPath]) {
    writeLine(group, { from: intelRdtPointer, value: String(pid) }, "tasks");
  }
}

/** Whether the kernel allocates a resource on this processor: L3 cache, also apart for code and data, or memory bandwidth. */
export function hasIntelRdtResource(mountPoint: string, resource: "L3" | "MB"): boolean {
  return [resource, `${resource}CODE`].some((name) => existsSync(`${mountPoint}/info/${name}`));
}

/** The schemata of a container's class of service, line by line. */
export function readSchemata({ intel_rdt_path: path }: IntelRdtState): string[] {
  return readText(`${path}/schemata`).split("\n");
}

/**
 * Sets other schemata, all or none: when a line is refused, those before are set back.
 *
 * @throws RunletError `ERR_RUNLET_CGROUP` with the pointer of the line.
 */
export function updateIntelRdt(state: IntelRdtState, schemata: Schemata): void {
  const { intel_rdt_path: path } = state;
  const before = readSchemata(state);
  try {
    for (const line of schemaLines(schemata)) writeLine(path, line);
  } catch (error) {
    for (const line of before) writeValue(`${path}/schemata`, `${line}\n`);
    throw error;
  }
}

/** Allocation and use of a container's groups; empty when they are gone. */
export function intelRdtStats(state: IntelRdtState): IntelRdtStats {
  return existsSync(state.intel_rdt_path) ? readIntelRdtStats(state) : {};
}

/** Removes what was made for a container. What is gone is no error; a class that `closID` names is somebody else's. */
export function deleteIntelRdt(state: IntelRdtState): void {
  if (state.monitoringPath !== null) removeIfThere(state.monitoringPath);
  if (state.isOwn) removeIfThere(state.intel_rdt_path);
}

function writeLine(path: string, { from, value }: SchemaLine, file: "schemata" | "tasks" = "schemata"): void {
  try {
    writeValue(`${path}/${file}`, `${value}\n`);
  } catch (error) {
    throw writeError(
      error,
      { file, value, hostPath: `${path}/${file}`, from },
      "the resctrl file system says why in info/last_cmd_status",
    );
  }
}

function removeIfThere(hostPath: string): void {
  try {
    rmdirSync(hostPath);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function notMounted(): RunletError {
  return new RunletError("ERR_RUNLET_CGROUP", "intelRdt is not possible here: the resctrl file system is not mounted", {
    pointer: intelRdtPointer,
    hint: "on a processor with RDT: mount -t resctrl resctrl /sys/fs/resctrl; else remove linux.intelRdt",
  });
}

function missingClass(path: string): RunletError {
  return new RunletError("ERR_RUNLET_CGROUP", `the class of service ${quote(path)} does not exist`, {
    pointer: `${intelRdtPointer}/closID`,
    hint: "make it, or give the schemata it is to have",
  });
}

function notEmpty(path: string): RunletError {
  return new RunletError("ERR_RUNLET_CGROUP", `the class of service ${quote(path)} has processes already`, {
    pointer: intelRdtPointer,
    hint: "give another id, or name the class: closID",
  });
}

function makeError(path: string, cause: unknown): RunletError {
  const errno = errnoOf(cause);
  return new RunletError("ERR_RUNLET_CGROUP", `cannot make the class of service ${quote(path)}`, {
    pointer: intelRdtPointer,
    syscall: "mkdir",
    errno,
    hint: errno === "ENOSPC" ? "the processor has no more classes or monitoring groups: remove one" : undefined,
    cause,
  });
}
