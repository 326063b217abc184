import type { Cgroup, CgroupState } from "./cgroup.ts";
import { DisabledCgroup } from "./disabled-cgroup.ts";
import { fileGroup, recordedFileGroup } from "./file-group.ts";
import { type CgroupLayout, detectLayout } from "./layout.ts";
import { recordedUnitGroup, unitGroup } from "./systemd/unit-group.ts";

/** Options of {@link cgroupManager}. */
export interface ManagerOptions {
  /** Default: {@link detectLayout}. */
  readonly layout?: CgroupLayout;
  /** Who manages control groups: the file system, systemd, or nobody. Default `cgroupfs`. */
  readonly driver?: "cgroupfs" | "systemd" | "disabled";
  /**
   * Whether a container does without what the host's permissions deny: control groups at the default path, and device rules. Limits
   * that were asked for are still errors.
   */
  readonly rootless?: boolean;
}

/** A container's wish for a control group. */
export interface CgroupRequest {
  /** Id of the container. */
  readonly id: string;
  /** `/linux/cgroupsPath` of its config. */
  readonly cgroupsPath?: string | undefined;
}

/** Makes {@link Cgroup}s of one driver. */
export interface CgroupManager {
  readonly layout: CgroupLayout;
  /**
   * The control group of a container. Nothing is made before {@link Cgroup.create}.
   *
   * @throws RunletError `ERR_RUNLET_CONFIG_INVALID` for a cgroupsPath that this driver has no place for, `ERR_RUNLET_CGROUP`
   *   when the host has no control groups.
   */
  cgroup(request: CgroupRequest): Cgroup;
}

/**
 * The control group that was recorded, whoever made it and by which driver.
 *
 * @param options.layout - default: {@link detectLayout}.
 */
export function cgroupFromState(state: CgroupState, options: { readonly layout?: CgroupLayout } = {}): Cgroup {
  if (state.driver === "disabled") return new DisabledCgroup();
  const layout = options.layout ?? detectLayout();
  return state.driver === "systemd" ? recordedUnitGroup(state, layout) : recordedFileGroup(state, layout);
}

/** The manager of a driver. No system call is made, but for {@link detectLayout} if no layout is given. */
export function cgroupManager(options: ManagerOptions = {}): CgroupManager {
  const layout = options.layout ?? detectLayout();
  const driver = options.driver ?? "cgroupfs";
  const rootless = options.rootless ?? false;
  return {
    layout,
    cgroup: ({ id, cgroupsPath }) => {
      if (driver === "disabled") return new DisabledCgroup();
      if (driver === "systemd") return unitGroup(layout, { id, cgroupsPath, rootless });
      return fileGroup(layout, { id, cgroupsPath, rootless });
    },
  };
}
