import type { LinuxSeccomp } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { explain } from "./explain.ts";

const profile: LinuxSeccomp = {
  defaultAction: "SCMP_ACT_ERRNO",
  architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
  syscalls: [
    { names: ["read", "pidfd_open"], action: "SCMP_ACT_ALLOW" },
    { names: ["personality"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, op: "SCMP_CMP_EQ", value: 8 }] },
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
    { names: ["socket"], action: "SCMP_ACT_ALLOW" },
  ],
};
const options = { nativeArch: "SCMP_ARCH_X86_64" } as const;

describe("explain", () => {
  it("names the entry that decides", () => {
    const { action, data, pointer, steps } = explain(profile, { syscall: "clone3" }, options);
    expect({ action, data, pointer }).toEqual({
      action: "SCMP_ACT_ERRNO",
      data: 38,
      pointer: "/linux/seccomp/syscalls/2",
    });
    expect(steps).toEqual([
      "clone3 is number 435 on SCMP_ARCH_X86_64.",
      "Entry 2 is ERRNO(ENOSYS) for every call: that holds.",
      "Entry 2 decides.",
      "The action is ERRNO(ENOSYS).",
    ]);
  });

  it("says which condition is missed", () => {
    const { pointer, steps } = explain(profile, { syscall: "personality", args: [9] }, options);
    expect(pointer).toBe("/linux/seccomp/defaultAction");
    expect(steps).toContain("Entry 1 is ALLOW for arg0 == 0x8: argument 0 is 0x9.");
    expect(explain(profile, { syscall: "personality", args: [8n] }, options).pointer).toBe("/linux/seccomp/syscalls/1");
  });

  it("says that a call is newer than the profile", () => {
    const { data, pointer, steps } = explain(profile, { syscall: "openat2" }, options);
    expect({ data, pointer }).toEqual({ data: 38, pointer: undefined });
    expect(steps[1]).toContain("435 (clone3)");
  });

  it("says that an architecture is left out", () => {
    const { action, pointer } = explain(profile, { syscall: "read", arch: "SCMP_ARCH_X32" }, options);
    expect({ action, pointer }).toEqual({ action: "SCMP_ACT_KILL_THREAD", pointer: "/linux/seccomp/architectures" });
  });

  it("follows calls through their shared entry", () => {
    const call = { syscall: "socketcall", args: [1], arch: "SCMP_ARCH_X86" } as const;
    const { pointer, steps } = explain(profile, call, options);
    expect(pointer).toBe("/linux/seccomp/syscalls/3");
    expect(steps).toContain("Entry 3 is ALLOW for arg0 == 0x1: that holds.");
  });

  it("takes numbers, and refuses names that there are none of", () => {
    expect(explain(profile, { syscall: 435 }, options).pointer).toBe("/linux/seccomp/syscalls/2");
    expect(() => explain(profile, { syscall: "clone4" }, options)).toThrow('no system call "clone4"');
  });
});
