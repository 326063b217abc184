import type { LinuxSeccomp } from "@runlet/spec";
import { expect, it } from "vitest";
import { compileSeccomp } from "./compile.ts";
import { disassemble } from "./disassemble.ts";

const profile: LinuxSeccomp = {
  defaultAction: "SCMP_ACT_ERRNO",
  syscalls: [
    { names: ["read"], action: "SCMP_ACT_ALLOW" },
    {
      names: ["personality"],
      action: "SCMP_ACT_LOG",
      args: [{ index: 0, op: "SCMP_CMP_MASKED_EQ", value: 0xf0, valueTwo: 0x10 }],
    },
  ],
};

it("names calls, architectures, arguments and actions", () => {
  const { filter } = compileSeccomp(profile, { nativeArch: "SCMP_ARCH_X86_64", withoutEnosys: true });
  const text = disassemble(filter);
  expect(text.split("\n").at(-1)).toBe("");
  expect(text.trimEnd().split("\n")).toHaveLength(filter.length / 8);
  for (const part of [
    "load arch",
    "; SCMP_ARCH_X86_64, SCMP_ARCH_X32",
    "load nr",
    "; personality",
    "load args[0].low",
    "and 0xf0",
    "return ALLOW",
    "return ERRNO(EPERM)",
    "return LOG",
    "return KILL_THREAD",
  ]) {
    expect(text).toContain(part);
  }
});

it("knows the order of an argument's halves", () => {
  const compiled = compileSeccomp(
    {
      ...profile,
      syscalls: [
        { names: ["read"], action: "SCMP_ACT_LOG", args: [{ index: 1, op: "SCMP_CMP_EQ", value: 1n << 32n }] },
      ],
    },
    { nativeArch: "SCMP_ARCH_S390X" },
  );
  const words = disassemble(compiled.filter).match(/args\[1\]\.\w+/g);
  expect(words).toEqual(["args[1].high", "args[1].low"]);
});

it("shows what it does not know, and refuses what is no instructions", () => {
  expect(disassemble(Uint8Array.from([0x28, 0, 1, 2, 3, 0, 0, 0]))).toBe("0  code 0x28 jt 1 jf 2 k 0x3\n");
  expect(() => disassemble(new Uint8Array(7))).toThrow("7 bytes");
});
