import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { sleep } from "../harness/command.ts";
import { findLeaks } from "../harness/leaks.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, runtime: ["runlet"] });
const { test } = e2e;

/** What is left of a container shortly after everything that was killed has gone. */
async function leftOf(id: string): Promise<string[]> {
  let left: string[] = [];
  for (let attempt = 0; attempt < 100; attempt++) {
    left = findLeaks(id);
    if (left.length === 0) break;
    await sleep(20);
  }
  return left;
}

describe("a command that is killed at any moment leaves nothing that delete --force does not remove", () => {
  // The moments are spread over the whole life of the command, start-up included: what it does in each is not for the
  // test to know.
  for (const command of ["create", "run"]) {
    test(command, async () => {
      const bundle = e2e.bundle().probing("wait");
      const whole = await durationOf(bundle.hostPath);
      let interrupted = 0;
      for (let step = 0; step < 24; step++) {
        const id = e2e.id();
        const call = e2e.runtime.start([command, "--bundle", bundle.hostPath, id]);
        await sleep((whole * 1.2 * step) / 24);
        if (existsSync(join(e2e.runtime.root, id))) interrupted++;
        call.child.kill("SIGKILL");
        await call.ended;

        const list = await e2e.runtime.invoke(["list", "--quiet"]);
        expect([step, list.status, list.stderr]).toEqual([step, 0, list.stderr]);
        const removal = await e2e.runtime.invoke(["delete", "--force", id]);
        expect([step, removal.status, removal.stderr]).toEqual([step, 0, ""]);
        expect([step, existsSync(join(e2e.runtime.root, id))]).toEqual([step, false]);
        expect([step, await leftOf(id)]).toEqual([step, []]);
      }
      // Otherwise the moments all lay before or after what the test is about.
      expect(interrupted).toBeGreaterThan(1);
    });
  }

  test("delete", async () => {
    for (let step = 0; step < 10; step++) {
      const id = e2e.id();
      const bundle = e2e.bundle().probing("wait");
      await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.hostPath, id]);
      const call = e2e.runtime.start(["delete", "--force", id]);
      await sleep(step * 15);
      call.child.kill("SIGKILL");
      await call.ended;
      expect([step, (await e2e.runtime.invoke(["delete", "--force", id])).status]).toEqual([step, 0]);
      expect([step, await leftOf(id)]).toEqual([step, []]);
      rmSync(bundle.hostPath, { recursive: true });
    }
  });
});

async function durationOf(bundle: string): Promise<number> {
  const id = e2e.id();
  const before = Date.now();
  await e2e.runtime.succeed(["create", "--bundle", bundle, id]);
  const duration = Date.now() - before;
  await e2e.runtime.succeed(["delete", "--force", id]);
  return duration;
}

test("a container whose init was killed from outside is stopped, and can be deleted", async () => {
  const id = e2e.id();
  await e2e.runtime.succeed(["run", "--detach", "--bundle", e2e.bundle().probing("wait").hostPath, id]);
  const { pid } = await e2e.runtime.state(id);
  process.kill(pid, "SIGKILL");
  await e2e.runtime.waitForStatus(id, "stopped");
  await e2e.runtime.succeed(["delete", id]);
  expect(await leftOf(id)).toEqual([]);
});

test("a state that is damaged does not keep list from the others, and delete --force removes it", async () => {
  const [broken, whole] = [e2e.id(), e2e.id()];
  await e2e.runtime.succeed(["create", "--bundle", e2e.bundle().probing("wait").hostPath, whole]);
  const directory = join(e2e.runtime.root, broken);
  mkdirSync(directory);
  writeFileSync(join(directory, "state.json"), '{"id": "cut off in the mid');
  const list = await e2e.runtime.invoke(["list"]);
  expect(list.status).toBe(0);
  expect(list.stdout).toContain(whole);
  expect(list.stderr).toContain(broken);
  expect((await e2e.runtime.invoke(["delete", "--force", broken])).status).toBe(0);
  expect(existsSync(directory)).toBe(false);
});

test("two calls at once for one container: one wins, the other says so, and the container is whole", async () => {
  const bundle = e2e.bundle().probing("wait");
  for (let round = 0; round < 5; round++) {
    const id = e2e.id();
    const results = await Promise.all(
      [1, 2, 3].map(() => e2e.runtime.invoke(["create", "--bundle", bundle.hostPath, id])),
    );
    expect(results.filter(({ status }) => status === 0)).toHaveLength(1);
    for (const { stderr } of results.filter(({ status }) => status !== 0)) {
      expect(stderr).toContain("container with given ID already exists");
    }
    expect((await e2e.runtime.state(id)).status).toBe("created");
    await e2e.runtime.succeed(["delete", "--force", id]);
  }
});
