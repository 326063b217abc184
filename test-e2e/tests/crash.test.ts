import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { findLeaks } from "../harness/leaks.ts";
import { patienceMs, settlingMs, sleep } from "../harness/patience.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, runtime: ["runlet"] });
const { test } = e2e;

/** What is left of a container shortly after everything that was killed has gone. */
async function leftOf(id: string): Promise<string[]> {
  let left = findLeaks(id);
  for (const deadline = Date.now() + settlingMs; left.length > 0 && Date.now() < deadline; await sleep(20))
    left = findLeaks(id);
  return left;
}

describe("a command that is killed at any moment leaves nothing that delete --force does not remove", () => {
  for (const command of ["create", "run"]) {
    test(command, async () => {
      const bundle = e2e.bundle().probing("wait");
      const { startMs, workMs } = await durationsOf(bundle.hostPath);
      for (let step = 0; step < 24; step++) {
        const id = e2e.id();
        const stateDirectory = join(e2e.runtime.root, id);
        const call = e2e.runtime.start([command, "--bundle", bundle.hostPath, id]);
        // A third of the moments lie in the start of the command, the others after it has made the first thing.
        if (step < 8) await sleep((startMs * step) / 8);
        else {
          while (!existsSync(stateDirectory) && call.child.exitCode === null) await sleep(1);
          await sleep((workMs * (step - 8)) / 14);
        }
        call.child.kill("SIGKILL");
        await call.ended;

        const list = await e2e.runtime.invoke(["list", "--quiet"]);
        expect([step, list.status]).toEqual([step, 0]);
        const removal = await e2e.runtime.invoke(["delete", "--force", id]);
        expect([step, removal.status, removal.stderr]).toEqual([step, 0, ""]);
        expect([step, existsSync(stateDirectory)]).toEqual([step, false]);
        expect([step, await leftOf(id)]).toEqual([step, []]);
      }
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

describe("a create that is killed has no helper that waits for ever, nor a record of one that is gone", () => {
  // strace(1) kills the creator instead of the call, and ends when all that it traces has ended: a helper, too.
  const moments: [what: string, calls: string, when: number, isRecorded: boolean][] = [
    ["before it hands the plan over", "sendmsg", 1, false],
    ["before it records the process", "rename,renameat,renameat2", 2, false],
    ["before it tells the helper that the process is recorded", "sendmsg", 2, true],
  ];
  for (const [what, calls, when, isRecorded] of moments) {
    test(what, { program: "strace" }, async () => {
      const id = e2e.id();
      const bundle = e2e.bundle().probing("wait");
      // Without a control group nothing but the record leads to the process.
      const global = ["--cgroup-manager", "disabled"];
      const argv = e2e.runtime.argv(["create", "--bundle", bundle.hostPath, id], global);
      const trace = join(bundle.hostPath, "trace");
      const inject = `inject=${calls}:error=EIO:signal=KILL:when=${when}`;
      const options = { timeout: patienceMs, encoding: "utf8", stdio: "ignore" } as const;
      const strace = spawnSync(
        "strace",
        ["-ff", "-q", "-e", `trace=${calls},execveat`, "-e", inject, "-o", trace, ...argv],
        options,
      );
      expect(strace.error).toBeUndefined();
      expect(strace.signal).toBe("SIGKILL");
      const traces = readdirSync(bundle.hostPath).filter((name) => name.startsWith("trace."));
      const ends = traces.map((name) => readFileSync(join(bundle.hostPath, name), "utf8"));
      expect(
        ends.filter((text) => text.includes("runlet-init")),
        "a helper",
      ).toHaveLength(1);
      expect(existsSync(join(e2e.runtime.root, id))).toBe(true);
      if (isRecorded) expect((await e2e.runtime.state(id)).status).toBe("stopped");
      expect(await e2e.runtime.invoke(["delete", "--force", id])).toMatchObject({ status: 0, stderr: "" });
      rmSync(bundle.hostPath, { recursive: true });
    });
  }
});

/** How long a create takes until it makes its first file, and from then on. */
async function durationsOf(bundle: string): Promise<{ startMs: number; workMs: number }> {
  const id = e2e.id();
  const before = performance.now();
  const call = e2e.runtime.start(["create", "--bundle", bundle, id]);
  while (!existsSync(join(e2e.runtime.root, id)) && call.child.exitCode === null) await sleep(1);
  const made = performance.now();
  expect((await call.ended).status).toBe(0);
  const ended = performance.now();
  await e2e.runtime.succeed(["delete", "--force", id]);
  return { startMs: made - before, workMs: ended - made };
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
