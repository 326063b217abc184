import { RunletError } from "@runlet/errors";
import { errnoOf } from "./cgroup-file.ts";

const pointer = "/linux/cgroupsPath";

/** The error for a control group that is in use already. */
export function notEmptyError(hostPath: string, processCount: number): RunletError {
  return new RunletError(
    "ERR_RUNLET_CGROUP",
    `container's cgroup is not empty: ${processCount} process(es) found in ${hostPath}`,
    { pointer, hint: "give each container a control group of its own", details: { hostPath, processCount } },
  );
}

/** The error for a control group whose processes would not run. */
export function frozenError(hostPath: string): RunletError {
  return new RunletError("ERR_RUNLET_CGROUP", `container's cgroup unexpectedly frozen: ${hostPath}`, {
    pointer,
    hint: "thaw the control group, or give the container another one",
    details: { hostPath },
  });
}

/** The error for a control group that cannot be made. */
export function makeError(hostPath: string, cause: unknown): RunletError {
  const errno = errnoOf(cause);
  return new RunletError("ERR_RUNLET_CGROUP", `cannot make the control group ${hostPath}`, {
    pointer,
    syscall: "mkdir",
    errno,
    hint: hints[errno ?? ""],
    cause,
  });
}

const hints: Readonly<Record<string, string>> = {
  EACCES: "run as root, or have a control group delegated to the user and name it in cgroupsPath",
  EPERM: "run as root, or have a control group delegated to the user and name it in cgroupsPath",
  EROFS: "mount the control groups read-write, or use --cgroup-manager=disabled",
  EAGAIN: "raise cgroup.max.descendants or cgroup.max.depth of a parent group",
  ENOSPC: "give the parent group CPUs and memory nodes (cpuset.cpus, cpuset.mems)",
  ENOENT: "the control group of this process is gone: give an absolute cgroupsPath",
};

/** The error for a process that cannot be put into a control group. */
export function joinError(hostPath: string, pid: number, cause: unknown): RunletError {
  const errno = errnoOf(cause);
  return new RunletError("ERR_RUNLET_CGROUP", `cannot put process ${pid} into the control group ${hostPath}`, {
    pointer,
    syscall: "write",
    errno,
    hint:
      errno === "EACCES" || errno === "EPERM"
        ? "the group above both, where the process comes from, must be writable too: have it delegated"
        : undefined,
    cause,
  });
}

/** The error for a control group that is gone. */
export function goneError(hostPath: string): RunletError {
  return new RunletError("ERR_RUNLET_CGROUP", `the control group ${hostPath} is gone`, {
    hint: "somebody else removed it: delete the container",
    details: { hostPath },
  });
}

/** The error for a group of v2 below a threaded one. */
export function threadedError(hostPath: string, type: string): RunletError {
  return new RunletError("ERR_RUNLET_CGROUP", `cannot use the control group ${hostPath}: its type is "${type}"`, {
    pointer,
    hint: "a group above it is threaded, and takes no process of another domain: give a cgroupsPath elsewhere",
    details: { hostPath, type },
  });
}
