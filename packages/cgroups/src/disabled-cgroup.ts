import { RunletError } from "@runlet/errors";
import type { LinuxResources } from "@runlet/spec";
import type { Cgroup, CgroupDescriptors, CgroupState, CgroupWarning, CgroupWrite } from "./cgroup.ts";
import type { CgroupEvent } from "./events.ts";
import { resourcesPointer } from "./resource-value.ts";
import type { CgroupStats } from "./stats.ts";

/** No control group: the container's processes stay in the caller's, and no limit holds. */
export class DisabledCgroup implements Cgroup {
  readonly driver = "disabled";
  readonly path = "/";
  readonly hostPaths = {};
  readonly controllers = [];
  readonly needsProcess = false;

  plan(): readonly CgroupWrite[] {
    return [];
  }

  planUpdate(): readonly CgroupWrite[] {
    return [];
  }

  /** Says that limits do not hold, once for each controller that is asked for. */
  warnings(resources: LinuxResources | undefined): readonly CgroupWarning[] {
    return Object.keys(resources ?? {})
      .filter((field) => field !== "devices")
      .map((field) => ({
        message: `limit does not hold: control groups are disabled`,
        pointer: `${resourcesPointer}/${field}`,
      }));
  }

  async create(): Promise<void> {}

  openProcs(): CgroupDescriptors {
    return { procs: [], directoryFd: null };
  }

  async apply(): Promise<void> {}

  async update(): Promise<void> {
    throw disabled("update");
  }

  processes(): readonly number[] {
    throw disabled("list the processes of");
  }

  async kill(): Promise<void> {
    throw disabled("kill all processes of");
  }

  async freeze(): Promise<void> {
    throw disabled("pause");
  }

  async thaw(): Promise<void> {
    throw disabled("resume");
  }

  isFrozen(): boolean {
    return false;
  }

  exists(): boolean {
    return false;
  }

  stats(): CgroupStats {
    throw disabled("count the resources of");
  }

  oomKillCount(): number {
    return 0;
  }

  events(): AsyncIterable<CgroupEvent> {
    throw disabled("watch");
  }

  async delete(): Promise<void> {}

  toState(): CgroupState {
    return { driver: "disabled", path: "/", cgroup_paths: {}, rootless: false, isDefaultPath: true };
  }
}

function disabled(action: string): RunletError {
  return new RunletError("ERR_RUNLET_CGROUP", `cannot ${action} a container without control groups`, {
    hint: "create it with --cgroup-manager=cgroupfs or systemd",
  });
}
