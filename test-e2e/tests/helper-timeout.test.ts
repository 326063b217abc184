import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isRunletError } from "@runlet/errors";
import { Runtime } from "@runlet/lifecycle";
import { describe, expect } from "vitest";
import type { Config } from "../harness/bundle.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, runtime: ["runlet"] });
const { test } = e2e;
const limit = { global: ["--helper-timeout", "2s"] } as const;

function shell(script: string, ...args: readonly string[]) {
  return { path: "/bin/sh", args: ["sh", "-c", script, ...args], env: ["PATH=/usr/bin:/bin"] };
}

/** Stops the helper for good: the hook's standard input names its process. */
function stopHelper(config: Config, pidFile: string): void {
  const script = 'pid=$(sed \'s/.*"pid":\\([0-9]*\\).*/\\1/\'); echo $pid > "$0"; kill -STOP $pid';
  config.hooks = { createRuntime: [shell(script, pidFile)] };
}

describe("a helper that says nothing any more", () => {
  test("is given up after a time, and nothing is left", async () => {
    const pidFile = join(e2e.directory, "stopped.pid");
    const bundle = e2e.bundle((config) => stopHelper(config, pidFile)).probing("wait");
    const id = e2e.id();
    const result = await e2e.runtime.invoke(["create", "--bundle", bundle.hostPath, id], limit);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("the init helper has said nothing for 2 s");
    expect(result.stderr).toContain("--helper-timeout");
    const pid = readFileSync(pidFile, "utf8").trim();
    expect(pid).toMatch(/^\d+$/);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(existsSync(join(e2e.runtime.root, id))).toBe(false);
  });

  test("is given up by the library", async () => {
    const bundle = e2e.bundle((config) => stopHelper(config, join(e2e.directory, "library.pid"))).probing("wait");
    const runtime = new Runtime({ root: e2e.runtime.root });
    const creation = runtime.create(e2e.id(), { bundle: bundle.hostPath, stdio: "null", helperTimeoutMs: 300 });
    await expect(creation).rejects.toSatisfy(isRunletError);
    await expect(creation).rejects.toMatchObject({ code: "ERR_RUNLET_TIMEOUT" });
  });
});

describe("what hooks take does not count", () => {
  test("of the runtime's own, and of those in the container's namespaces", async () => {
    const slow = shell("sleep 2.5");
    const bundle = e2e.bundle((config) => {
      config.hooks = { createRuntime: [slow], createContainer: [slow, { ...slow, timeout: 60 }] };
    });
    const result = await e2e.runtime.invoke(["run", "--bundle", bundle.probing("exit=5").hostPath, e2e.id()], limit);
    expect(result).toMatchObject({ status: 5, stderr: "" });
  });

  test("but a helper that is stopped in its hook is given up when their time is over, too", async () => {
    const stopsParent = shell("kill -STOP $(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')");
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = config.linux.namespaces?.filter(({ type }) => type !== "pid") ?? [];
      config.hooks = { createContainer: [{ ...stopsParent, timeout: 1 }] };
    });
    const result = await e2e.runtime.invoke(["create", "--bundle", bundle.probing("wait").hostPath, e2e.id()], limit);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("has said nothing for 3 s");
  });
});
