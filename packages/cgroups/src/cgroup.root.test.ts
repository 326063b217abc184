import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { rejectionOf } from "../test/errors.ts";
import { dispose, drivers, isV2, newGroup, startMember, until } from "../test/member.ts";
import { type Cgroup, cgroupFromState, cgroupManager } from "./index.ts";

const made: Cgroup[] = [];

function make(driver: (typeof drivers)[number]): Cgroup {
  const cgroup = newGroup(driver);
  made.push(cgroup);
  return cgroup;
}

afterEach(async () => {
  for (const cgroup of made.splice(0)) {
    await dispose(cgroup);
    for (const hostPath of Object.values(cgroup.hostPaths)) expect(existsSync(hostPath)).toBe(false);
  }
});

describe.each(drivers)("%s", (driver) => {
  it("puts a process into every hierarchy, and knows it from what was recorded", async () => {
    const cgroup = make(driver);
    const { child } = await startMember({ cgroup, script: "sleep 100 & wait" });
    await until(() => cgroup.processes().length === 2);
    expect(cgroup.processes()).toContain(child.pid);
    for (const hostPath of Object.values(cgroup.hostPaths)) {
      expect(readFileSync(`${hostPath}/cgroup.procs`, "utf8").split("\n")).toContain(String(child.pid));
    }
    expect(cgroupFromState(JSON.parse(JSON.stringify(cgroup.toState()))).processes()).toEqual(cgroup.processes());
  });

  it("kills every process, those in groups below too", async () => {
    const cgroup = make(driver);
    const { child, exit } = await startMember({ cgroup, script: "trap '' TERM; while :; do sleep 0.01; done" });
    const inner = `${cgroup.hostPaths.pids ?? cgroup.hostPaths[""]}/inner`;
    mkdirSync(inner);
    if (!isV2) writeFileSync(`${inner}/cgroup.procs`, String(child.pid));
    await cgroup.kill();
    expect(await exit).toMatchObject({ signal: "SIGKILL" });
    await until(() => cgroup.processes().length === 0);
  });

  it("sends other signals to every process", async () => {
    const cgroup = make(driver);
    const { exit } = await startMember({ cgroup, script: "sleep 100 & wait" });
    await until(() => cgroup.processes().length === 2);
    await cgroup.kill(15);
    expect(await exit).toMatchObject({ signal: "SIGTERM" });
    await until(() => cgroup.processes().length === 0);
  });

  it("freezes and thaws, and kills what is frozen", async () => {
    const cgroup = make(driver);
    const { child, exit } = await startMember({ cgroup, script: "while :; do :; done" });
    await cgroup.freeze();
    expect(cgroup.isFrozen()).toBe(true);
    const before = readFileSync(`/proc/${child.pid}/schedstat`, "utf8");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(readFileSync(`/proc/${child.pid}/schedstat`, "utf8")).toBe(before);
    await cgroup.thaw();
    expect(cgroup.isFrozen()).toBe(false);
    await cgroup.freeze();
    await cgroup.kill();
    expect(await exit).toMatchObject({ signal: "SIGKILL" });
  });

  it("tells when the last process ends, and ends with the group", async () => {
    const cgroup = make(driver);
    const { child, exit } = await startMember({ cgroup, script: "read stop; true" });
    const events = (async () => {
      const seen = [];
      for await (const event of cgroup.events()) seen.push(event);
      return seen;
    })();
    await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill("SIGKILL");
    await exit;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await cgroup.delete();
    expect(await events).toEqual([{ type: "empty" }]);
  });

  it("says that it is gone", async () => {
    const cgroup = newGroup(driver);
    for (const action of [cgroup.freeze(), cgroup.thaw(), cgroup.update({ pids: { limit: 3 } })]) {
      const error = await rejectionOf(action);
      expect(error.code).toBe("ERR_RUNLET_CGROUP");
      expect(error.message).toMatch(/^the control group .* is gone$/);
    }
    expect(() => cgroup.stats()).toThrow("is gone");
    expect(cgroup.processes()).toEqual([]);
    expect(cgroup.isFrozen()).toBe(false);
    await cgroup.kill();
    await cgroup.delete();
  });

  it("says which processes keep it", async () => {
    const cgroup = make(driver);
    const { child } = await startMember({ cgroup, script: "sleep 100" });
    const error = await rejectionOf(cgroup.delete());
    expect(error).toMatchObject({ code: "ERR_RUNLET_CGROUP", errno: "EBUSY" });
    expect(error.message).toContain(String(child.pid));
  });

  it("removes groups of any name and depth that a container has made", async () => {
    const cgroup = make(driver);
    await startMember({ cgroup, script: "sleep 100" });
    const root = cgroup.hostPaths.freezer ?? cgroup.hostPaths[""] ?? "";
    const long = "x".repeat(200);
    mkdirSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]));
    mkdirSync(`${root}/${Array(15).fill(long).join("/")}`, { recursive: true });
    await dispose(cgroup);
    expect(existsSync(root)).toBe(false);
  });
});

it("refuses a group that has processes, and one that is frozen", async () => {
  const cgroup = make("cgroupfs");
  // One process at any time: a shell may start a command beside itself.
  await startMember({ cgroup, script: "exec sleep 100" });
  const again = cgroupManager().cgroup({ id: "again", cgroupsPath: cgroup.path });
  const inUse = isV2 ? again : cgroupFromState(cgroup.toState());
  expect((await rejectionOf(inUse.create())).message).toContain("container's cgroup is not empty: 1 process(es) found");
  await cgroup.kill();
  await until(() => cgroup.processes().length === 0);
  await cgroup.freeze();
  expect((await rejectionOf(inUse.create())).message).toContain("container's cgroup unexpectedly frozen");
  await cgroup.thaw();
  await inUse.create();
});

it("removes the parents that it made, and no others", async () => {
  const { layout } = cgroupManager();
  const root = layout.unified?.mountPoint ?? layout.hierarchies[0]?.mountPoint ?? "";
  const name = `test-parent-${process.pid}`;
  mkdirSync(`${root}/${name}`);
  try {
    const cgroup = cgroupManager().cgroup({ id: "web", cgroupsPath: `/${name}/inner/web` });
    made.push(cgroup);
    await cgroup.create();
    await cgroup.delete();
    expect(existsSync(`${root}/${name}/inner`)).toBe(false);
    expect(existsSync(`${root}/${name}`)).toBe(true);
  } finally {
    rmdirSync(`${root}/${name}`);
  }
});

it("makes and removes many groups below one parent at once", async () => {
  const manager = cgroupManager();
  const groups = Array.from({ length: 50 }, (_, index) =>
    manager.cgroup({ id: `many-${index}`, cgroupsPath: `/test-many-${process.pid}/${index}` }),
  );
  await Promise.all(
    groups.map(async (cgroup) => {
      await cgroup.create();
      await cgroup.apply(undefined);
      await cgroup.delete();
    }),
  );
  for (const mount of [
    ...manager.layout.hierarchies,
    ...(manager.layout.unified === null ? [] : [manager.layout.unified]),
  ]) {
    expect(existsSync(`${mount.mountPoint}/test-many-${process.pid}`)).toBe(false);
  }
});
