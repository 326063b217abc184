import { RunletError } from "@runlet/errors";
import type { PlannedWrite } from "../resource-value.ts";

/** The error for a limit of a controller that this host has not. */
export function missingControllerError(write: PlannedWrite): RunletError {
  return new RunletError(
    "ERR_RUNLET_CGROUP",
    `cannot set ${write.file}: this host has no ${write.controller} controller of cgroup v1`,
    {
      pointer: write.from.startsWith("/") ? write.from : undefined,
      hint: `mount the ${write.controller} controller, or remove the field`,
    },
  );
}

/** The error for a limit of a controller whose hierarchy the host's permissions deny. */
export function refusedControllerError(write: PlannedWrite): RunletError {
  return new RunletError(
    "ERR_RUNLET_CGROUP",
    `cannot set ${write.controller} limit: container could not join or create cgroup`,
    {
      pointer: write.from.startsWith("/") ? write.from : undefined,
      hint: "run as root, or have a control group delegated to the user and name it in cgroupsPath",
    },
  );
}
