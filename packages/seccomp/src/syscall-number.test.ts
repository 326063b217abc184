import { expect, it } from "vitest";
import { architectures, findArchitecture, toNativeArch } from "./architecture.ts";
import { findSyscallName, findSyscallNumber } from "./syscall-number.ts";

it.each([
  ["SCMP_ARCH_X86_64", "read", 0],
  ["SCMP_ARCH_X86_64", "uprobe", 336],
  ["SCMP_ARCH_X86", "socketcall", 102],
  ["SCMP_ARCH_X32", "read", 0x4000_0000],
  ["SCMP_ARCH_X32", "map_shadow_stack", undefined],
  ["SCMP_ARCH_AARCH64", "openat", 56],
  ["SCMP_ARCH_AARCH64", "open", undefined],
  ["SCMP_ARCH_ARM", "set_tls", 0xf0005],
  ["SCMP_ARCH_MIPS", "read", 4003],
  ["SCMP_ARCH_MIPSEL64", "read", 5000],
  ["SCMP_ARCH_MIPS64N32", "file_setattr", 6469],
  ["SCMP_ARCH_PPC64LE", "switch_endian", 363],
  ["SCMP_ARCH_S390X", "s390_pci_mmio_write", 352],
  ["SCMP_ARCH_PARISC", "shmat", 192],
  ["SCMP_ARCH_RISCV64", "riscv_flush_icache", 259],
  ["SCMP_ARCH_LOONGARCH64", "newfstatat", 79],
  ["SCMP_ARCH_M68K", "ipc", 117],
  ["SCMP_ARCH_SHEB", "cacheflush", 123],
] as const)("on %s %s is %s", (arch, name, number) => {
  const architecture = architectures.get(arch);
  if (architecture === undefined) throw new Error("no such architecture");
  expect(findSyscallNumber(name, architecture)).toBe(number);
  if (number !== undefined) expect(findSyscallName(number, architecture)).toBe(name);
});

it("tells x32 from x86_64 by the number", () => {
  const auditArch = architectures.get("SCMP_ARCH_X32")?.auditArch as number;
  expect(findArchitecture(auditArch, 0)?.name).toBe("SCMP_ARCH_X86_64");
  expect(findArchitecture(auditArch, 0x4000_0000)?.name).toBe("SCMP_ARCH_X32");
  expect(findArchitecture(1234, 0)).toBeUndefined();
});

it("names Node's architectures", () => {
  expect(toNativeArch("x64")).toBe("SCMP_ARCH_X86_64");
  expect(toNativeArch("pdp11")).toBeUndefined();
});
