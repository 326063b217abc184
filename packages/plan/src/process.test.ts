import type { LinuxSeccomp, Process } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { compileOptions, hostFacts, namesOf, namespaces, operationsOf, planOf, smallSpec } from "../test/inputs.ts";
import { compile } from "./compile.ts";
import { uniqueVariables } from "./process.ts";

const profile: LinuxSeccomp = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO" }],
};
const listening: LinuxSeccomp = {
  defaultAction: "SCMP_ACT_ALLOW",
  listenerPath: "/run/agent.sock",
  listenerMetadata: "box",
  syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
};

function planOfProcess(process: Partial<Process>, seccomp?: LinuxSeccomp) {
  return planOf({ process, linux: { namespaces: namespaces("mount"), ...(seccomp === undefined ? {} : { seccomp }) } });
}

describe("the environment", () => {
  test("the last of several values holds, in the first one's place", () => {
    expect(uniqueVariables(["A=1", "B=2", "A=3", "C", "B=", "C=x=y"])).toEqual(["A=3", "B=", "C=x=y"]);
  });

  test.each([
    ["absent", ["A=1"]],
    ["empty", ["A=1", "HOME="]],
    ["empty at last", ["A=1", "HOME=/a", "HOME="]],
  ])("HOME %s is looked up", (_, env) => {
    const plan = planOfProcess({ env, user: { uid: 12, gid: 0 } });
    expect(operationsOf(plan, "lookUpHome")).toEqual([{ op: "lookUpHome", uid: 12, from: "spec:config.md#process" }]);
    expect(operationsOf(plan, "exec")[0]?.env).toEqual(["A=1"]);
  });

  test("HOME of the config stays", () => {
    const plan = planOfProcess({ env: ["HOME=", "HOME=/home/u"] });
    expect(operationsOf(plan, "lookUpHome")).toEqual([]);
    expect(operationsOf(plan, "exec")[0]?.env).toEqual(["HOME=/home/u"]);
  });

  test.each([
    [["PATH=/a:/b"], "/a:/b"],
    [["PATH=/a", "PATH=/c"], "/c"],
    [["PATH="], ""],
    [[], "/bin:/usr/bin"],
  ])("the program is searched in the container's PATH: %j", (env, searchPath) => {
    expect(operationsOf(planOfProcess({ env, args: ["sh"] }), "findExecutable")).toEqual([
      { op: "findExecutable", name: "sh", searchPath, from: "/process/args" },
    ]);
  });
});

test("args and descriptors reach exec", () => {
  const plan = planOf({ process: { args: ["sh", "-c", ""] } }, { options: { preserveFds: 2 } });
  expect(operationsOf(plan, "exec")[0]).toMatchObject({ args: ["sh", "-c", ""], preserveFds: 2 });
});

describe("no program", () => {
  test.each([
    ["an empty list", []],
    ["an empty name", [""]],
  ])("%s", (_, args) => {
    expect(() => planOf({ process: { args } })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_PROCESS", pointer: "/process/args" }),
    );
  });

  test("no list", () => {
    const spec = smallSpec();
    if (spec.process !== undefined) delete spec.process.args;
    expect(() => compile(spec, hostFacts(), compileOptions())).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_PROCESS", pointer: "/process" }),
    );
  });
});

describe("the user", () => {
  test("with all that it has", () => {
    const plan = planOfProcess({ user: { uid: 1, gid: 2, additionalGids: [3, 4], umask: 0o077 } });
    expect(operationsOf(plan, "setUser")).toEqual([
      { op: "setUser", uid: 1, gid: 2, additionalGids: [3, 4], umask: 0o077, from: "/process/user" },
    ]);
  });

  test("groups that the config does not have are dropped, and the mask is that of runc and crun", () => {
    expect(operationsOf(planOf(), "setUser")[0]).toMatchObject({ additionalGids: [], umask: 0o022 });
  });
});

describe("the working directory", () => {
  test("is made while the root can be written to, and entered as root or as the user", () => {
    const plan = planOf({ process: { cwd: "/work/here" }, root: { path: "rootfs", readonly: true } });
    const inNamespaces = namesOf(plan, "inNamespaces");
    expect(operationsOf(plan, "makeDirectory")).toEqual([
      { op: "makeDirectory", containerPath: "/work/here", from: "/process/cwd" },
    ]);
    expect(inNamespaces.indexOf("makeDirectory")).toBeLessThan(inNamespaces.indexOf("setRootReadonly"));
    const afterPivot = namesOf(plan, "afterPivot");
    expect(afterPivot.indexOf("setWorkingDirectory")).toBeLessThan(afterPivot.indexOf("setUser"));
    expect(afterPivot.lastIndexOf("setWorkingDirectory")).toBeGreaterThan(afterPivot.indexOf("setCapabilities"));
    expect(operationsOf(plan, "setWorkingDirectory").map(({ mayFail }) => mayFail ?? false)).toEqual([true, false]);
  });

  test("the root is there", () => {
    expect(operationsOf(planOf(), "makeDirectory")).toEqual([]);
  });
});

test("the order in which privileges go", () => {
  expect(namesOf(planOfProcess({ noNewPrivileges: true, env: [] }, profile), "afterPivot")).toEqual([
    "setNoNewPrivileges",
    "lookUpHome",
    "dropBoundingCapabilities",
    "setWorkingDirectory",
    "setUser",
    "setCapabilities",
    "setWorkingDirectory",
    "findExecutable",
  ]);
});

describe("the filter of system calls", () => {
  test("is loaded right before exec with no_new_privs", () => {
    const plan = planOfProcess({ noNewPrivileges: true }, profile);
    expect(namesOf(plan, "atStart").slice(-2)).toEqual(["loadSeccomp", "exec"]);
    const [filter] = operationsOf(plan, "loadSeccomp");
    expect(filter).toMatchObject({ flags: 0, listener: false, from: "/linux/seccomp" });
    expect(filter?.filter.length).toBeGreaterThan(0);
    expect((filter?.filter.length ?? 1) % 8).toBe(0);
  });

  test("or where the process keeps CAP_SYS_ADMIN", () => {
    const names = ["CAP_SYS_ADMIN"];
    const plan = planOfProcess({ capabilities: { effective: names, permitted: names, bounding: names } }, profile);
    expect(namesOf(plan, "atStart").slice(-2)).toEqual(["loadSeccomp", "exec"]);
  });

  test("else before the capabilities go, and not earlier than it must", () => {
    const names = namesOf(planOfProcess({ noNewPrivileges: false }, profile), "afterPivot");
    expect(names.slice(names.indexOf("loadSeccomp"))).toEqual([
      "loadSeccomp",
      "setUser",
      "setCapabilities",
      "setWorkingDirectory",
      "findExecutable",
    ]);
  });

  test("with a listener, while there is a parent to take it", () => {
    const plan = planOfProcess({ noNewPrivileges: true }, listening);
    expect(namesOf(plan, "afterPivot").at(-1)).toBe("loadSeccomp");
    expect(namesOf(plan, "atStart")).not.toContain("loadSeccomp");
    expect(operationsOf(plan, "loadSeccomp")[0]).toMatchObject({
      listener: true,
      listenerPath: "/run/agent.sock",
      listenerMetadata: "box",
    });
  });

  test("what in the profile has no effect is said", () => {
    const unknown: LinuxSeccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["no_such_call"], action: "SCMP_ACT_ERRNO" }],
    };
    expect(planOfProcess({}, unknown).warnings).toEqual([
      expect.objectContaining({ pointer: "/linux/seccomp/syscalls/0/names/0" }),
    ]);
  });

  test("a profile that is none", () => {
    const wrong = { defaultAction: "SCMP_ACT_NONE" } as unknown as LinuxSeccomp;
    expect(() => planOfProcess({}, wrong)).toThrow(expect.objectContaining({ code: "ERR_RUNLET_SECCOMP" }));
  });

  test("a cache is asked before the profile is compiled", () => {
    const filterCache = new Map<string, Uint8Array>();
    const linux = { namespaces: namespaces("mount"), seccomp: profile };
    const first = planOf({ linux }, { options: { filterCache } });
    expect(filterCache.size).toBe(1);
    const marked = new Uint8Array(8);
    for (const key of filterCache.keys()) filterCache.set(key, marked);
    const second = planOf({ linux }, { options: { filterCache } });
    expect(operationsOf(first, "loadSeccomp")[0]?.filter).not.toBe(marked);
    expect(operationsOf(second, "loadSeccomp")[0]?.filter).toBe(marked);
  });
});

test("oomScoreAdj", () => {
  expect(operationsOf(planOf({ process: { oomScoreAdj: 0 } }), "setOomScoreAdj")).toEqual([
    { op: "setOomScoreAdj", by: "init", value: 0, from: "/process/oomScoreAdj" },
  ]);
  expect(operationsOf(planOf(), "setOomScoreAdj")).toEqual([]);
});
