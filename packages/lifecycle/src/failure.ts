import { type ErrorCode, errnoMessage, errnoName, quote, RunletError } from "@runlet/errors";
import { type Operation, operationAt, type Plan } from "@runlet/plan";
import { explainFailure } from "./failure-explanation.ts";
import type { Report } from "./message.ts";

/** What is recorded of an operation so that its failure can be explained without the plan. */
export interface RecordedOperation {
  readonly op: Operation["op"];
  readonly from: string;
  /** What it is applied to: a path, a name. */
  readonly subject: string;
  /** Kind and number of a hook. */
  readonly hook?: { readonly kind: string; readonly index: number };
}

/** What an operation is applied to, in a word. */
function subjectOf(operation: Operation): string {
  switch (operation.op) {
    case "mount":
      return operation.containerPath;
    case "bindRoot":
    case "openRoot":
      return operation.hostPath;
    case "remount":
    case "makeDevice":
    case "symlink":
    case "maskPath":
    case "makePathReadonly":
    case "makeDirectory":
    case "setWorkingDirectory":
      return operation.containerPath;
    case "setSysctl":
    case "setRlimit":
    case "raiseRlimit":
    case "findExecutable":
      return operation.name;
    case "joinNamespace":
      return operation.type;
    case "setRootPropagation":
      return operation.privateParentOf ?? "";
    case "setTimeOffset":
      return operation.clock;
    case "unshare":
    case "clone":
      return operation.namespaces.join(", ");
    case "setHostname":
      return operation.hostname;
    case "setDomainname":
      return operation.domainname;
    case "hook":
      return operation.path;
    case "exec":
      return operation.args[0] ?? "";
    default:
      return "";
  }
}

/** @returns what {@link failureOf} needs to know of an operation. */
export function recordOperation(operation: Operation): RecordedOperation {
  const { op, from } = operation;
  const hook = op === "hook" ? { hook: { kind: operation.kind, index: operation.index } } : {};
  return { op, from, subject: subjectOf(operation), ...hook };
}

const codes: Partial<Record<Operation["op"], ErrorCode>> = {
  clone: "ERR_RUNLET_NAMESPACE",
  joinNamespace: "ERR_RUNLET_NAMESPACE",
  unshare: "ERR_RUNLET_NAMESPACE",
  fork: "ERR_RUNLET_NAMESPACE",
  setTimeOffset: "ERR_RUNLET_NAMESPACE",
  writeIdMappings: "ERR_RUNLET_ID_MAPPING",
  becomeRoot: "ERR_RUNLET_ID_MAPPING",
  joinCgroup: "ERR_RUNLET_CGROUP",
  setRootPropagation: "ERR_RUNLET_ROOTFS",
  bindRoot: "ERR_RUNLET_ROOTFS",
  openRoot: "ERR_RUNLET_ROOTFS",
  joinRoot: "ERR_RUNLET_ROOTFS",
  enterRoot: "ERR_RUNLET_ROOTFS",
  setRootReadonly: "ERR_RUNLET_ROOTFS",
  setPropagation: "ERR_RUNLET_ROOTFS",
  makeDirectory: "ERR_RUNLET_ROOTFS",
  mount: "ERR_RUNLET_MOUNT",
  remount: "ERR_RUNLET_MOUNT",
  maskPath: "ERR_RUNLET_MOUNT",
  makePathReadonly: "ERR_RUNLET_MOUNT",
  makeDevice: "ERR_RUNLET_DEVICE",
  symlink: "ERR_RUNLET_DEVICE",
  openConsole: "ERR_RUNLET_TERMINAL",
  setSysctl: "ERR_RUNLET_SYSCTL",
  loadSeccomp: "ERR_RUNLET_SECCOMP",
  hook: "ERR_RUNLET_HOOK",
  findExecutable: "ERR_RUNLET_EXEC",
  exec: "ERR_RUNLET_EXEC",
};

/** Turns a report of the helper into an error that says which entry of the config asked for what. */
export function failureInPlan(plan: Plan, report: Report, { isExec = false } = {}): RunletError {
  const operation = operationAt(plan, report.index);
  if (operation === undefined) return bugOf(report);
  const failure = failureOf(recordOperation(operation), report, { operation, isExec });
  if (!isFiltered(plan, report.index) || failure.syscall === undefined || failure.hint !== undefined) return failure;
  const { code, message, pointer, syscall, errno, explanation, details } = failure;
  return new RunletError(code, message, { pointer, syscall, errno, explanation, details, hint: filterHint });
}

/** What to do where a system call filter may be what refuses a call of the helper's. */
export const filterHint =
  "the filter of /linux/seccomp holds by then: let it allow what becoming the container's user takes, or set noNewPrivileges, with which it is installed last";

/** Whether the filter is in force at an operation. */
function isFiltered(plan: Plan, index: number): boolean {
  for (let at = 0; at < index; at++) if (operationAt(plan, at)?.op === "loadSeccomp") return true;
  return false;
}

/** The same for an operation that was recorded when the container was created. */
export function failureOf(
  recorded: RecordedOperation,
  report: Report,
  { operation, isExec = false }: { readonly operation?: Operation; readonly isExec?: boolean } = {},
): RunletError {
  if (report.call === "plan") return bugOf(report);
  const { message, explanation, hint, ...blamed } = explainFailure({ recorded, report, operation, isExec });
  const pointer = blamed.pointer ?? (recorded.from.startsWith("/") ? recorded.from : undefined);
  const isSyscall = /^[a-z_0-9]+$/.test(report.call) && report.call !== "find" && report.call !== "hook";
  return new RunletError(codes[recorded.op] ?? "ERR_RUNLET_PROCESS", message, {
    pointer,
    syscall: isSyscall ? report.call : undefined,
    errno: report.call === "hook" ? undefined : errnoName(report.errno),
    explanation,
    hint,
    details: { operation: recorded.op, from: recorded.from, subject: recorded.subject },
  });
}

function bugOf(report: Report): RunletError {
  const what = report.text === "" ? "" : ` (${quote(report.text)})`;
  return new RunletError(
    "ERR_RUNLET_INIT",
    `the init helper does not understand operation ${report.index} of the plan: ${errnoMessage(report.errno)}${what}`,
    { hint: "the helper and the library must be of the same version: reinstall them together" },
  );
}
