import { existsSync, readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import type { Config } from "../harness/bundle.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

const modules = existsSync("/sys/kernel/security/lsm")
  ? readFileSync("/sys/kernel/security/lsm", "utf8").trim().split(",")
  : [];
const label = "system_u:system_r:container_t:s0:c1,c2";

const cases: [tag: string, securityModule: string, edit: (config: Config) => void][] = [
  ["/process/apparmorProfile", "apparmor", (config) => (config.process.apparmorProfile = "runlet-default")],
  ["/process/selinuxLabel", "selinux", (config) => (config.process.selinuxLabel = label)],
  ["/linux/mountLabel", "selinux", (config) => (config.linux.mountLabel = label)],
];

describe("a label of a security module that the kernel does not have", () => {
  for (const [pointer, securityModule, edit] of cases) {
    if (modules.includes(securityModule)) continue;
    // crun takes a label for granted that nobody looks at.
    test(`[${pointer}] is refused, and nothing is made`, { runtime: ["runlet"] }, async () => {
      const id = e2e.id();
      const bundle = e2e.bundle(edit).probing("pid");
      const result = await e2e.runtime.invoke(["run", "--bundle", bundle.hostPath, id]);
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
      expect(result.stderr).toContain(pointer);
      expect(result.stderr).toContain(`the kernel has no security module ${securityModule}`);
      expect((await e2e.runtime.invoke(["state", id])).status).not.toBe(0);
    });

    test(`[${pointer}] that is empty is none`, { runtime: ["runlet", "runc"] }, async () => {
      const bundle = e2e.bundle((config) => {
        config.process.apparmorProfile = "";
        config.process.selinuxLabel = "";
        config.linux.mountLabel = "";
      });
      expect((await e2e.observe(bundle, "pid")).of("pid")).toBe(1);
    });
  }
});
