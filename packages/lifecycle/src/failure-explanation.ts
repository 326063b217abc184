import { errnoMessage, errnoName, quote } from "@runlet/errors";
import type { Mount, Operation } from "@runlet/plan";
import type { RecordedOperation } from "./failure.ts";
import type { Report } from "./message.ts";

/** The parts of an error that a person reads. */
export interface Explanation {
  /** What was being done to what. */
  readonly message: string;
  /** What the error number means here. */
  readonly explanation?: string;
  /** What to do about it. */
  readonly hint?: string;
  /** JSON Pointer of the entry to blame, where that is another than the operation's own. */
  readonly pointer?: string;
}

interface Failure {
  readonly recorded: RecordedOperation;
  readonly report: Report;
  /** The operation itself, where the plan is at hand. */
  readonly operation: Operation | undefined;
  /** Whether it is a process of `exec`, which has more sources than the config. Default false. */
  readonly isExec?: boolean;
}

/** Says what a failed operation was for, what its error means, and what to do about it. */
export function explainFailure(failure: Failure): Explanation {
  const { recorded, report } = failure;
  const { subject } = recorded;
  switch (recorded.op) {
    case "mount":
    case "remount":
      return explainMount(failure);
    case "findExecutable":
      return explainMissingExecutable(subject, report);
    case "exec":
      return { message: `exec ${subject}: ${errnoMessage(report.errno)}` };
    case "hook":
      return explainHook(recorded, report);
    case "bindRoot":
    case "openRoot":
      return {
        message: `the root filesystem ${quote(subject)} cannot be used: ${errnoMessage(report.errno)}`,
        hint: "root.path is relative to the bundle; it must be a directory",
      };
    case "setRootPropagation":
      return explainRootPropagation(failure);
    case "setTimeOffset":
      return {
        message: `the offset of the ${subject} clock cannot be set: ${errnoMessage(report.errno)}`,
        ...(is(report, "ERANGE") ? { hint: "a clock may not go below 0, nor beyond 146 years: see /proc/uptime" } : {}),
      };
    case "becomeRoot":
      return {
        message: `the helper cannot become the user namespace's first user: ${errnoMessage(report.errno)}`,
        ...(is(report, "EINVAL") ? { hint: "a user namespace that is joined must map the ids 0" } : {}),
      };
    case "joinRoot":
      return {
        message: `the container's root cannot be entered: ${errnoMessage(report.errno)}`,
        ...(is(report, "EXDEV")
          ? {
              explanation:
                "what its mount namespace has for a root is neither its root filesystem nor its process's root",
            }
          : {}),
      };
    case "makeDevice":
      return explainDevice(failure);
    case "setSysctl":
      return explainSysctl(subject, report);
    case "setWorkingDirectory":
      return {
        message: `chdir to cwd (${quote(subject)})${failure.isExec ? "" : " set in config.json"} failed: ${errnoMessage(report.errno)}`,
        hint: is(report, "ELOOP")
          ? "the working directory leads through a link of procfs or in a circle: name a directory of the container"
          : "it must be a directory of the container that its user may enter",
      };
    case "joinNamespace":
      return {
        message: `the ${subject} namespace cannot be joined: ${errnoMessage(report.errno)}`,
        hint: "the path must be a namespace of this kind (/proc/PID/ns/…) over which the caller has CAP_SYS_ADMIN",
      };
    case "setRlimit":
    case "raiseRlimit":
      return {
        message: `the limit ${subject} cannot be set: ${errnoMessage(report.errno)}`,
        ...(is(report, "EPERM") ? { hint: "raising a hard limit needs CAP_SYS_RESOURCE: lower it in the config" } : {}),
      };
    case "openConsole":
      return {
        message: `a terminal cannot be opened: ${errnoMessage(report.errno)}`,
        hint: "process.terminal needs a devpts mount at /dev/pts in the config",
      };
    default:
      return {
        message: `${phraseOf(recorded.op)}${subject === "" ? "" : ` ${quote(subject)}`} failed: ${errnoMessage(report.errno)}`,
        ...(report.text === "" || report.text === subject
          ? {}
          : { explanation: `${errnoMessage(report.errno)}: ${quote(report.text)}` }),
      };
  }
}

function is(report: Report, name: string): boolean {
  return errnoName(report.errno) === name;
}

/** `setHostname` as `set hostname`. */
function phraseOf(op: string): string {
  return op.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** The one path that is looked up here is the root's: by a process to which its directories may be closed. */
function explainRootPropagation({ recorded, report }: Failure): Explanation {
  const { subject } = recorded;
  if (subject === "" || !subject.startsWith(report.text)) {
    return { message: `the propagation of mounts cannot be set: ${errnoMessage(report.errno)}` };
  }
  return {
    message: `the root filesystem ${quote(subject)} cannot be used: ${errnoMessage(report.errno)}`,
    pointer: "/root/path",
    ...(is(report, "EACCES")
      ? { hint: "the container's root must be able to enter each directory that leads to it (chmod o+x)" }
      : {}),
  };
}

function explainDevice({ recorded, report }: Failure): Explanation {
  const { subject } = recorded;
  const message = `device ${quote(subject)} cannot be made: ${errnoMessage(report.errno)}`;
  if (report.call === "statx" && is(report, "ENODEV")) {
    return {
      message,
      explanation: `in a user namespace the host's ${subject} is bound, which is ${report.text}`,
      hint: "give the type and numbers that `stat` shows for the host's device, or leave the device out",
    };
  }
  if (report.call === "open_tree" && is(report, "ENOENT")) {
    return {
      message,
      explanation: "in a user namespace the host's device of this path is bound, and there is none",
      hint: "leave the device out, or bind another one there with a mount",
    };
  }
  if (is(report, "EEXIST")) return { message, explanation: "the root filesystem holds something else of this name" };
  if (!is(report, "EPERM")) return { message };
  return { message, hint: "mknod(2) needs CAP_MKNOD, and is not possible in a user namespace" };
}

function explainMount({ recorded, report, operation }: Failure): Explanation {
  const mount = operation?.op === "mount" ? operation : undefined;
  const what = mount === undefined ? "remount" : `mount ${quote(nameOf(mount))}`;
  const message = `${what} at ${quote(recorded.subject)} failed: ${errnoMessage(report.errno)}`;
  const { source } = mount ?? {};
  if (report.call === "fsopen" && is(report, "ENODEV")) {
    return {
      message,
      explanation: `the kernel has no file system type ${quote(report.text)} (see /proc/filesystems)`,
      hint: `load its module on the host (modprobe ${report.text}), or remove the mount`,
    };
  }
  if (report.call === "open_tree" && source?.kind === "bind") {
    return {
      message,
      explanation: `the source ${quote(source.hostPath)}: ${errnoMessage(report.errno)}`,
      hint: "a relative source is relative to the bundle; it must exist on the host",
    };
  }
  if (report.call === "openat2" && is(report, "EACCES")) {
    return {
      message,
      explanation: `the target ${quote(recorded.subject)} is missing, and the container's root may not make it`,
      hint: "make it in the root filesystem, or give that to an id which is mapped to the container's root",
    };
  }
  if (report.call === "mount_setattr" && is(report, "EPERM")) {
    return {
      message,
      explanation: "the host's mount has attributes that a user namespace may not take off, or may not be id-mapped",
      hint: "leave out rw, suid, dev, exec, atime and the like, and idmap",
    };
  }
  if (report.call === "mount_setattr" && is(report, "EINVAL")) {
    return {
      message,
      explanation: "the kernel does not take these attributes for this file system",
      hint: "not every file system can be id-mapped, and none twice; a propagation may need a mount point",
    };
  }
  if (report.text === "must be mounted on ordinary directory") {
    return {
      message: `${what} at ${quote(recorded.subject)} failed: ${recorded.subject} must be mounted on ordinary directory`,
      explanation: "the root filesystem has a symbolic link there, which would lead the mount elsewhere",
      hint: "make it a directory in the root filesystem",
    };
  }
  if ((report.call === "fsconfig" || report.call === "mount") && report.text !== "") {
    return { message, explanation: `the kernel says: ${quote(report.text.trim())}`, hint: "check the mount's options" };
  }
  if (report.call === "fsconfig" || (report.call === "mount" && is(report, "EINVAL"))) {
    return {
      message,
      explanation: "the file system refuses one of its options or their values",
      hint: "check the mount's options",
    };
  }
  return { message };
}

function nameOf({ source }: Mount): string {
  if (source.kind === "filesystem") return source.type;
  return source.kind === "bind" ? source.hostPath : "bind";
}

function explainMissingExecutable(name: string, report: Report): Explanation {
  const isPath = name.includes("/");
  if (!isPath && is(report, "ENOENT")) {
    return {
      message: `exec: ${quote(name)}: executable file not found in $PATH`,
      hint: "PATH is the container's, from process.env, and the directories are those of its root filesystem",
    };
  }
  return {
    message: `exec: ${quote(name)}: ${errnoMessage(report.errno)}`,
    hint: is(report, "EACCES")
      ? "it must be a regular file that the container's user may execute (chmod +x)"
      : "paths are those inside the container: check process.args",
  };
}

function explainHook({ hook, subject }: RecordedOperation, report: Report): Explanation {
  const start = `error running ${hook?.kind ?? ""} hook #${hook?.index ?? 0}`;
  const output = report.text === "" ? "" : `, output: ${quote(report.text)}`;
  if (is(report, "ETIMEDOUT"))
    return { message: `${start}: ${quote(subject)} did not end in time and was killed${output}` };
  if (report.call !== "hook") return { message: `${start}: ${report.call}: ${errnoMessage(report.errno)}` };
  return { message: `${start}: exit status ${report.value}${output}` };
}

function explainSysctl(name: string, report: Report): Explanation {
  const message = `sysctl ${quote(name)} cannot be set: ${errnoMessage(report.errno)}`;
  if (is(report, "ENOENT")) return { message, hint: "the kernel has no such key in this namespace: see /proc/sys" };
  if (is(report, "EINVAL")) return { message, hint: "the kernel does not take this value for the key" };
  return { message };
}
