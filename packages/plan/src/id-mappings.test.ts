import type { LinuxIDMapping, User } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { namesOf, namespaces, operationsOf, planOf } from "../test/inputs.ts";
import type { HostFacts } from "./host-facts.ts";

const ordinaryUser: Partial<HostFacts> = { euid: 1000, egid: 1001 };
const range: LinuxIDMapping[] = [{ containerID: 0, hostID: 100000, size: 65536 }];
const own = {
  uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
  gidMappings: [{ containerID: 0, hostID: 1001, size: 1 }],
};

function planWithUser(
  {
    uidMappings = range,
    gidMappings = range,
    user = {},
  }: { uidMappings?: LinuxIDMapping[]; gidMappings?: LinuxIDMapping[]; user?: Partial<User> } = {},
  host: Partial<HostFacts> = {},
) {
  const linux = { namespaces: namespaces("user", "mount"), uidMappings, gidMappings };
  return planOf({ linux, process: { user: { uid: 0, gid: 0, ...user } } }, { host });
}

test("root writes the maps, and setgroups(2) stays allowed", () => {
  const six = Array.from({ length: 6 }, (_, index) => ({ containerID: index, hostID: 1000 + index, size: 1 }));
  const plan = planWithUser({ uidMappings: six });
  expect(operationsOf(plan, "writeIdMappings")).toEqual([
    {
      op: "writeIdMappings",
      uidMappings: six,
      gidMappings: range,
      setgroups: null,
      method: "direct",
      from: "/linux/uidMappings",
    },
  ]);
  expect(operationsOf(plan, "setUser")[0]?.additionalGids).toEqual([]);
});

test("CVE-2014-8989: an ordinary user who maps their own ids denies setgroups(2) first", () => {
  const plan = planWithUser(own, ordinaryUser);
  expect(operationsOf(plan, "writeIdMappings")[0]).toMatchObject({ method: "direct", setgroups: "deny" });
  expect(operationsOf(plan, "setUser")[0]?.additionalGids).toBeNull();
});

test("an ordinary user maps ranges with newuidmap(1)", () => {
  const plan = planWithUser({}, { ...ordinaryUser, hasSubordinateIds: true });
  expect(operationsOf(plan, "writeIdMappings")[0]).toMatchObject({ method: "newidmap", setgroups: null });
});

test("setgroups(2) that the caller's namespace denies stays denied", () => {
  const plan = planOf({}, { host: { isInUserNamespace: true, setgroups: "deny" } });
  expect(operationsOf(plan, "setUser")[0]?.additionalGids).toBeNull();
});

test("in a user namespace that an ordinary user joins, groups are left as they are unless the config has some", () => {
  const linux = { namespaces: [...namespaces("mount"), { type: "user" as const, path: "/run/user" }] };
  const without = planOf({ linux }, { host: ordinaryUser });
  expect(operationsOf(without, "setUser")[0]?.additionalGids).toBeNull();
  const process = { user: { uid: 0, gid: 0, additionalGids: [5] } };
  const given = planOf({ linux, process }, { host: ordinaryUser });
  expect(operationsOf(given, "setUser")[0]?.additionalGids).toEqual([5]);
});

test("a user namespace that is joined has its own maps", () => {
  const linux = {
    namespaces: [...namespaces("mount"), { type: "user" as const, path: "/run/user" }],
    uidMappings: range,
  };
  const plan = planOf({ linux });
  expect(operationsOf(plan, "writeIdMappings")).toEqual([]);
  expect(operationsOf(plan, "becomeRoot")).toEqual([{ op: "becomeRoot", uid: 0, gid: 0, from: "/linux/namespaces/1" }]);
  expect(plan.warnings).toEqual([expect.objectContaining({ pointer: "/linux/uidMappings" })]);
});

describe("in a user namespace", () => {
  test("devices are bound, pipes are made", () => {
    const linux = { namespaces: namespaces("user", "mount"), uidMappings: range, gidMappings: range };
    const plan = planOf({ linux: { ...linux, devices: [{ type: "p", path: "/dev/pipe" }] } });
    for (const { type, bind } of operationsOf(plan, "makeDevice")) expect(bind).toBe(type !== "p");
    expect(operationsOf(plan, "makeDevice")).toHaveLength(7);
  });

  test("what needs the host's privileges is the parent's", () => {
    const linux = { namespaces: namespaces("user", "mount"), uidMappings: range, gidMappings: range };
    const rlimits = [{ type: "RLIMIT_NOFILE", soft: 1, hard: 2 }];
    const plan = planOf({ linux, process: { oomScoreAdj: -500, rlimits } });
    expect(operationsOf(plan, "setOomScoreAdj")[0]?.by).toBe("parent");
    // The limits are the helper's to raise: it has not entered the user namespace then.
    expect(namesOf(plan, "inNamespaces").slice(0, 2)).toEqual(["raiseRlimit", "setOomScoreAdj"]);
  });
});

test("without a root the helper is the first id that is mapped, which makes the mounts", () => {
  const linux = {
    uidMappings: [{ containerID: 1000, hostID: 100000, size: 10 }],
    gidMappings: [{ containerID: 50, hostID: 100000, size: 1 }],
  };
  const plan = planWithUser({ ...linux, user: { uid: 1001, gid: 50 } });
  expect(operationsOf(plan, "becomeRoot")).toEqual([expect.objectContaining({ uid: 1000, gid: 50 })]);
});

test("newgidmap(1) denies setgroups(2) to whoever maps their own group alone", () => {
  const { gidMappings } = own;
  const plan = planWithUser({ uidMappings: range, gidMappings }, { ...ordinaryUser, hasSubordinateIds: true });
  expect(operationsOf(plan, "writeIdMappings")[0]).toMatchObject({ method: "newidmap", setgroups: null });
  expect(operationsOf(plan, "setUser")[0]?.additionalGids).toBeNull();
});

describe("refused", () => {
  const withoutRoot = [{ containerID: 1, hostID: 100000, size: 10 }];
  test.each([
    ["no map", { uidMappings: [] }, {}, "/linux/uidMappings"],
    ["the process's default group not mapped", { gidMappings: withoutRoot }, {}, "/process/user/gid"],
    ["the user not mapped", { user: { uid: 65536 } }, {}, "/process/user/uid"],
    ["the group not mapped", { user: { gid: 70000 } }, {}, "/process/user/gid"],
    ["an additional group not mapped", { user: { additionalGids: [1, 70000] } }, {}, "/process/user/additionalGids/1"],
    ["ranges without newuidmap", {}, ordinaryUser, "/linux/uidMappings"],
    [
      "somebody else's id",
      { ...own, uidMappings: [{ containerID: 0, hostID: 1234, size: 1 }] },
      ordinaryUser,
      "/linux/uidMappings",
    ],
  ])("%s", (_, config, host, pointer) => {
    expect(() => planWithUser(config, host)).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_ID_MAPPING", pointer }),
    );
  });

  test("mappings without a user namespace", () => {
    expect(() => planOf({ linux: { namespaces: namespaces("mount"), gidMappings: range } })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_ID_MAPPING", pointer: "/linux/gidMappings" }),
    );
  });

  test("additional groups where setgroups(2) is denied", () => {
    const config = { ...own, gidMappings: [...own.gidMappings], user: { additionalGids: [0] } };
    expect(() => planWithUser(config, ordinaryUser)).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_PROCESS", pointer: "/process/user/additionalGids" }),
    );
  });
});
