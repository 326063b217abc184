import type { Linux } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import {
  hybridCgroup,
  hybridCgroups,
  namesOf,
  namespaces,
  operationsOf,
  planOf,
  unifiedCgroup,
  usualNamespaces,
} from "../test/inputs.ts";
import type { NamespaceType } from "./kernel.ts";
import type { Operation } from "./operation.ts";

const mappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
const maps = { uidMappings: mappings, gidMappings: mappings };

function joined(type: NamespaceType): { type: NamespaceType; path: string } {
  return { type, path: `/run/ns/${type}` };
}

/** What happens up to the new session, in a few words. */
function steps(linux: Linux): string[] {
  const plan = planOf({ linux });
  const operations = plan.phases.slice(0, 2).flatMap((phase) => phase.operations);
  const end = operations.findIndex(({ op }) => op === "newSession");
  return operations.slice(0, end).map(describeStep);
}

function describeStep(operation: Operation): string {
  switch (operation.op) {
    case "clone":
    case "unshare":
      return [operation.op, ...operation.namespaces].join(" ");
    case "joinNamespace":
      return `joinNamespace ${operation.type}`;
    default:
      return operation.op;
  }
}

test("new namespaces are made by the clone, all but the cgroup namespace", () => {
  expect(steps({ namespaces: usualNamespaces })).toEqual(["clone mount pid network ipc uts"]);
  const plan = planOf({ linux: { namespaces: usualNamespaces } });
  expect(operationsOf(plan, "unshare")).toEqual([
    { op: "unshare", namespaces: ["cgroup"], from: "/linux/namespaces/5" },
  ]);
});

test("a new user namespace gets its maps before anything else happens", () => {
  const linux = { namespaces: namespaces("mount", "user"), ...maps };
  expect(steps(linux)).toEqual(["clone", "unshare user", "writeIdMappings", "unshare mount"]);
  const names = namesOf(planOf({ linux }), "inNamespaces");
  expect(names.slice(names.indexOf("newSession")).slice(0, 2)).toEqual(["newSession", "becomeRoot"]);
});

test("with one that is joined, the helper does it all: user first, mount last, then the new ones", () => {
  expect(
    steps({ namespaces: [joined("mount"), ...namespaces("uts", "ipc"), joined("network"), joined("user")] }),
  ).toEqual([
    "clone",
    "clearGroups",
    "joinNamespace user",
    "joinNamespace network",
    "joinNamespace mount",
    "unshare ipc uts",
  ]);
});

test("what is joined is joined with the host's privileges, before a new user namespace takes them away", () => {
  expect(steps({ namespaces: [...namespaces("user", "mount"), joined("network")], ...maps })).toEqual([
    "clone",
    "joinNamespace network",
    "unshare user",
    "writeIdMappings",
    "unshare mount",
  ]);
});

test.each([
  ["joined", [joined("pid"), ...namespaces("mount")]],
  ["new beside one that is joined", [...namespaces("pid", "mount"), joined("uts")]],
])("a pid namespace that is %s holds for a child", (_, list) => {
  expect(steps({ namespaces: list }).at(-1)).toBe("fork");
});

test("a new time namespace: offsets, then the child", () => {
  const linux = {
    namespaces: namespaces("mount", "time"),
    timeOffsets: { boottime: { secs: 60, nanosecs: 5 }, monotonic: { secs: -3n } },
  };
  expect(steps(linux)).toEqual(["clone", "unshare mount time", "setTimeOffset", "setTimeOffset", "fork"]);
  expect(operationsOf(planOf({ linux }), "setTimeOffset")).toEqual([
    { op: "setTimeOffset", clock: "monotonic", secs: -3, nanosecs: 0, from: "/linux/timeOffsets/monotonic" },
    { op: "setTimeOffset", clock: "boottime", secs: 60, nanosecs: 5, from: "/linux/timeOffsets/boottime" },
  ]);
});

test("a descriptor for each namespace that is joined", () => {
  const plan = planOf({ linux: { namespaces: [...namespaces("mount"), joined("network"), joined("ipc")] } });
  expect(plan.descriptors.filter(({ kind }) => kind === "namespace")).toEqual([
    { kind: "namespace", type: "network", hostPath: "/run/ns/network", from: "/linux/namespaces/1" },
    { kind: "namespace", type: "ipc", hostPath: "/run/ns/ipc", from: "/linux/namespaces/2" },
  ]);
  for (const { slot, type } of operationsOf(plan, "joinNamespace")) {
    expect(plan.descriptors[slot]).toMatchObject({ kind: "namespace", type });
  }
});

test("an empty path is a new namespace", () => {
  expect(steps({ namespaces: [{ type: "mount", path: "" }] })).toEqual(["clone mount"]);
});

describe("the root file system", () => {
  test("is a mount of its own and pivoted to in a new mount namespace", () => {
    const plan = planOf();
    expect(operationsOf(plan, "bindRoot")).toEqual([
      { op: "bindRoot", hostPath: "/bundle/rootfs", treeSlot: null, from: "/root/path" },
    ]);
    expect(operationsOf(plan, "enterRoot")[0]?.method).toBe("pivot");
  });

  test("is moved to without pivot_root(2)", () => {
    expect(operationsOf(planOf({}, { options: { noPivot: true } }), "enterRoot")[0]?.method).toBe("move");
  });

  test("a mount namespace of others is not pivoted, nor is its propagation changed", () => {
    const plan = planOf({ linux: { namespaces: [joined("mount")] } });
    expect(operationsOf(plan, "enterRoot")[0]?.method).toBe("chroot");
    expect(operationsOf(plan, "setRootPropagation")).toEqual([]);
    expect(operationsOf(plan, "bindRoot")).toEqual([]);
  });

  test("a mount namespace of others gets a mount only for a root that is to be read-only", () => {
    const plan = planOf({ linux: { namespaces: [joined("mount")] }, root: { path: "rootfs", readonly: true } });
    expect(operationsOf(plan, "openRoot")).toEqual([]);
    expect(operationsOf(plan, "bindRoot")).toHaveLength(1);
  });

  test("is opened by the parent where the container's root may be nobody to its directories", () => {
    const plan = planOf({ linux: { namespaces: namespaces("mount", "user"), ...maps } });
    const [bindRoot] = operationsOf(plan, "bindRoot");
    expect(plan.descriptors[bindRoot?.treeSlot ?? -1]).toMatchObject({ kind: "tree", hostPath: "/bundle/rootfs" });
    expect(operationsOf(plan, "setRootPropagation")[0]?.privateParentOf).toBe("/");
    const moved = planOf(
      { linux: { namespaces: namespaces("mount", "user"), ...maps } },
      { options: { noPivot: true } },
    );
    expect(operationsOf(moved, "bindRoot")[0]?.treeSlot).toBeNull();
  });

  test("nothing is mounted without a mount namespace", () => {
    const plan = planOf({ linux: {}, root: { path: "/srv/root" } });
    expect(operationsOf(plan, "openRoot")).toEqual([{ op: "openRoot", hostPath: "/srv/root", from: "/root/path" }]);
    expect(operationsOf(plan, "enterRoot")[0]?.method).toBe("chroot");
    for (const name of ["bindRoot", "mount", "setRootPropagation", "setPropagation"] as const) {
      expect(operationsOf(plan, name)).toEqual([]);
    }
  });
});

describe("the control group", () => {
  test("v2: the clone puts the process in, and the cgroup namespace comes after", () => {
    const plan = planOf({ linux: { namespaces: usualNamespaces } }, { options: { cgroup: unifiedCgroup } });
    expect(namesOf(plan, "beforeClone")).toEqual(["createCgroup", "clone"]);
    expect(operationsOf(plan, "clone")[0]?.intoCgroup).toBe(true);
    expect(operationsOf(plan, "joinCgroup")).toEqual([]);
  });

  test("before Linux 5.7 the helper joins", () => {
    const host = { kernel: { major: 5, minor: 6 } };
    const plan = planOf({}, { host, options: { cgroup: unifiedCgroup } });
    expect(operationsOf(plan, "clone")[0]?.intoCgroup).toBe(false);
    expect(operationsOf(plan, "joinCgroup")).toHaveLength(1);
  });

  test("hybrid: the clone puts the process into the unified hierarchy, and it joins each of v1 before the cgroup namespace is made", () => {
    const linux = { namespaces: usualNamespaces, cgroupsPath: "/box" };
    const plan = planOf({ linux }, { host: { cgroups: hybridCgroups }, options: { cgroup: hybridCgroup } });
    const names = namesOf(plan, "inNamespaces");
    expect(operationsOf(plan, "clone")[0]?.intoCgroup).toBe(true);
    expect(names.indexOf("unshare")).toBe(names.indexOf("joinCgroup") + 1);
    expect(operationsOf(plan, "joinCgroup")[0]?.slots.map((slot) => plan.descriptors[slot])).toEqual(
      ["cpu,cpuacct", "memory", "name=systemd"].map((controller) => ({
        kind: "cgroupProcs",
        controller,
        from: "/linux/cgroupsPath",
      })),
    );
  });

  test("systemd: the parent makes the unit for the process that lives, before the cgroup namespace is made", () => {
    const cgroup = { ...unifiedCgroup, driver: "systemd", controllers: [] } as const;
    const plan = planOf({ linux: { namespaces: usualNamespaces } }, { options: { cgroup } });
    expect(namesOf(plan, "beforeClone")).toEqual(["clone"]);
    const names = namesOf(plan, "inNamespaces");
    expect(names.indexOf("unshare")).toBe(names.indexOf("createCgroup") + 1);
  });

  test("what is written is in the plan", () => {
    const write = { controller: "", file: "pids.max", value: "10", from: "/linux/resources/pids/limit" };
    const linux = { namespaces: namespaces("mount"), resources: { pids: { limit: 10 } } };
    const plan = planOf({ linux }, { options: { cgroup: { ...unifiedCgroup, writes: [write] } } });
    expect(operationsOf(plan, "createCgroup")[0]?.writes).toEqual([write]);
  });

  test("without one, limits that do not hold are said", () => {
    const linux = { namespaces: namespaces("mount"), resources: { pids: { limit: 10 } }, cgroupsPath: "/box" };
    expect(planOf({ linux }).warnings?.map(({ pointer }) => pointer)).toEqual([
      "/linux/resources",
      "/linux/cgroupsPath",
    ]);
    expect(planOf({ linux: { namespaces: namespaces("mount"), resources: {} } }).warnings).toEqual([]);
  });
});

describe("refused", () => {
  test.each([
    ["a type twice", [...namespaces("mount"), joined("mount")], "/linux/namespaces/1"],
    ["an unknown type", [{ type: "net" as NamespaceType }], "/linux/namespaces/0/type"],
    ["a relative path", [{ type: "network" as const, path: "ns/net" }], "/linux/namespaces/0/path"],
  ])("%s", (_, list, pointer) => {
    expect(() => planOf({ linux: { namespaces: list } })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_NAMESPACE", pointer }),
    );
  });

  test("an offset beyond what a number holds", () => {
    const linux = { namespaces: namespaces("mount", "time"), timeOffsets: { boottime: { secs: 2n ** 60n } } };
    expect(() => planOf({ linux })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_NAMESPACE", pointer: "/linux/timeOffsets/boottime/secs" }),
    );
  });
});
