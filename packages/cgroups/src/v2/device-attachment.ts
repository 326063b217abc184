import { closeSync, constants, openSync } from "node:fs";
import { RunletError } from "@runlet/errors";
import {
  bpfAttachDeviceProgram,
  bpfDetachDeviceProgram,
  bpfLoadDeviceProgram,
  bpfOpenProgram,
  bpfProgramName,
  bpfQueryDevicePrograms,
} from "@runlet/syscall";
import { errnoOf } from "../cgroup-file.ts";
import type { DeviceRule } from "../device-rule.ts";
import { resourcesPointer } from "../resource-value.ts";
import { allowsEverything, deviceProgram } from "./device-program.ts";

/** By which our program is told from others on the same group: systemd has one of its own. */
const programName = "runlet_devices";

/**
 * Sets the device program of a group: attaches it, or puts it in the place of the one before, so that there is no moment
 * without a program.
 *
 * @param isRootless - bears a refusal: without privileges in the initial user namespace neither bpf(2) nor mknod(2) is
 *   possible, and devices have the permissions of their nodes.
 * @throws RunletError `ERR_RUNLET_CGROUP` for the devices of the resources.
 */
export function setDeviceProgram(options: {
  hostPath: string;
  rules: readonly DeviceRule[];
  isUpdate: boolean;
  isRootless: boolean;
}): void {
  const { hostPath, rules, isUpdate, isRootless } = options;
  // A new group has no program; where there is nothing to deny it needs none.
  if (!isUpdate && allowsEverything(rules)) return;
  const groupFd = openSync(hostPath, constants.O_RDONLY | constants.O_DIRECTORY);
  let programFd = -1;
  try {
    programFd = bpfLoadDeviceProgram({ instructions: deviceProgram(rules), name: programName });
    if (isUpdate) replacePrograms(groupFd, programFd);
    else bpfAttachDeviceProgram({ groupFd, programFd });
  } catch (error) {
    const errno = errnoOf(error);
    if (isRootless && (errno === "EPERM" || errno === "EACCES")) return;
    throw programError(hostPath, error);
  } finally {
    if (programFd >= 0) closeSync(programFd);
    closeSync(groupFd);
  }
}

function replacePrograms(groupFd: number, programFd: number): void {
  const ownFds = ownPrograms(groupFd);
  try {
    const [first, ...others] = ownFds;
    if (first === undefined) bpfAttachDeviceProgram({ groupFd, programFd });
    else if (!tryReplace(groupFd, programFd, first)) {
      // Before Linux 5.6 both hold for a moment, and what one of them denies is denied.
      bpfAttachDeviceProgram({ groupFd, programFd });
      bpfDetachDeviceProgram(groupFd, first);
    }
    for (const fd of others) bpfDetachDeviceProgram(groupFd, fd);
  } finally {
    for (const fd of ownFds) closeSync(fd);
  }
}

function tryReplace(groupFd: number, programFd: number, replacedFd: number): boolean {
  try {
    bpfAttachDeviceProgram({ groupFd, programFd, replacedFd });
    return true;
  } catch (error) {
    if (errnoOf(error) === "EINVAL") return false;
    throw error;
  }
}

/** Descriptors of our programs on a group; the caller closes them. */
function ownPrograms(groupFd: number): number[] {
  const fds: number[] = [];
  const ownFds: number[] = [];
  try {
    for (const id of bpfQueryDevicePrograms(groupFd)) {
      const fd = bpfOpenProgram(id);
      fds.push(fd);
      if (bpfProgramName(fd) === programName) ownFds.push(fd);
    }
  } catch (error) {
    ownFds.length = 0;
    throw error;
  } finally {
    for (const fd of fds) if (!ownFds.includes(fd)) closeSync(fd);
  }
  return ownFds;
}

function programError(hostPath: string, cause: unknown): RunletError {
  const errno = errnoOf(cause);
  return new RunletError("ERR_RUNLET_CGROUP", `cannot set the device program of the control group ${hostPath}`, {
    pointer: `${resourcesPointer}/devices`,
    syscall: "bpf",
    errno,
    hint:
      errno === "EPERM" || errno === "EACCES"
        ? "run as root of the initial user namespace, or rootless"
        : "use a kernel with CONFIG_CGROUP_BPF",
    cause,
  });
}
