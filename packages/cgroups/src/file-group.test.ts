import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../test/directory.ts";
import { errorOf, rejectionOf } from "../test/errors.ts";
import type { CgroupLayout } from "./layout.ts";
import { cgroupFromState, cgroupManager } from "./manager.ts";

/** A v1 layout of plain directories: what the drivers do with directories is the same there. */
function layoutIn(hostPath: string, own = ""): CgroupLayout {
  const hierarchies = ["memory", "pids"].map((controller) => {
    const ownPath = `${hostPath}/${controller}${own}`;
    mkdirSync(ownPath, { recursive: true });
    return { controllers: [controller], mountPoint: `${hostPath}/${controller}`, ownPath };
  });
  return { kind: "v1", hierarchies, unified: null, hasBfq: false };
}

function v2Layout(ownPath: string): CgroupLayout {
  return {
    kind: "v2",
    hierarchies: [],
    unified: { mountPoint: "/sys/fs/cgroup", ownPath, controllers: ["memory", "pids"] },
    hasBfq: false,
  };
}

describe("where a group lies", () => {
  it.each([
    [undefined, "/own/web", "/sys/fs/cgroup/memory/own/web"],
    ["a/b", "/own/a/b", "/sys/fs/cgroup/memory/own/a/b"],
    ["/a/b", "/a/b", "/sys/fs/cgroup/memory/a/b"],
  ])("v1, %s", (cgroupsPath, path, hostPath) => {
    const layout: CgroupLayout = {
      kind: "v1",
      hierarchies: [
        { controllers: ["memory"], mountPoint: "/sys/fs/cgroup/memory", ownPath: "/sys/fs/cgroup/memory/own" },
        {
          controllers: ["cpu", "cpuacct"],
          mountPoint: "/sys/fs/cgroup/cpu,cpuacct",
          ownPath: "/sys/fs/cgroup/cpu,cpuacct",
        },
      ],
      unified: null,
      hasBfq: false,
    };
    const cgroup = cgroupManager({ layout }).cgroup({ id: "web", cgroupsPath });
    expect(cgroup.path).toBe(path);
    expect(cgroup.hostPaths.memory).toBe(hostPath);
    expect(cgroup.hostPaths.cpu).toBe(cgroup.hostPaths.cpuacct);
    expect(cgroup.controllers).toEqual(["memory", "cpu"]);
    expect(cgroup.needsProcess).toBe(false);
  });

  it.each([
    [undefined, "/user.slice/web"],
    ["a/b", "/user.slice/a/b"],
    ["/a/b", "/a/b"],
  ])("v2, %s", (cgroupsPath, path) => {
    const layout = v2Layout("/sys/fs/cgroup/user.slice/session.scope");
    const cgroup = cgroupManager({ layout }).cgroup({ id: "web", cgroupsPath });
    expect(cgroup.path).toBe(path);
    expect(cgroup.hostPaths).toEqual({ "": `/sys/fs/cgroup${path}` });
    expect(cgroup.controllers).toEqual([""]);
  });

  it("v2, in a container whose own group is the root that it sees", () => {
    expect(cgroupManager({ layout: v2Layout("/sys/fs/cgroup") }).cgroup({ id: "web" }).path).toBe("/web");
  });

  it("systemd", () => {
    const manager = cgroupManager({ layout: v2Layout("/sys/fs/cgroup/user.slice/x"), driver: "systemd" });
    expect(manager.cgroup({ id: "web" }).path).toBe("/system.slice/runlet-web.scope");
    const cgroup = manager.cgroup({ id: "web", cgroupsPath: "machine-a.slice:libpod:web" });
    expect(cgroup.path).toBe("/machine.slice/machine-a.slice/libpod-web.scope");
    expect(cgroup.needsProcess).toBe(true);
    expect(cgroup.controllers).toEqual([]);
    expect(cgroup.toState()).toMatchObject({ driver: "systemd", unit: "libpod-web.scope", userInstance: false });
  });

  it("systemd of a user", () => {
    const layout = v2Layout("/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope");
    const cgroup = cgroupManager({ layout, driver: "systemd", rootless: true }).cgroup({ id: "web" });
    expect(cgroup.path).toBe("/user.slice/user-1000.slice/user@1000.service/user.slice/runlet-web.scope");
    expect(cgroup.toState().userInstance).toBe(true);
  });

  it("nowhere: no control groups", () => {
    const layout: CgroupLayout = { kind: "none", hierarchies: [], unified: null, hasBfq: false };
    expect(errorOf(() => cgroupManager({ layout }).cgroup({ id: "web" })).code).toBe("ERR_RUNLET_CGROUP");
  });
});

describe("directories", () => {
  it("makes and removes the group and the parents that were made for it", async () => {
    using directory = temporaryDirectory();
    const layout = layoutIn(directory.hostPath, "/own");
    const manager = cgroupManager({ layout });
    const [one, other] = ["one", "other"].map((id) => manager.cgroup({ id, cgroupsPath: `pod/inner/${id}` }));
    await one?.create();
    await other?.create();
    await one?.delete();
    expect(existsSync(`${directory.hostPath}/memory/own/pod/inner/one`)).toBe(false);
    expect(existsSync(`${directory.hostPath}/memory/own/pod/inner`)).toBe(true);
    await other?.delete();
    expect(existsSync(`${directory.hostPath}/memory/own/pod`)).toBe(false);
    expect(existsSync(`${directory.hostPath}/pids/own/pod`)).toBe(false);
    expect(existsSync(`${directory.hostPath}/memory/own`)).toBe(true);
  });

  it("leaves parents that were there before", async () => {
    using directory = temporaryDirectory();
    const layout = layoutIn(directory.hostPath);
    mkdirSync(`${directory.hostPath}/memory/pod`);
    const cgroup = cgroupManager({ layout }).cgroup({ id: "web", cgroupsPath: "/pod/web" });
    await cgroup.create();
    await cgroup.delete();
    expect(existsSync(`${directory.hostPath}/memory/pod`)).toBe(true);
    expect(existsSync(`${directory.hostPath}/pids/pod`)).toBe(false);
  });

  it("is found again from what was recorded, by another process with another group of its own", async () => {
    using directory = temporaryDirectory();
    const cgroup = cgroupManager({ layout: layoutIn(directory.hostPath, "/own") }).cgroup({
      id: "web",
      cgroupsPath: "pod/web",
    });
    const state = JSON.parse(JSON.stringify(cgroup.toState()));
    expect(state.cgroup_paths).toEqual({
      memory: `${directory.hostPath}/memory/own/pod/web`,
      pids: `${directory.hostPath}/pids/own/pod/web`,
    });
    await cgroup.create();
    const found = cgroupFromState(state, { layout: layoutIn(directory.hostPath, "/elsewhere") });
    expect(found.hostPaths).toEqual(cgroup.hostPaths);
    expect(found.path).toBe(cgroup.path);
    await found.delete();
    expect(existsSync(`${directory.hostPath}/memory/own/pod`)).toBe(false);
    await found.delete();
  });

  it("refuses a group with processes and takes back what it made", async () => {
    using directory = temporaryDirectory();
    const layout = layoutIn(directory.hostPath);
    mkdirSync(`${directory.hostPath}/pids/web`);
    writeFileSync(`${directory.hostPath}/pids/web/cgroup.procs`, "1\n2\n");
    const error = await rejectionOf(cgroupManager({ layout }).cgroup({ id: "web" }).create());
    expect(error).toMatchObject({ code: "ERR_RUNLET_CGROUP", pointer: "/linux/cgroupsPath" });
    expect(error.message).toContain("container's cgroup is not empty: 2 process(es) found");
    expect(existsSync(`${directory.hostPath}/memory/web`)).toBe(false);
    expect(existsSync(`${directory.hostPath}/pids/web`)).toBe(true);
  });

  it("refuses a frozen group", async () => {
    using directory = temporaryDirectory({ "freezer/web/freezer.state": "FROZEN\n", "freezer/web/cgroup.procs": "" });
    const mountPoint = `${directory.hostPath}/freezer`;
    const hierarchies = [{ controllers: ["freezer"], mountPoint, ownPath: mountPoint }];
    const layout: CgroupLayout = { kind: "v1", hierarchies, unified: null, hasBfq: false };
    const error = await rejectionOf(cgroupManager({ layout }).cgroup({ id: "web" }).create());
    expect(error.message).toContain("container's cgroup unexpectedly frozen");
  });

  it("says which hierarchy cannot be used", async () => {
    using directory = temporaryDirectory({ memory: "no directory" });
    const mountPoint = `${directory.hostPath}/memory`;
    const hierarchies = [{ controllers: ["memory"], mountPoint, ownPath: mountPoint }];
    const layout: CgroupLayout = { kind: "v1", hierarchies, unified: null, hasBfq: false };
    const error = await rejectionOf(cgroupManager({ layout }).cgroup({ id: "web" }).create());
    expect(error).toMatchObject({ code: "ERR_RUNLET_CGROUP", syscall: "mkdir", errno: "ENOTDIR" });
  });
});

describe("limits", () => {
  it("names the field whose controller the host has not", async () => {
    using directory = temporaryDirectory();
    const cgroup = cgroupManager({ layout: layoutIn(directory.hostPath), rootless: true }).cgroup({ id: "web" });
    await cgroup.create();
    const error = await rejectionOf(cgroup.apply({ cpu: { shares: 512 } }));
    expect(error).toMatchObject({ code: "ERR_RUNLET_CGROUP", pointer: "/linux/resources/cpu/shares" });
    expect(error.message).toContain("no cpu controller");
    await cgroup.delete();
  });

  it("says what does not hold, kernel memory on every version and everything when disabled", () => {
    const resources = { memory: { limit: 5, kernel: 7 }, pids: { limit: 3 } };
    const v2 = cgroupManager({ layout: v2Layout("/sys/fs/cgroup") }).cgroup({ id: "web" });
    expect(v2.warnings(resources).map(({ pointer }) => pointer)).toEqual(["/linux/resources/memory/kernel"]);
    const none = cgroupManager({ layout: v2Layout("/sys/fs/cgroup"), driver: "disabled" }).cgroup({ id: "web" });
    expect(none.warnings(resources).map(({ pointer }) => pointer)).toEqual([
      "/linux/resources/memory",
      "/linux/resources/pids",
    ]);
  });

  it("refuses what a disabled driver cannot do", async () => {
    const none = cgroupFromState(
      cgroupManager({ layout: v2Layout("/sys/fs/cgroup"), driver: "disabled" })
        .cgroup({ id: "web" })
        .toState(),
    );
    expect(await rejectionOf(none.freeze())).toMatchObject({ code: "ERR_RUNLET_CGROUP" });
    expect(errorOf(() => none.processes()).message).toContain("cannot list the processes");
  });
});
