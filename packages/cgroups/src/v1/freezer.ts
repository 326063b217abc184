import { RunletError } from "@runlet/errors";
import { readText, readTextIfExists, writeValue } from "../cgroup-file.ts";
import { pause } from "../pause.ts";

const patienceMs = 10_000;

/**
 * Stops the processes of a group and all below it and waits until each has stopped. A process that forks while others are
 * being stopped can keep the kernel from an end; letting go and starting again helps.
 *
 * @param hostPath - directory of the freezer hierarchy.
 * @throws RunletError `ERR_RUNLET_TIMEOUT` after 10 s; the group is thawed again.
 * @see Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst
 */
export async function freezeGroup(hostPath: string): Promise<void> {
  const file = `${hostPath}/freezer.state`;
  const deadlineMs = Date.now() + patienceMs;
  for (let attempt = 0; ; attempt++) {
    if (attempt % 50 === 49) {
      writeValue(file, "THAWED");
      await pause(10);
    }
    writeValue(file, "FROZEN");
    if (readText(file) === "FROZEN") return;
    if (Date.now() >= deadlineMs) {
      writeValue(file, "THAWED");
      throw new RunletError("ERR_RUNLET_TIMEOUT", `unable to freeze the control group ${hostPath} within 10 s`, {
        hint: "a process waits for a device or file system that does not answer (state D in ps)",
      });
    }
    await pause(Math.min(1 + attempt, 10));
  }
}

/** Lets the processes run again. */
export function thawGroup(hostPath: string): void {
  writeValue(`${hostPath}/freezer.state`, "THAWED");
}

/** Whether a group is stopped, or on the way there. False when it is gone. */
export function isGroupFrozen(hostPath: string): boolean {
  const state = readTextIfExists(`${hostPath}/freezer.state`);
  return state !== undefined && state !== "THAWED";
}
