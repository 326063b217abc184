import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import type { Cgroup } from "@runlet/cgroups";

/**
 * Host directories, by controller, that the caller may make for a container whose control group has the default path: those
 * in a directory that was delegated to the caller. @see cgroups(7), "cgroup delegation"
 */
export function delegatedPaths({ hostPaths }: Pick<Cgroup, "hostPaths">): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(hostPaths).filter(([, hostPath]) => mayMakeIn(dirname(hostPath))));
}

/** Whether the caller may make the control group in one of the hierarchies at least. */
export function isDelegated(cgroup: Pick<Cgroup, "hostPaths">): boolean {
  return Object.keys(delegatedPaths(cgroup)).length > 0;
}

function mayMakeIn(hostPath: string): boolean {
  try {
    accessSync(hostPath, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
