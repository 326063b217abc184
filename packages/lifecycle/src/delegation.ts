import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import type { CgroupLayout } from "@runlet/cgroups";

/**
 * What of the host's control groups is delegated to the caller: the hierarchies in which it may make one beside or below
 * its own, as a control group at the default path is. `none` when there is nothing. @see cgroups(7), "cgroup delegation"
 */
export function delegatedLayout(layout: CgroupLayout): CgroupLayout {
  const { kind } = layout;
  const hierarchies = layout.hierarchies.filter(({ ownPath }) => mayMakeIn(ownPath));
  const unified = layout.unified !== null && mayMakeIn(placeOf(layout)) ? layout.unified : null;
  const isNone = hierarchies.length === 0 && unified === null;
  return {
    ...layout,
    kind: isNone ? "none" : kind === "hybrid" && unified === null ? "v1" : kind,
    hierarchies,
    unified,
  };
}

/** A group of v2 with processes cannot have controllers below: there the container's is beside the caller's. */
function placeOf({ kind, unified }: CgroupLayout): string {
  const { ownPath = "", mountPoint = "" } = unified ?? {};
  return kind === "v2" && ownPath !== mountPoint ? dirname(ownPath) : ownPath;
}

function mayMakeIn(hostPath: string): boolean {
  try {
    accessSync(hostPath, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
