import type { POSIXRlimit } from "@runlet/spec";
import { expect, test } from "vitest";
import { namesOf, operationsOf, planOf } from "../test/inputs.ts";

function planWith(...rlimits: POSIXRlimit[]) {
  return planOf({ process: { rlimits } });
}

test("the hard limit is raised with privilege, the limits are set last of all", () => {
  const plan = planWith(
    { type: "RLIMIT_NOFILE", soft: 1024, hard: 2 ** 20 },
    { type: "RLIMIT_AS", soft: 0, hard: 18446744073709551615n },
  );
  expect(operationsOf(plan, "raiseRlimit")).toEqual([
    { op: "raiseRlimit", name: "RLIMIT_NOFILE", resource: 7, hard: 1048576n, from: "/process/rlimits/0" },
    {
      op: "raiseRlimit",
      name: "RLIMIT_AS",
      resource: 9,
      hard: 18446744073709551615n,
      from: "/process/rlimits/1",
    },
  ]);
  expect(operationsOf(plan, "setRlimit")).toEqual([
    { op: "setRlimit", name: "RLIMIT_NOFILE", resource: 7, soft: 1024n, hard: 1048576n, from: "/process/rlimits/0" },
    {
      op: "setRlimit",
      name: "RLIMIT_AS",
      resource: 9,
      soft: 0n,
      hard: 18446744073709551615n,
      from: "/process/rlimits/1",
    },
  ]);
  expect(namesOf(plan, "atStart")).toEqual(["awaitStart", "setRlimit", "setRlimit", "exec"]);
});

test.each([
  ["RLIMIT_CPU", 0],
  ["RLIMIT_CORE", 4],
  ["RLIMIT_NPROC", 6],
  ["RLIMIT_MEMLOCK", 8],
  ["RLIMIT_RTTIME", 15],
])("%s has the kernel's number", (type, resource) => {
  expect(operationsOf(planWith({ type, soft: 1, hard: 1 }), "setRlimit")[0]?.resource).toBe(resource);
});

test.each([
  ["an unknown one", [{ type: "RLIMIT_FUN", soft: 1, hard: 1 }], "/process/rlimits/0/type"],
  ["a soft limit above the hard one", [{ type: "RLIMIT_CPU", soft: 2, hard: 1 }], "/process/rlimits/0/soft"],
  [
    "one twice",
    [
      { type: "RLIMIT_CPU", soft: 1, hard: 1 },
      { type: "RLIMIT_CPU", soft: 1, hard: 1 },
    ],
    "/process/rlimits/1/type",
  ],
])("refused: %s", (_, rlimits, pointer) => {
  expect(() => planWith(...rlimits)).toThrow(expect.objectContaining({ code: "ERR_RUNLET_PROCESS", pointer }));
});
