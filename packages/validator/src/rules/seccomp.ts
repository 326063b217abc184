import type { LinuxSeccomp, LinuxSeccompAction } from "@runlet/spec";
import type { Unsound } from "../issue.ts";
import { present, type Rule, repeated } from "../rule.ts";

/** Highest error number that the kernel passes on: `MAX_ERRNO`. */
const maximumErrno = 4095;

/** Highest value of SCMP_ACT_TRACE: `SECCOMP_RET_DATA`. */
const maximumTraceValue = 0xffff;

/** Rules about the filter of system calls; the subject is the filter. */
export const seccompRules: readonly Rule<Unsound<LinuxSeccomp>>[] = [
  {
    id: "seccomp.notifyDefault",
    spec: "config-linux.md#seccomp",
    check({ defaultAction }, report) {
      if (defaultAction !== "SCMP_ACT_NOTIFY") return;
      report({
        at: ["defaultAction"],
        message: "SCMP_ACT_NOTIFY cannot be the default: the listener's descriptor could not be sent",
      });
    },
  },
  {
    id: "seccomp.notifyWrite",
    spec: "config-linux.md#seccomp",
    check({ syscalls }, report) {
      for (const [index, { action, names }] of present(syscalls)) {
        if (action !== "SCMP_ACT_NOTIFY") continue;
        for (const [position, name] of present(names)) {
          if (name !== "write" && name !== "sendmsg") continue;
          report({
            at: ["syscalls", index, "names", position],
            message: `other runtimes cannot have SCMP_ACT_NOTIFY for ${name}: they hand the listener's descriptor over with it`,
            severity: "warning",
          });
        }
      }
    },
  },
  {
    id: "seccomp.listenerPath",
    spec: "config-linux.md#seccomp",
    check({ listenerPath, listenerMetadata, syscalls }, report) {
      const hasPath = listenerPath !== undefined && listenerPath !== "";
      if (!hasPath && listenerMetadata !== undefined && listenerMetadata !== "") {
        report({ at: ["listenerMetadata"], message: "listenerMetadata must not be set without listenerPath" });
      }
      if (hasPath && !listenerPath.startsWith("/")) {
        report({ at: ["listenerPath"], message: "the path of the listener's socket is not absolute" });
      }
      for (const [index, { action }] of present(syscalls)) {
        if (action !== "SCMP_ACT_NOTIFY" || hasPath) continue;
        report({
          at: ["syscalls", index, "action"],
          message: "SCMP_ACT_NOTIFY needs a listenerPath to send its descriptor to",
        });
      }
    },
  },
  {
    id: "seccomp.errnoRet",
    spec: "config-linux.md#seccomp",
    check({ defaultAction, defaultErrnoRet, syscalls }, report) {
      const problem = errnoProblem(defaultAction, defaultErrnoRet);
      if (problem !== undefined) report({ at: ["defaultErrnoRet"], message: problem });
      for (const [index, { action, errnoRet }] of present(syscalls)) {
        const problem = errnoProblem(action, errnoRet);
        if (problem !== undefined) report({ at: ["syscalls", index, "errnoRet"], message: problem });
      }
    },
  },
  {
    id: "seccomp.flags",
    spec: "config-linux.md#seccomp",
    check({ flags, syscalls }, report) {
      const notifies = [...present(syscalls)].some(([, { action }]) => action === "SCMP_ACT_NOTIFY");
      for (const [index, flag] of present(flags)) {
        if (flag !== "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" || notifies) continue;
        report({ at: ["flags", index], message: `${flag} has no effect without SCMP_ACT_NOTIFY`, severity: "warning" });
      }
    },
  },
  {
    id: "seccomp.architectures",
    spec: "config-linux.md#seccomp",
    check({ architectures }, report) {
      for (const { index, key } of repeated(present(architectures), (architecture) => architecture)) {
        report({ at: ["architectures", index], message: `${key} is listed twice`, severity: "warning" });
      }
    },
  },
  {
    id: "seccomp.names",
    spec: "config-linux.md#seccomp",
    check({ syscalls }, report) {
      for (const [index, { names }] of present(syscalls)) {
        for (const [position, name] of present(names)) {
          if (/^[a-z_][a-z0-9_]*$/i.test(name)) continue;
          report({ at: ["syscalls", index, "names", position], message: "this is not the name of a system call" });
        }
      }
    },
  },
];

function errnoProblem(action: LinuxSeccompAction | undefined, errno: number | undefined): string | undefined {
  if (action === undefined || errno === undefined) return undefined;
  if (action !== "SCMP_ACT_ERRNO" && action !== "SCMP_ACT_TRACE") {
    return `${action} returns no error number`;
  }
  const maximum = action === "SCMP_ACT_ERRNO" ? maximumErrno : maximumTraceValue;
  return errno > maximum ? `${action} returns at most ${maximum}, not ${errno}` : undefined;
}
