import type { Linux, Process } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { namespaces, operationsOf, planOf } from "../test/inputs.ts";
import { execAffinity } from "./scheduling.ts";

function planWith(process: Partial<Process>, linux: Partial<Linux> = {}) {
  return planOf({ process, linux: { namespaces: namespaces("mount"), ...linux } });
}

test("a deadline with its flags", () => {
  const plan = planWith({
    scheduler: {
      policy: "SCHED_DEADLINE",
      flags: ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_DL_OVERRUN"],
      runtime: 10_000_000,
      deadline: 30_000_000n,
      period: 30_000_000,
    },
  });
  expect(operationsOf(plan, "setScheduler")).toEqual([
    {
      op: "setScheduler",
      policy: 6,
      flags: 0x05,
      nice: 0,
      priority: 0,
      runtime: 10_000_000n,
      deadline: 30_000_000n,
      period: 30_000_000n,
      from: "/process/scheduler",
    },
  ]);
});

test.each([
  ["SCHED_OTHER", 0],
  ["SCHED_FIFO", 1],
  ["SCHED_RR", 2],
  ["SCHED_BATCH", 3],
  ["SCHED_IDLE", 5],
] as const)("%s", (policy, number) => {
  const [operation] = operationsOf(planWith({ scheduler: { policy, nice: -3, priority: 7 } }), "setScheduler");
  expect(operation).toMatchObject({ policy: number, nice: -3, priority: 7, flags: 0 });
});

test.each([
  ["IOPRIO_CLASS_RT", 1],
  ["IOPRIO_CLASS_BE", 2],
  ["IOPRIO_CLASS_IDLE", 3],
] as const)("%s", (name, number) => {
  expect(operationsOf(planWith({ ioPriority: { class: name, priority: 4 } }), "setIoPriority")).toEqual([
    { op: "setIoPriority", class: number, priority: 4, from: "/process/ioPriority" },
  ]);
});

test("a memory policy: the mode with its flags, and the nodes as a mask", () => {
  const plan = planWith(
    {},
    { memoryPolicy: { mode: "MPOL_INTERLEAVE", nodes: "0,2-3", flags: ["MPOL_F_STATIC_NODES"] } },
  );
  expect(operationsOf(plan, "setMemoryPolicy")).toEqual([
    { op: "setMemoryPolicy", mode: 3 | 0x8000, nodes: [0b1101n], from: "/linux/memoryPolicy" },
  ]);
  const local = planWith({}, { memoryPolicy: { mode: "MPOL_LOCAL" } });
  expect(operationsOf(local, "setMemoryPolicy")[0]).toMatchObject({ mode: 4, nodes: [] });
});

test.each([
  ["LINUX", 0],
  ["LINUX32", 8],
] as const)("personality %s", (domain, value) => {
  expect(operationsOf(planWith({}, { personality: { domain } }), "setPersonality")).toEqual([
    { op: "setPersonality", domain, value, from: "/linux/personality" },
  ]);
});

test("execCPUAffinity is for exec alone", () => {
  const execCPUAffinity = { initial: "0", final: "1-2" };
  expect(operationsOf(planWith({ execCPUAffinity }), "setAffinity")).toEqual([]);
  expect(execAffinity(execCPUAffinity)).toEqual({
    initial: { op: "setAffinity", cpus: [0b1n], from: "/process/execCPUAffinity/initial" },
    final: { op: "setAffinity", cpus: [0b110n], from: "/process/execCPUAffinity/final" },
  });
  expect(execAffinity(undefined)).toEqual({ initial: null, final: null });
});

describe("refused", () => {
  test.each<[string, Partial<Process>, Partial<Linux>, string]>([
    ["a policy that no kernel has", { scheduler: { policy: "SCHED_ISO" as const } }, {}, "/process/scheduler/policy"],
    [
      "an unknown flag",
      { scheduler: { policy: "SCHED_RR" as const, flags: ["SCHED_FLAG_RECLAIM", "toString" as "SCHED_FLAG_RECLAIM"] } },
      {},
      "/process/scheduler/flags/1",
    ],
    [
      "flags of the personality",
      {},
      { personality: { domain: "LINUX" as const, flags: ["X"] } },
      "/linux/personality/flags",
    ],
    ["an unknown domain", {}, { personality: { domain: "BSD" as "LINUX" } }, "/linux/personality/domain"],
    ["an unknown mode", {}, { memoryPolicy: { mode: "MPOL_X" as "MPOL_BIND" } }, "/linux/memoryPolicy/mode"],
  ])("%s", (_, process, linux, pointer) => {
    expect(() => planWith(process, linux)).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_UNSUPPORTED", pointer }),
    );
  });
});
