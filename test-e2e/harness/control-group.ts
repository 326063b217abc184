import { readFileSync } from "node:fs";
import { parseMountinfo } from "./observation.ts";
import { cgroupLayout } from "./requirements.ts";

/** Whether the controllers are those of cgroup v2. */
export const isV2 = cgroupLayout === "v2";

/** A container's control group, found by its process: so it is the one that holds, whichever runtime made it. */
export class ControlGroup {
  readonly #processGroups: string;

  /** @param pid - process of the container; it may end afterwards. */
  constructor(pid: number) {
    this.#processGroups = readFileSync(`/proc/${pid}/cgroup`, "utf8");
  }

  /** Directory of the group; `controller` counts on v1 only, where each has one of its own. */
  hostPath(controller: string): string {
    for (const line of this.#processGroups.trim().split("\n")) {
      const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      if (isV2 ? controllers === "" : controllers.split(",").includes(controller)) {
        return `${mountPoint(isV2 ? "" : controller)}${path}`;
      }
    }
    throw new Error(`the process is in no control group of ${controller}: ${this.#processGroups}`);
  }

  /** A file's content, without the line break at its end. */
  read(controller: string, file: string): string {
    return readFileSync(`${this.hostPath(controller)}/${file}`, "utf8").trim();
  }

  /** The value of a key of a flat file such as cpu.stat. */
  readKey(controller: string, file: string, key: string): number {
    const text = this.read(controller, file);
    const value = new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1];
    if (value === undefined) throw new Error(`${file} has no ${key}: ${text}`);
    return Number(value);
  }

  /** Processor time that the group has used, in milliseconds. */
  cpuUsageMs(): number {
    return isV2
      ? this.readKey("cpu", "cpu.stat", "usage_usec") / 1e3
      : Number(this.read("cpuacct", "cpuacct.usage")) / 1e6;
  }
}

/** Where a controller of v1, or with an empty name v2, is mounted whole. */
function mountPoint(controller: string): string {
  const mounts = parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8"));
  const found = mounts.find(({ type, root, superOptions }) =>
    controller === "" ? type === "cgroup2" : type === "cgroup" && root === "/" && superOptions.includes(controller),
  );
  if (found === undefined) throw new Error(`control groups of ${controller || "v2"} are not mounted`);
  return found.target;
}
