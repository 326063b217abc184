import { readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { ControlGroup } from "../harness/control-group.ts";
import { settlingMs } from "../harness/patience.ts";
import { openSuite } from "../harness/suite.ts";

// crun adopts nobody.
const e2e = openSuite({ root: true, runtime: ["runlet", "runc"] });
const { test } = e2e;

function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** Runs a container without a process namespace in the foreground, in which a process has lost its parent. */
async function runWithOrphan(...options: string[]) {
  const bundle = e2e
    .bundle((config) => {
      config.linux.namespaces = config.linux.namespaces?.filter(({ type }) => type !== "pid") ?? [];
    })
    .probing("orphan", "wait");
  const id = e2e.id();
  const call = e2e.runtime.start(["run", ...options, "--bundle", bundle.hostPath, id]);
  await call.waitForOutput('["orphan","ok"]');
  const { pid } = await e2e.runtime.state(id);
  const processes = new ControlGroup(pid).read("pids", "cgroup.procs").split("\n").map(Number);
  const orphan = processes.find((other) => other !== pid) ?? 0;
  return { id, call, pid, orphan };
}

describe("the orphan of a container without a process namespace", () => {
  test("is adopted by run, and collected when it ends", async () => {
    const { id, call, orphan } = await runWithOrphan();
    expect(parentOf(orphan)).toBe(call.child.pid);
    process.kill(orphan, "SIGKILL");
    const isThere = () => {
      try {
        return parentOf(orphan) > 0;
      } catch {
        return false;
      }
    };
    await expect.poll(isThere, { timeout: settlingMs }).toBe(false);
    await e2e.runtime.succeed(["kill", id, "KILL"]);
    expect((await call.ended).status).toBe(137);
  });

  test("with --no-subreaper is not", async () => {
    const { id, call, orphan } = await runWithOrphan("--no-subreaper");
    expect(parentOf(orphan)).not.toBe(call.child.pid);
    await e2e.runtime.succeed(["kill", id, "KILL"]);
    expect((await call.ended).status).toBe(137);
  });
});
