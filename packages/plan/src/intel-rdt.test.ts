import { expect, test } from "vitest";
import { compileOptions, hostFacts, namesOf, namespaces, operationsOf, planOf, smallSpec } from "../test/inputs.ts";
import { compileExec } from "./exec.ts";

const write = { from: "/linux/intelRdt/schemata/0", controller: "resctrl", file: "schemata", value: "L3:0=f" };
const intelRdt = {
  hostPath: "/sys/fs/resctrl/box",
  monitoringHostPath: "/sys/fs/resctrl/box/mon_groups/box",
  writes: [write],
};
const changes = { linux: { namespaces: namespaces("mount", "pid"), intelRdt: { schemata: ["L3:0=f"] } } };
const from = "/linux/intelRdt";

test("the groups are made before the process, which joins before the container's mounts are made", () => {
  const plan = planOf(changes, { options: { intelRdt } });
  expect(operationsOf(plan, "createIntelRdtGroup")).toEqual([{ op: "createIntelRdtGroup", ...intelRdt, from }]);
  const { writes: _, ...groups } = intelRdt;
  expect(operationsOf(plan, "joinIntelRdtGroup")).toEqual([{ op: "joinIntelRdtGroup", ...groups, from }]);
  expect(namesOf(plan, "beforeClone")).toEqual(["createIntelRdtGroup", "clone"]);
  const names = namesOf(plan, "inNamespaces");
  expect(names.indexOf("joinIntelRdtGroup")).toBeGreaterThan(-1);
  expect(names.indexOf("joinIntelRdtGroup")).toBeLessThan(names.indexOf("setRootPropagation"));
});

test("a config without intelRdt touches no group", () => {
  expect(operationsOf(planOf(), "createIntelRdtGroup")).toEqual([]);
  expect(operationsOf(planOf(), "joinIntelRdtGroup")).toEqual([]);
});

test("another process of the container joins them too, before it forks", () => {
  const { process } = smallSpec();
  if (process === undefined) throw new Error("the smallest config has a process");
  const plan = compileExec(process, hostFacts(), {
    ...compileOptions(),
    config: smallSpec(changes),
    pid: 42,
    namespaces: ["mount", "pid"],
    rootIdentities: [],
    setgroups: "allow",
    cgroupControllers: [],
    intelRdt,
  });
  const names = namesOf(plan, "inNamespaces");
  expect(names.indexOf("joinIntelRdtGroup")).toBeGreaterThan(-1);
  expect(names.indexOf("joinIntelRdtGroup")).toBeLessThan(names.indexOf("fork"));
});
