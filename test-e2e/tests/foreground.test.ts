import { existsSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { waitUntil } from "../harness/patience.ts";
import { openSuite } from "../harness/suite.ts";

// crun's delete fails where its run deletes at the same time.
const e2e = openSuite({ root: true, runtime: ["runlet", "runc"] });
const { test } = e2e;

describe("a container in the foreground", () => {
  test("ends with its own status when another command has deleted it meanwhile", async () => {
    for (let round = 0; round < 3; round++) {
      const id = e2e.id();
      const bundle = e2e.bundle().probing("wait");
      const call = e2e.runtime.start(["run", "--bundle", bundle.hostPath, id]);
      await call.waitForOutput("waiting");
      await e2e.runtime.succeed(["delete", "--force", id]);
      expect(await call.ended).toMatchObject({ status: 137, stderr: "" });
    }
  });

  test("that is paused and killed ends at once", { cgroup: ["v1", "hybrid", "v2"] }, async () => {
    const id = e2e.id();
    const call = e2e.runtime.start(["run", "--bundle", e2e.bundle().probing("wait").hostPath, id]);
    await call.waitForOutput("waiting");
    await e2e.runtime.succeed(["pause", id]);
    await e2e.runtime.succeed(["kill", id, "KILL"]);
    expect(await call.ended).toMatchObject({ status: 137 });
  });

  const begun = () => join(e2e.directory, "begun");
  const waitingHooks = {
    createRuntime: () => ({ path: "/bin/sh", args: ["sh", "-c", 'mkdir "$0"; exec sleep 1000', begun()] }),
    startContainer: () => ({ path: "/probe", args: ["/probe", "mkdir=/shared/begun", "wait"] }),
    poststart: () => ({ path: "/bin/sh", args: ["sh", "-c", 'mkdir "$0"; exec sleep 1000', begun()] }),
  } as const;
  for (const [kind, hook] of Object.entries(waitingHooks)) {
    test(`that is asked to end while a hook of ${kind} runs leaves nothing`, { runtime: ["runlet"] }, async () => {
      const id = e2e.id();
      const bundle = e2e.bundle((config) => {
        config.hooks = { [kind]: [hook()] };
        config.mounts.push({ destination: "/shared", type: "bind", source: e2e.directory, options: ["bind"] });
      });
      const call = e2e.runtime.start(["run", "--bundle", bundle.probing("wait").hostPath, id]);
      await waitUntil({ look: () => existsSync(begun()), until: Boolean, complain: () => `no hook of ${kind} runs` });
      rmdirSync(begun());
      call.child.kill("SIGTERM");
      expect(await call.ended).toMatchObject({ status: 143, stderr: "" });
      expect((await e2e.runtime.invoke(["state", id])).stderr).toContain("does not exist");
    });
  }
});
