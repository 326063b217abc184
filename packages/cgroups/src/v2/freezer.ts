import { RunletError } from "@runlet/errors";
import { readText, readTextIfExists, writeValue } from "../cgroup-file.ts";
import { pause } from "../pause.ts";

const patienceMs = 10_000;

/**
 * Stops the processes of a group and all below it and waits until each has stopped.
 *
 * @throws RunletError `ERR_RUNLET_TIMEOUT` after 10 s; the group is thawed again.
 * @see Documentation/admin-guide/cgroup-v2.rst, "cgroup.freeze"
 */
export async function freezeGroup(hostPath: string): Promise<void> {
  writeValue(`${hostPath}/cgroup.freeze`, "1");
  const deadlineMs = Date.now() + patienceMs;
  for (let pauseMs = 1; !hasStopped(hostPath); pauseMs = Math.min(pauseMs * 2, 20)) {
    if (Date.now() >= deadlineMs) {
      writeValue(`${hostPath}/cgroup.freeze`, "0");
      throw new RunletError("ERR_RUNLET_TIMEOUT", `unable to freeze the control group ${hostPath} within 10 s`, {
        hint: "a process waits for a device or file system that does not answer (state D in ps)",
      });
    }
    await pause(pauseMs);
  }
}

function hasStopped(hostPath: string): boolean {
  return /^frozen 1$/m.test(readText(`${hostPath}/cgroup.events`));
}

/** Lets the processes run again. */
export function thawGroup(hostPath: string): void {
  writeValue(`${hostPath}/cgroup.freeze`, "0");
}

/** Whether a group is stopped, or on the way there. False when it is gone. */
export function isGroupFrozen(hostPath: string): boolean {
  return readTextIfExists(`${hostPath}/cgroup.freeze`) === "1";
}
