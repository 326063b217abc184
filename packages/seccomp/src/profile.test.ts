import { isRunletError } from "@runlet/errors";
import type { LinuxSeccomp, LinuxSeccompArg } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { type CompileOptions, compileSeccomp } from "./compile.ts";

const native: CompileOptions = { nativeArch: "SCMP_ARCH_X86_64" };

function allow(...names: string[]): LinuxSeccomp {
  return { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names, action: "SCMP_ACT_ALLOW" }] };
}

function failure(profile: unknown, options: CompileOptions = native): { pointer: string | undefined; message: string } {
  try {
    compileSeccomp(profile as LinuxSeccomp, options);
  } catch (error) {
    if (!isRunletError(error)) throw error;
    expect(error.code).toBe("ERR_RUNLET_SECCOMP");
    return { pointer: error.pointer, message: error.message };
  }
  throw new Error("it compiled");
}

describe("what cannot be compiled", () => {
  const rule = (fields: object): object => ({
    ...allow(),
    syscalls: [{ names: ["ioctl"], action: "SCMP_ACT_ALLOW", ...fields }],
  });
  const arg = (fields: object): object => rule({ args: [{ index: 0, op: "SCMP_CMP_EQ", value: 1, ...fields }] });

  it.each([
    ["an unknown default action", { defaultAction: "SCMP_ACT_DENY" }, "/linux/seccomp/defaultAction"],
    ["an unknown action", rule({ action: "ALLOW" }), "/linux/seccomp/syscalls/0/action"],
    ["an unknown operator", arg({ op: "SCMP_CMP_IN" }), "/linux/seccomp/syscalls/0/args/0/op"],
    ["an argument that no call has", arg({ index: 6 }), "/linux/seccomp/syscalls/0/args/0/index"],
    ["a negative value", arg({ value: -1 }), "/linux/seccomp/syscalls/0/args/0/value"],
    ["a value that is not exact", arg({ value: 2 ** 64 - 1 }), "/linux/seccomp/syscalls/0/args/0/value"],
    ["a value of 65 bits", arg({ value: 1n << 64n }), "/linux/seccomp/syscalls/0/args/0/value"],
    [
      "a second value that is not whole",
      arg({ op: "SCMP_CMP_MASKED_EQ", valueTwo: 0.5 }),
      "/linux/seccomp/syscalls/0/args/0/valueTwo",
    ],
    [
      "an error number that none is",
      rule({ action: "SCMP_ACT_ERRNO", errnoRet: 4096 }),
      "/linux/seccomp/syscalls/0/errnoRet",
    ],
    ["an error number where none fits", rule({ errnoRet: 1 }), "/linux/seccomp/syscalls/0/errnoRet"],
    ["no names", rule({ names: [] }), "/linux/seccomp/syscalls/0/names"],
    ["an empty name", rule({ names: ["read", ""] }), "/linux/seccomp/syscalls/0/names/1"],
    ["an unknown architecture", { ...allow(), architectures: ["SCMP_ARCH_VAX"] }, "/linux/seccomp/architectures/0"],
    ["the other byte order", { ...allow(), architectures: ["SCMP_ARCH_S390X"] }, "/linux/seccomp/architectures/0"],
    ["an unknown flag", { ...allow("read"), flags: ["SECCOMP_FILTER_FLAG_NEW"] }, "/linux/seccomp/flags/0"],
    [
      "notification of everything",
      { defaultAction: "SCMP_ACT_NOTIFY", listenerPath: "/s" },
      "/linux/seccomp/defaultAction",
    ],
    ["notification of nobody", rule({ action: "SCMP_ACT_NOTIFY" }), "/linux/seccomp/listenerPath"],
    ["metadata for nobody", { ...allow(), listenerMetadata: "x" }, "/linux/seccomp/listenerMetadata"],
  ])("%s", (_what, profile, pointer) => {
    expect(failure(profile).pointer).toBe(pointer);
  });

  it("two rules with the same conditions and different actions", () => {
    const args: LinuxSeccompArg[] = [{ index: 0, op: "SCMP_CMP_EQ", value: 1 }];
    const profile: LinuxSeccomp = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        { names: ["ioctl"], action: "SCMP_ACT_ALLOW", args },
        { names: ["ioctl"], action: "SCMP_ACT_KILL", args },
      ],
    };
    expect(failure(profile).pointer).toBe("/linux/seccomp/syscalls/1");
  });

  it("a filter longer than the kernel takes", () => {
    const syscalls = Array.from({ length: 5000 }, (_, value) => ({
      names: ["ioctl"],
      action: "SCMP_ACT_ALLOW" as const,
      args: [{ index: 1, op: "SCMP_CMP_EQ" as const, value }],
    }));
    expect(failure({ defaultAction: "SCMP_ACT_ERRNO", syscalls }).pointer).toBe("/linux/seccomp/syscalls");
  });
});
