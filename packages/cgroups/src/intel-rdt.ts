import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { isRunletError, quote, RunletError } from "@runlet/errors";
import type { LinuxIntelRdt } from "@runlet/spec";
import type { CgroupWrite } from "./cgroup.ts";
import { errnoOf, isGone, readText, writeError, writeValue } from "./cgroup-file.ts";
import { invalidResource } from "./resource-value.ts";

const pointer = "/linux/intelRdt";

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
  return line?.split(" ")[4] ?? null;
}

/**
 * A container's class of service and monitoring group of Intel's Resource Director Technology.
 *
 * @see config-linux.md#intelrdt, Documentation/arch/x86/resctrl.rst
 */
export class IntelRdtGroup {
  readonly #options: IntelRdtOptions;
  readonly #state: IntelRdtState;

  /** @throws RunletError `ERR_RUNLET_CONFIG_INVALID` for a bad closID, `ERR_RUNLET_CGROUP` when resctrl is not mounted. */
  constructor(options: IntelRdtOptions) {
    this.#options = options;
    const { id, config } = options;
    const mountPoint = options.mountPoint === undefined ? findResctrl() : options.mountPoint;
    if (mountPoint === null) throw notMounted();
    const { closID } = config;
    if (closID !== undefined && (closID === "" || closID === "." || closID === ".." || /[/\n\0]/.test(closID))) {
      throw invalidResource(`${pointer}/closID`, `closID ${quote(closID)} is no name of a directory`);
    }
    const path = closID === undefined && schemata(config).length === 0 ? mountPoint : `${mountPoint}/${closID ?? id}`;
    this.#state = {
      intel_rdt_path: path,
      monitoringPath: config.enableMonitoring === true ? `${path}/mon_groups/${id}` : null,
      isOwn: closID === undefined && schemata(config).length > 0,
    };
  }

  /** What {@link create} writes. Pure. */
  plan(): readonly CgroupWrite[] {
    return schemata(this.#options.config).map(({ from, value }) => ({
      from,
      controller: "resctrl",
      file: "schemata",
      value,
    }));
  }

  /**
   * Makes the class of service and sets its schemata. One that `closID` names and that is there already must have them.
   *
   * @throws RunletError `ERR_RUNLET_CGROUP` with the pointer of the field; what was made is removed again.
   */
  create(): void {
    const { intel_rdt_path: path, monitoringPath } = this.#state;
    const lines = schemata(this.#options.config);
    const isNamed = this.#options.config.closID !== undefined;
    const isThere = existsSync(path);
    if (isNamed && !isThere && lines.length === 0) throw missingClass(path);
    const made: string[] = [];
    try {
      if (!isThere) {
        mkdirSync(path);
        made.push(path);
      }
      if (isNamed && isThere) checkSchemata(path, lines);
      else for (const line of lines) this.#write(path, line);
      if (monitoringPath !== null) {
        mkdirSync(monitoringPath);
        made.push(monitoringPath);
      }
    } catch (error) {
      for (const hostPath of made.reverse()) removeIfThere(hostPath);
      throw isRunletError(error) ? error : makeError(path, error);
    }
  }

  /** Puts a process into the groups. @throws RunletError `ERR_RUNLET_CGROUP` */
  join(pid: number): void {
    const { intel_rdt_path: path, monitoringPath } = this.#state;
    for (const group of monitoringPath === null ? [path] : [path, monitoringPath]) {
      this.#write(group, { from: pointer, value: String(pid) }, "tasks");
    }
  }

  /** Sets other schemata, as `update` does. @throws RunletError `ERR_RUNLET_CGROUP` */
  update(config: Pick<LinuxIntelRdt, "l3CacheSchema" | "memBwSchema">): void {
    for (const line of schemata(config)) this.#write(this.#state.intel_rdt_path, line);
  }

  #write(path: string, { from, value }: SchemaLine, file = "schemata"): void {
    try {
      writeValue(`${path}/${file}`, `${value}\n`);
    } catch (error) {
      throw writeError(
        error,
        { file, value, hostPath: `${path}/${file}`, from },
        `see ${path.slice(0, path.lastIndexOf("/"))}/info/last_cmd_status`,
      );
    }
  }

  toState(): IntelRdtState {
    return this.#state;
  }
}

/** Removes what was made for a container. What is gone is no error; a class that `closID` names is somebody else's. */
export function deleteIntelRdt(state: IntelRdtState): void {
  if (state.monitoringPath !== null) removeIfThere(state.monitoringPath);
  if (state.isOwn) removeIfThere(state.intel_rdt_path);
}

interface SchemaLine {
  readonly from: string;
  readonly value: string;
}

/** Lines in the order in which they are written: `schemata` last. @throws RunletError for one that holds a line break. */
function schemata(config: LinuxIntelRdt): SchemaLine[] {
  const lines = [
    ...(["l3CacheSchema", "memBwSchema"] as const).map((field) => ({
      from: `${pointer}/${field}`,
      value: config[field] ?? "",
    })),
    ...(config.schemata ?? []).map((value, index) => ({ from: `${pointer}/schemata/${index}`, value })),
  ];
  return lines.flatMap(({ from, value }) =>
    value
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => ({ from, value: line.trim() })),
  );
}

/** Compares by domain: the kernel pads numbers and names every domain. */
function checkSchemata(path: string, lines: readonly SchemaLine[]): void {
  const present = new Map(readText(`${path}/schemata`).split("\n").map(parseSchema));
  for (const { from, value } of lines) {
    const [resource, domains] = parseSchema(value);
    const known = present.get(resource);
    const isSame = known !== undefined && [...domains].every(([domain, mask]) => known.get(domain) === mask);
    if (isSame) continue;
    throw new RunletError(
      "ERR_RUNLET_CGROUP",
      `the class of service ${quote(path)} has other schemata than ${quote(value)}`,
      {
        pointer: from,
        hint: "leave out the schemata to use the class as it is, or give another closID",
      },
    );
  }
}

/** `L3:0=0f;1=f0` is the resource L3 with a mask for each domain. */
function parseSchema(line: string): [resource: string, domains: Map<string, string>] {
  const [resource, rest] = line.trim().split(":");
  const domains = new Map<string, string>();
  for (const pair of (rest ?? "").split(";")) {
    const [domain, mask] = pair.split("=");
    domains.set(
      (domain ?? "").trim(),
      (mask ?? "")
        .trim()
        .replace(/^0+(?=.)/, "")
        .toLowerCase(),
    );
  }
  return [resource ?? "", domains];
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
    pointer,
    hint: "on a processor with RDT: mount -t resctrl resctrl /sys/fs/resctrl; else remove linux.intelRdt",
  });
}

function missingClass(path: string): RunletError {
  return new RunletError("ERR_RUNLET_CGROUP", `the class of service ${quote(path)} does not exist`, {
    pointer: `${pointer}/closID`,
    hint: "make it, or give the schemata it is to have",
  });
}

function makeError(path: string, cause: unknown): RunletError {
  const errno = errnoOf(cause);
  return new RunletError("ERR_RUNLET_CGROUP", `cannot make the class of service ${quote(path)}`, {
    pointer,
    syscall: "mkdir",
    errno,
    hint: errno === "ENOSPC" ? "the processor has no more classes or monitoring groups: remove one" : undefined,
    cause,
  });
}
