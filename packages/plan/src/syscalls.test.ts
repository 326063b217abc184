import { describe, expect, test } from "vitest";
import { fullSpec } from "../test/full-spec.ts";
import { compileOptions, hostFacts } from "../test/inputs.ts";
import { compile } from "./compile.ts";
import type { Operation } from "./operation.ts";
import { firstSyscalls, helperOperations, syscallsOf } from "./syscalls.ts";

const specRule = "spec:test";

describe("syscallsOf", () => {
  test("an operation of the runtime's own is the helper's word and its wait", () => {
    expect(syscallsOf({ op: "moveNetDevice", hostName: "a", name: "b", from: specRule })).toBe("sendmsg recvmsg");
    expect(syscallsOf({ op: "setOomScoreAdj", by: "parent", value: 1, from: specRule })).toBe("sendmsg recvmsg");
  });

  test("as many calls as the operation has parts", () => {
    expect(syscallsOf({ op: "joinCgroup", slots: [0, 1, 2], from: specRule })).toBe("(write close){3}");
    expect(syscallsOf({ op: "setPropagation", propagation: ["MS_SLAVE", "MS_SHARED", "MS_REC"], from: specRule })).toBe(
      "(mount_setattr){2}",
    );
    expect(syscallsOf({ op: "setPropagation", propagation: [], from: specRule })).toBe("");
  });

  test("attributes that are no bit are no call", () => {
    const mount = (set: Extract<Operation, { op: "remount" }>["attributes"]["set"]): Operation => ({
      op: "remount",
      containerPath: "/a",
      attributes: { set, clear: [] },
      recursiveAttributes: { set: [], clear: [] },
      propagation: [],
      from: specRule,
    });
    expect(syscallsOf(mount(["MOUNT_ATTR_RELATIME"]))).toBe("openat2+ close");
    expect(syscallsOf(mount(["MOUNT_ATTR_RDONLY"]))).toBe("openat2+ mount_setattr close");
  });

  test("is a pattern for every operation of a full config", () => {
    const plan = compile(fullSpec(), hostFacts({ securityModules: ["apparmor", "selinux"] }), compileOptions());
    for (const operation of helperOperations(plan)) {
      const letters = syscallsOf(operation)
        .replace(/[a-z_][a-z_0-9]*/g, "x")
        .replaceAll(" ", "");
      expect(() => new RegExp(letters), operation.op).not.toThrow();
    }
    expect(firstSyscalls).toMatch(/^recvmsg/);
  });
});
