import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../test/directory.ts";
import { errorOf } from "../../test/errors.ts";
import { deleteIntelRdt, findResctrl, IntelRdtGroup, joinIntelRdt, updateIntelRdt } from "./group.ts";

it("finds the mount", () => {
  expect(findResctrl("40 23 0:30 / /sys/fs/resctrl rw,relatime - resctrl resctrl rw\n")).toBe("/sys/fs/resctrl");
  expect(findResctrl("40 23 0:30 / /mnt/a\\040b rw - resctrl resctrl rw\n")).toBe("/mnt/a b");
  expect(findResctrl("40 23 0:30 / /proc rw - proc proc rw\n")).toBeNull();
});

it("plans the lines in the order in which they are written, with their fields", () => {
  const config = { schemata: ["L3:0=f", "MB:0=20"], memBwSchema: "MB:0=70", l3CacheSchema: "L3:0=ff;1=f\nL2:0=1" };
  const group = new IntelRdtGroup({ id: "web", config, mountPoint: "/sys/fs/resctrl" });
  expect(group.plan().map(({ from, value }) => [from, value])).toEqual([
    ["/linux/intelRdt/l3CacheSchema", "L3:0=ff;1=f"],
    ["/linux/intelRdt/l3CacheSchema", "L2:0=1"],
    ["/linux/intelRdt/memBwSchema", "MB:0=70"],
    ["/linux/intelRdt/schemata/0", "L3:0=f"],
    ["/linux/intelRdt/schemata/1", "MB:0=20"],
  ]);
  expect(group.toState()).toEqual({
    mountPoint: "/sys/fs/resctrl",
    intel_rdt_path: "/sys/fs/resctrl/web",
    monitoringPath: null,
    isOwn: true,
  });
});

it("uses a named class as it is, puts a process in, and does not remove it", () => {
  using directory = temporaryDirectory({ "gold/schemata": "    L3:0=00f;1=0ff\n", "gold/tasks": "" });
  const config = { closID: "gold", l3CacheSchema: "L3:0=f" };
  const group = new IntelRdtGroup({ id: "web", config, mountPoint: directory.hostPath });
  group.create();
  joinIntelRdt(group.toState(), 42);
  expect(readFileSync(`${directory.hostPath}/gold/tasks`, "utf8")).toBe("42\n");
  expect(readFileSync(`${directory.hostPath}/gold/schemata`, "utf8")).toBe("    L3:0=00f;1=0ff\n");
  deleteIntelRdt(group.toState());
  expect(existsSync(`${directory.hostPath}/gold`)).toBe(true);
});

it("leaves the bandwidth in l3CacheSchema out where memBwSchema has its own", () => {
  const plan = (memBwSchema: string) =>
    new IntelRdtGroup({
      id: "web",
      config: { l3CacheSchema: "L3:0=f\nMB:0=20", memBwSchema },
      mountPoint: "/sys/fs/resctrl",
    })
      .plan()
      .map(({ value }) => value);
  expect(plan("MB:0=70")).toEqual(["L3:0=f", "MB:0=70"]);
  expect(plan("")).toEqual(["L3:0=f", "MB:0=20"]);
});

it("makes a class of the container's own without schemata too", () => {
  using directory = temporaryDirectory();
  const group = new IntelRdtGroup({ id: "web", config: {}, mountPoint: directory.hostPath });
  group.create();
  expect(existsSync(`${directory.hostPath}/web`)).toBe(true);
  deleteIntelRdt(group.toState());
  expect(existsSync(`${directory.hostPath}/web`)).toBe(false);
});

it("takes the default class for the closID /, and never removes it", () => {
  using directory = temporaryDirectory({ tasks: "", schemata: "L3:0=f\n" });
  mkdirSync(`${directory.hostPath}/mon_groups`);
  const config = { closID: "/", enableMonitoring: true };
  const group = new IntelRdtGroup({ id: "web", config, mountPoint: directory.hostPath });
  group.create();
  expect(group.toState()).toMatchObject({ intel_rdt_path: directory.hostPath, isOwn: false });
  deleteIntelRdt(group.toState());
  expect(existsSync(`${directory.hostPath}/mon_groups/web`)).toBe(false);
  expect(existsSync(directory.hostPath)).toBe(true);
});

it("refuses a class of the container's name that has processes", () => {
  using directory = temporaryDirectory({ "web/tasks": "7\n" });
  const error = errorOf(() => new IntelRdtGroup({ id: "web", config: {}, mountPoint: directory.hostPath }).create());
  expect(error).toMatchObject({ code: "ERR_RUNLET_CGROUP", pointer: "/linux/intelRdt" });
  expect(error.message).toContain("has processes already");
});

it("updates the schemata, and says which line was refused", () => {
  using directory = temporaryDirectory({ "web/schemata": "L3:0=f\n" });
  const group = new IntelRdtGroup({ id: "web", config: {}, mountPoint: directory.hostPath });
  updateIntelRdt(group.toState(), { l3CacheSchema: "L3:0=3" });
  expect(readFileSync(`${directory.hostPath}/web/schemata`, "utf8")).toBe("L3:0=3\n");
});

it("refuses a named class that has other schemata", () => {
  using directory = temporaryDirectory({ "gold/schemata": "L3:0=f;1=f\n" });
  const config = { closID: "gold", l3CacheSchema: "L3:0=f;1=1" };
  const error = errorOf(() => new IntelRdtGroup({ id: "web", config, mountPoint: directory.hostPath }).create());
  expect(error).toMatchObject({ code: "ERR_RUNLET_CGROUP", pointer: "/linux/intelRdt/l3CacheSchema" });
});

it("refuses a named class that does not exist and has no schemata", () => {
  using directory = temporaryDirectory();
  const group = new IntelRdtGroup({ id: "web", config: { closID: "gold" }, mountPoint: directory.hostPath });
  expect(errorOf(() => group.create()).pointer).toBe("/linux/intelRdt/closID");
});

it("makes a monitoring group of the container's own and removes it", () => {
  using directory = temporaryDirectory({ "gold/schemata": "L3:0=f\n" });
  mkdirSync(`${directory.hostPath}/gold/mon_groups`);
  const config = { closID: "gold", enableMonitoring: true };
  const group = new IntelRdtGroup({ id: "web", config, mountPoint: directory.hostPath });
  group.create();
  expect(existsSync(`${directory.hostPath}/gold/mon_groups/web`)).toBe(true);
  deleteIntelRdt(group.toState());
  expect(existsSync(`${directory.hostPath}/gold/mon_groups/web`)).toBe(false);
  deleteIntelRdt(group.toState());
});

it("leaves nothing behind when the schemata are refused", () => {
  using directory = temporaryDirectory();
  const config = { l3CacheSchema: "L3:0=f" };
  const group = new IntelRdtGroup({ id: "web", config, mountPoint: directory.hostPath });
  // A plain directory has no schemata file, as a kernel without the resource would refuse the line.
  expect(errorOf(() => group.create())).toMatchObject({ pointer: "/linux/intelRdt/l3CacheSchema", errno: "ENOENT" });
  expect(existsSync(`${directory.hostPath}/web`)).toBe(false);
});

it.each(["", ".", "..", "a/b", "//"])("refuses the closID %j", (closID) => {
  const make = () => new IntelRdtGroup({ id: "web", config: { closID }, mountPoint: "/sys/fs/resctrl" });
  expect(errorOf(make).pointer).toBe("/linux/intelRdt/closID");
});

it("says that resctrl is not mounted", () => {
  const error = errorOf(() => new IntelRdtGroup({ id: "web", config: {}, mountPoint: null }));
  expect(error).toMatchObject({ code: "ERR_RUNLET_CGROUP", pointer: "/linux/intelRdt" });
});
