import { quote, RunletError } from "@runlet/errors";
import type { CPUAffinity, LinuxIOPriority, LinuxMemoryPolicy, LinuxPersonality, Scheduler } from "@runlet/spec";
import type { Context } from "./context.ts";
import { parseNumberList } from "./number-list.ts";
import type {
  Operation,
  SetAffinity,
  SetIoPriority,
  SetMemoryPolicy,
  SetPersonality,
  SetScheduler,
} from "./operation.ts";
import { pointerTo } from "./pointer.ts";

/** `<linux/sched.h>`. SCHED_ISO is reserved there, and no kernel has it. */
const policies: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};

/** `<linux/sched.h>`. */
const schedulerFlags: Readonly<Record<string, number>> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};

/** `<linux/ioprio.h>`. */
const ioPriorityClasses: Readonly<Record<string, number>> = {
  IOPRIO_CLASS_RT: 1,
  IOPRIO_CLASS_BE: 2,
  IOPRIO_CLASS_IDLE: 3,
};

/** `<linux/mempolicy.h>`. */
const memoryPolicyModes: Readonly<Record<string, number>> = {
  MPOL_DEFAULT: 0,
  MPOL_PREFERRED: 1,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_LOCAL: 4,
  MPOL_PREFERRED_MANY: 5,
  MPOL_WEIGHTED_INTERLEAVE: 6,
};

/** `<linux/mempolicy.h>`. */
const memoryPolicyFlags: Readonly<Record<string, number>> = {
  MPOL_F_NUMA_BALANCING: 0x2000,
  MPOL_F_RELATIVE_NODES: 0x4000,
  MPOL_F_STATIC_NODES: 0x8000,
};

/** The modes of `memoryPolicy`. */
export const memoryPolicyModeNames: readonly string[] = Object.keys(memoryPolicyModes);
/** The flags of `memoryPolicy`. */
export const memoryPolicyFlagNames: readonly string[] = Object.keys(memoryPolicyFlags);

/** `<linux/personality.h>`. */
const personalities: Readonly<Record<string, number>> = { LINUX: 0x0000, LINUX32: 0x0008 };

/** How the process is scheduled and where its memory lies; in an order that the kernel takes. */
export function schedulingOperations(context: Context): Operation[] {
  const { process, linux } = context;
  const operations: Operation[] = [];
  if (linux.personality !== undefined) operations.push(personalityOperation(linux.personality));
  if (process.scheduler !== undefined) operations.push(schedulerOperation(process.scheduler));
  if (process.ioPriority !== undefined) operations.push(ioPriorityOperation(process.ioPriority));
  if (linux.memoryPolicy !== undefined) operations.push(memoryPolicyOperation(linux.memoryPolicy));
  return operations;
}

/** The affinity of a process that joins a container. @see config.md#linux-process */
export interface ExecAffinity {
  /** Before the process joins the container's control group. */
  readonly initial: SetAffinity | null;
  /** After it has joined. */
  readonly final: SetAffinity | null;
}

/**
 * What `execCPUAffinity` asks for: it is for `exec` alone, and has no operation in the plan of a container.
 *
 * @throws RunletError `ERR_RUNLET_PROCESS` for a list that is none.
 */
export function execAffinity(affinity: CPUAffinity | undefined): ExecAffinity {
  const operation = (name: keyof CPUAffinity): SetAffinity | null => {
    const list = affinity?.[name];
    const from = pointerTo("process", "execCPUAffinity", name);
    return list === undefined || list === "" ? null : { op: "setAffinity", cpus: parseNumberList(list, from), from };
  };
  return { initial: operation("initial"), final: operation("final") };
}

function personalityOperation({ domain, flags }: LinuxPersonality): SetPersonality {
  if (flags !== undefined && flags.length > 0) {
    throw new RunletError("ERR_RUNLET_UNSUPPORTED", "flags of the personality: the specification defines none", {
      pointer: "/linux/personality/flags",
    });
  }
  const value = constantOf(personalities, domain, "/linux/personality/domain");
  return { op: "setPersonality", domain, value, from: "/linux/personality" };
}

function schedulerOperation(scheduler: Scheduler): SetScheduler {
  const from = "/process/scheduler";
  return {
    op: "setScheduler",
    policy: constantOf(policies, scheduler.policy, `${from}/policy`),
    flags: flagsOf(schedulerFlags, scheduler.flags, `${from}/flags`),
    nice: scheduler.nice ?? 0,
    priority: scheduler.priority ?? 0,
    runtime: BigInt(scheduler.runtime ?? 0),
    deadline: BigInt(scheduler.deadline ?? 0),
    period: BigInt(scheduler.period ?? 0),
    from,
  };
}

function ioPriorityOperation(ioPriority: LinuxIOPriority): SetIoPriority {
  const from = "/process/ioPriority";
  const number = constantOf(ioPriorityClasses, ioPriority.class, `${from}/class`);
  return { op: "setIoPriority", class: number, priority: ioPriority.priority, from };
}

function memoryPolicyOperation({ mode, nodes, flags }: LinuxMemoryPolicy): SetMemoryPolicy {
  const from = "/linux/memoryPolicy";
  return {
    op: "setMemoryPolicy",
    mode: constantOf(memoryPolicyModes, mode, `${from}/mode`) | flagsOf(memoryPolicyFlags, flags, `${from}/flags`),
    nodes: nodes === undefined || nodes === "" ? [] : parseNumberList(nodes, `${from}/nodes`),
    from,
  };
}

function flagsOf(
  table: Readonly<Record<string, number>>,
  flags: readonly string[] | undefined,
  pointer: string,
): number {
  return (flags ?? []).reduce((bits, flag, index) => bits | constantOf(table, flag, `${pointer}/${index}`), 0);
}

function constantOf(table: Readonly<Record<string, number>>, name: string, pointer: string): number {
  const value = Object.hasOwn(table, name) ? table[name] : undefined;
  if (value !== undefined) return value;
  throw new RunletError("ERR_RUNLET_UNSUPPORTED", `${quote(String(name))} is not supported`, {
    pointer,
    hint: `one of ${Object.keys(table).join(", ")}`,
  });
}
