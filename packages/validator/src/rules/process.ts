import { quote } from "@runlet/errors";
import { type Int64, type Process, rlimitTypes } from "@runlet/spec";
import type { Unsound } from "../issue.ts";
import { parseNumberList } from "../number-list.ts";
import { present, type Rule, repeated } from "../rule.ts";
import { nearest } from "../suggestion.ts";

type Subject = Unsound<Process>;

const knownRlimits: ReadonlySet<string> = new Set(rlimitTypes);

/** Rules about a process on Linux; the subject is the process. */
export const linuxProcessRules: readonly Rule<Subject>[] = [
  {
    id: "process.cwd",
    spec: "config.md#process",
    check({ cwd }, report) {
      if (cwd === undefined || cwd.startsWith("/")) return;
      report({ at: ["cwd"], message: `the working directory ${quote(cwd)} is not an absolute path` });
    },
  },
  {
    id: "process.umask",
    spec: "config.md#user",
    check({ user }, report) {
      if (user?.umask === undefined || user.umask <= 0o777) return;
      report({
        at: ["user", "umask"],
        message: `the umask ${user.umask} has more than permission bits`,
        hint: "JSON numbers are decimal: octal 022 is 18",
      });
    },
  },
  {
    id: "rlimits.type",
    spec: "config.md#posix-process",
    check({ rlimits }, report) {
      for (const [index, { type }] of present(rlimits)) {
        if (type === undefined || knownRlimits.has(type)) continue;
        const meant = nearest(type, rlimitTypes);
        report({
          at: ["rlimits", index, "type"],
          message: `Linux has no resource limit ${quote(type)}`,
          hint: meant === undefined ? undefined : `did you mean "${meant}"?`,
        });
      }
    },
  },
  {
    id: "rlimits.unique",
    spec: "config.md#posix-process",
    check({ rlimits }, report) {
      for (const { index, key, first } of repeated(present(rlimits), ({ type }) => type)) {
        report({ at: ["rlimits", index], message: `${key} has a limit already, in entry ${first}` });
      }
    },
  },
  {
    id: "rlimits.order",
    spec: "config.md#posix-process",
    check({ rlimits }, report) {
      for (const [index, { soft, hard }] of present(rlimits)) {
        if (soft === undefined || hard === undefined || soft <= hard) continue;
        report({ at: ["rlimits", index, "soft"], message: `the soft limit ${soft} is above the hard limit ${hard}` });
      }
    },
  },
  {
    id: "ioPriority.idle",
    spec: "config.md#linux-process",
    check({ ioPriority }, report) {
      if (ioPriority?.class !== "IOPRIO_CLASS_IDLE" || !isSet(ioPriority.priority)) return;
      report({
        at: ["ioPriority", "priority"],
        message: "IOPRIO_CLASS_IDLE has no priorities, so this one has no effect",
        severity: "warning",
      });
    },
  },
  {
    id: "execCPUAffinity.list",
    spec: "config.md#linux-process",
    check({ execCPUAffinity }, report) {
      for (const moment of ["initial", "final"] as const) {
        const list = execCPUAffinity?.[moment];
        if (list === undefined || parseNumberList(list) !== undefined) continue;
        report({ at: ["execCPUAffinity", moment], message: `${quote(list)} is not a list of CPUs like "0-3,7"` });
      }
    },
  },
];

/** Rules about the scheduler, as sched_setattr(2) has them; the subject is the process. */
export const schedulerRules: readonly Rule<Subject>[] = [
  {
    id: "scheduler.policy",
    spec: "config.md#linux-process",
    check({ scheduler }, report) {
      if (scheduler?.policy !== "SCHED_ISO") return;
      report({ at: ["scheduler", "policy"], message: "SCHED_ISO is reserved: no kernel has it" });
    },
  },
  {
    id: "scheduler.nice",
    spec: "config.md#linux-process",
    check({ scheduler }, report) {
      const nice = scheduler?.nice;
      if (nice === undefined) return;
      const at = ["scheduler", "nice"];
      if (nice < -20 || nice > 19) report({ at, message: `the nice value ${nice} is not from -20 to 19` });
      else if (nice !== 0 && isOneOf(scheduler?.policy, ["SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE"])) {
        report({
          at,
          message: `${scheduler?.policy} has no nice values, so this one has no effect`,
          severity: "warning",
        });
      }
    },
  },
  {
    id: "scheduler.priority",
    spec: "config.md#linux-process",
    check({ scheduler }, report) {
      if (scheduler?.policy === undefined) return;
      const { policy, priority = 0 } = scheduler;
      const at = scheduler.priority === undefined ? ["scheduler"] : ["scheduler", "priority"];
      if (isOneOf(policy, ["SCHED_FIFO", "SCHED_RR"])) {
        if (priority < 1 || priority > 99) {
          report({ at, message: `${policy} needs a priority from 1 to 99, not ${scheduler.priority ?? "none"}` });
        }
      } else if (priority !== 0) {
        report({ at, message: `${policy} has no priorities`, hint: "only SCHED_FIFO and SCHED_RR have them" });
      }
    },
  },
  {
    id: "scheduler.deadline",
    spec: "config.md#linux-process",
    check({ scheduler }, report) {
      if (scheduler?.policy === undefined) return;
      const { policy, runtime = 0, deadline = 0, period = 0 } = scheduler;
      if (policy !== "SCHED_DEADLINE") {
        for (const name of ["runtime", "deadline", "period"] as const) {
          if (isSet(scheduler[name])) report({ at: ["scheduler", name], message: `only SCHED_DEADLINE has a ${name}` });
        }
        return;
      }
      const effectivePeriod = isSet(period) ? period : deadline;
      if (runtime < 1024) {
        report({ at: ["scheduler"], message: `SCHED_DEADLINE needs a runtime of 1024 ns at least, not ${runtime}` });
      }
      if (!(runtime <= deadline && deadline <= effectivePeriod)) {
        report({
          at: ["scheduler"],
          message: `SCHED_DEADLINE needs runtime (${runtime}) ≤ deadline (${deadline}) ≤ period (${effectivePeriod})`,
        });
      }
    },
  },
  {
    id: "scheduler.flags",
    spec: "config.md#linux-process",
    check({ scheduler }, report) {
      if (scheduler?.policy === undefined) return;
      for (const [index, flag] of present(scheduler.flags)) {
        const at = ["scheduler", "flags", index];
        const isDeadlineFlag = isOneOf(flag, ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"]);
        if (isDeadlineFlag && scheduler.policy !== "SCHED_DEADLINE") {
          report({ at, message: `${flag} is for SCHED_DEADLINE alone, not for ${scheduler.policy}` });
        } else if (isOneOf(flag, ["SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"])) {
          report({
            at,
            message: `${flag} clamps to 0: the specification has no field for the value`,
            severity: "warning",
          });
        }
      }
    },
  },
];

function isOneOf<T extends string>(value: T | undefined, values: readonly T[]): boolean {
  return value !== undefined && values.includes(value);
}

function isSet(value: Int64 | undefined): boolean {
  return value !== undefined && BigInt(value) !== 0n;
}
