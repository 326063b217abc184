import { posix } from "node:path";
import { RunletError } from "@runlet/errors";
import type { Cgroup, CgroupState } from "../cgroup.ts";
import { parseUnitPath, slicePath, unitName } from "../cgroups-path.ts";
import { fileGroup, recordedFileGroup } from "../file-group.ts";
import type { CgroupLayout } from "../layout.ts";
import { SystemdCgroup } from "./cgroup.ts";

/** What {@link unitGroup} makes a control group of. */
export interface UnitGroupRequest {
  readonly id: string;
  readonly cgroupsPath?: string | undefined;
  /** Whether the user's own instance of systemd makes the unit. */
  readonly rootless: boolean;
}

/**
 * The control group of a container by systemd.
 *
 * @throws RunletError as {@link parseUnitPath}; `ERR_RUNLET_CGROUP` when the host has no control groups.
 */
export function unitGroup(layout: CgroupLayout, request: UnitGroupRequest): Cgroup {
  const { id, rootless } = request;
  const unitPath = parseUnitPath(request.cgroupsPath, id);
  const unit = unitName(unitPath);
  const base = rootless ? userInstancePath(layout) : "";
  // systemd's own choice: transient units of the system are in system.slice, those of a user in app.slice.
  const slice = unitPath.slice === "" ? (rootless ? "user.slice" : "system.slice") : unitPath.slice;
  const cgroupsPath = posix.join("/", base, slicePath(slice), unit);
  return new SystemdCgroup({
    id,
    unit,
    slice,
    isUserInstance: rootless,
    files: fileGroup(layout, { id, cgroupsPath, rootless }),
  });
}

/** Path of the user instance's own group: `/user.slice/user-1000.slice/user@1000.service`. */
function userInstancePath(layout: CgroupLayout): string {
  const { unified } = layout;
  if (layout.kind !== "v2" || unified === null) {
    throw new RunletError("ERR_RUNLET_SYSTEMD", "a user's systemd manages control groups on cgroup v2 only", {
      hint: "use a host with cgroup v2, or --cgroup-manager=disabled",
    });
  }
  const ownPath = `/${posix.relative(unified.mountPoint, unified.ownPath)}`;
  const uid = /\/user-(\d+)\.slice(\/|$)/.exec(ownPath)?.[1] ?? String(process.geteuid?.() ?? 0);
  return `/user.slice/user-${uid}.slice/user@${uid}.service`;
}

/** The control group that the systemd driver recorded. */
export function recordedUnitGroup(state: CgroupState, layout: CgroupLayout): Cgroup {
  const isV2 = Object.keys(state.cgroup_paths).join() === "";
  return new SystemdCgroup({
    id: state.unit ?? "",
    unit: state.unit ?? posix.basename(state.path),
    slice: "",
    isUserInstance: state.userInstance === true,
    sinceUptimeMs: state.sinceUptimeMs,
    files: recordedFileGroup({ ...state, driver: isV2 ? "v2" : "v1" }, layout),
  });
}
