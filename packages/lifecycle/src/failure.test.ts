import { formatError } from "@runlet/errors";
import type { Operation, Plan } from "@runlet/plan";
import { describe, expect, it } from "vitest";
import { aboutProcess } from "./exec-failure.ts";
import { failureInPlan } from "./failure.ts";
import type { Report } from "./message.ts";

const nothing = { set: [], clear: [] };
const mount: Operation = {
  op: "mount",
  source: { kind: "filesystem", type: "nfs", source: "host:/x", options: [] },
  containerPath: "/data",
  attributes: nothing,
  recursiveAttributes: nothing,
  propagation: [],
  idmapSlot: null,
  idmapRecursive: false,
  copyUp: false,
  createTarget: true,
  plainTarget: false,
  fallbackHostPath: null,
  from: "/mounts/3",
};
const bind: Operation = { ...mount, source: { kind: "bind", hostPath: "/no/such", recursive: true } };

function explain(operation: Operation, report: Partial<Report>): string {
  const plan: Plan = { version: 1, descriptors: [], phases: [{ name: "inNamespaces", operations: [operation] }] };
  return formatError(
    failureInPlan(plan, { kind: "failed", index: 0, errno: 2, value: 0, call: "", text: "", fds: [], ...report }),
  );
}

describe("failureInPlan", () => {
  it("says which entry asked for which call, what it means and what to do", () => {
    expect(explain(mount, { call: "fsopen", errno: 19, text: "nfs" })).toBe(
      'config.json /mounts/3: mount "nfs" at "/data" failed: no such device\n' +
        '  fsopen(2): ENODEV — the kernel has no file system type "nfs" (see /proc/filesystems)\n' +
        "  hint: load its module on the host (modprobe nfs), or remove the mount",
    );
  });

  it("passes the kernel's own words on", () => {
    const text = explain(mount, { call: "fsconfig", errno: 22, text: "tmpfs: Bad value for 'size'\n" });
    expect(text).toContain("the kernel says: \"tmpfs: Bad value for 'size'\"");
  });

  it("names the source of a bind that is not there", () => {
    expect(explain(bind, { call: "open_tree", text: "/no/such" })).toContain(
      'the source "/no/such": no such file or directory',
    );
  });

  it("has runc's words for a link in the way of a mount", () => {
    const report = { call: "openat2", errno: 40, text: "must be mounted on ordinary directory" };
    expect(explain(mount, report)).toContain("/data must be mounted on ordinary directory");
  });

  it.each([
    ["nosuch", 2, 'exec: "nosuch": executable file not found in $PATH'],
    ["/x", 2, 'exec: "/x": no such file or directory'],
    ["/x", 13, 'exec: "/x": permission denied'],
  ])("has runc's words for the executable %s and errno %d", (name, errno, words) => {
    const find: Operation = { op: "findExecutable", name, searchPath: "/bin", from: "/process/args/0" };
    expect(explain(find, { call: "find", errno, text: name })).toContain(words);
  });

  it("tells a hook's status and output", () => {
    const hook: Operation = {
      op: "hook",
      kind: "createContainer",
      index: 2,
      path: "/h",
      args: [],
      env: [],
      timeoutMs: 5,
      from: "/hooks/createContainer/2",
    };
    expect(explain(hook, { call: "hook", errno: 125, value: 3, text: "no way\u001b[2J" })).toBe(
      'config.json /hooks/createContainer/2: error running createContainer hook #2: exit status 3, output: "no way\\u001b[2J"',
    );
    expect(explain(hook, { call: "hook", errno: 110 })).toContain("did not end in time and was killed");
  });

  it("does not call an implied operation a field of the config", () => {
    const text = explain({ op: "newSession", from: "spec:runtime.md#lifecycle" }, { call: "setsid", errno: 1 });
    expect(text).toBe("new session failed: operation not permitted\n  setsid(2): EPERM");
  });

  it("does not call what exec was told a field of the config", () => {
    const cwd: Operation = { op: "setWorkingDirectory", containerPath: "/gone", create: false, from: "/process/cwd" };
    const report = { kind: "failed", index: 0, errno: 2, value: 0, call: "chdir", text: "", fds: [] } as const;
    const plan: Plan = { version: 1, descriptors: [], phases: [{ name: "inNamespaces", operations: [cwd] }] };
    expect(formatError(failureInPlan(plan, report))).toMatch(
      /^config\.json \/process\/cwd: chdir to cwd \("\/gone"\) set in config\.json failed: no such file or directory\n/,
    );
    expect(formatError(aboutProcess(failureInPlan(plan, report, { isExec: true })))).toMatch(
      /^process \/cwd: chdir to cwd \("\/gone"\) failed: no such file or directory\n/,
    );
  });

  it("takes a plan that the helper does not understand for a mismatch of versions", () => {
    expect(explain(mount, { call: "plan", errno: 71 })).toContain("must be of the same version");
  });
});
