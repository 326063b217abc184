import { describe, expect } from "vitest";
import { ControlGroup } from "../harness/control-group.ts";
import { patienceMs, sleep } from "../harness/patience.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, cgroup: ["v1", "hybrid", "v2"], runtime: ["runlet", "runc"] });
const { test } = e2e;

/** Creates and starts a container. */
async function start(...verbs: string[]) {
  const id = e2e.id();
  const call = e2e.runtime.start(["create", "--bundle", e2e.bundle().probing(...verbs).hostPath, id]);
  expect(await call.ended).toMatchObject({ status: 0 });
  const { pid } = await e2e.runtime.state(id);
  const group = new ControlGroup(pid);
  await e2e.runtime.succeed(["start", id]);
  return { id, pid, call, group };
}

describe("pause and resume", () => {
  test("stop a busy process where it is, and let it go on", async () => {
    const { id, call, group } = await start("spin");
    await call.waitForOutput("spinning");
    await e2e.runtime.succeed(["pause", id]);
    expect(await e2e.runtime.state(id)).toMatchObject({ status: "paused" });
    const paused = group.cpuUsageMs();
    await sleep(300);
    expect(group.cpuUsageMs()).toBe(paused);
    await e2e.runtime.succeed(["resume", id]);
    expect(await e2e.runtime.state(id)).toMatchObject({ status: "running" });
    await expect.poll(() => group.cpuUsageMs(), { timeout: patienceMs }).toBeGreaterThan(paused);
  });

  test("list shows what is paused", async () => {
    const { id } = await start("wait");
    await e2e.runtime.succeed(["pause", id]);
    const { stdout } = await e2e.runtime.succeed(["list"]);
    expect(stdout.split("\n").find((line) => line.startsWith(id))).toMatch(/ paused /);
  });

  test("a signal that came while it was paused is there afterwards", async () => {
    const { id, call } = await start("trap=15");
    await call.waitForOutput("ready");
    await e2e.runtime.succeed(["pause", id]);
    await e2e.runtime.succeed(["kill", id, "TERM"]);
    await sleep(100);
    expect(call.stdout()).not.toContain("trapped");
    await e2e.runtime.succeed(["resume", id]);
    await call.waitForOutput('["trapped",15]');
  });

  test("a paused container can be deleted by force", async () => {
    const { id } = await start("fork=3", "wait");
    await e2e.runtime.succeed(["pause", id]);
    const plain = await e2e.runtime.invoke(["delete", id]);
    expect(plain.status).toBe(1);
    expect(plain.stderr).toContain("that is not stopped: paused");
    await e2e.runtime.succeed(["delete", "--force", id]);
    expect((await e2e.runtime.invoke(["state", id])).status).toBe(1);
  });

  test("are refused where there is nothing to do", async () => {
    const { id } = await start("wait");
    const resumed = await e2e.runtime.invoke(["resume", id]);
    expect(resumed.status).toBe(1);
    expect(resumed.stderr).toContain("container not paused");
    await e2e.runtime.succeed(["pause", id]);
    const paused = await e2e.runtime.invoke(["pause", id]);
    expect(paused.status).toBe(1);
    expect(paused.stderr).toContain("container not running");
    await e2e.runtime.succeed(["resume", id]);
    await e2e.runtime.succeed(["kill", id, "KILL"]);
    await e2e.runtime.waitForStatus(id, "stopped");
    const stopped = await e2e.runtime.invoke(["pause", id]);
    expect(stopped.status).toBe(1);
    expect(stopped.stderr).toContain("container not running");
    const absent = await e2e.runtime.invoke(["pause", `${id}-absent`]);
    expect(absent.status).toBe(1);
    expect(absent.stderr).toContain("container does not exist");
  });
});

describe("kill --all", () => {
  test("reaches processes that are not the first one", async () => {
    const { id, call } = await start("fork=3", "trap=10");
    await call.waitForOutput("ready");
    const { stdout } = await e2e.runtime.succeed(["ps", "--format", "json", id]);
    expect(JSON.parse(stdout)).toHaveLength(4);
    await e2e.runtime.succeed(["kill", "--all", id, "USR1"]);
    await call.waitForOutput('["trapped",10]');
  });

  test("is no error for a container that has stopped", async () => {
    const { id } = await start("exit=0");
    await e2e.runtime.waitForStatus(id, "stopped");
    await e2e.runtime.succeed(["kill", "--all", id, "9"]);
  });
});
