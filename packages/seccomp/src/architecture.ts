import type { Arch } from "@runlet/spec";
import type { syscallNumbers } from "./generated/syscall-table.ts";

/** Calls that share the entry `socketcall(2)`, with the number that its first argument names them by. (`<linux/net.h>`) */
export const socketCalls: Readonly<Record<string, number>> = {
  socket: 1,
  bind: 2,
  connect: 3,
  listen: 4,
  accept: 5,
  getsockname: 6,
  getpeername: 7,
  socketpair: 8,
  send: 9,
  recv: 10,
  sendto: 11,
  recvfrom: 12,
  shutdown: 13,
  setsockopt: 14,
  getsockopt: 15,
  sendmsg: 16,
  recvmsg: 17,
  accept4: 18,
  recvmmsg: 19,
  sendmmsg: 20,
};

/** Calls that share the entry `ipc(2)`, with the number that its first argument names them by. (`<linux/ipc.h>`) */
export const ipcCalls: Readonly<Record<string, number>> = {
  semop: 1,
  semget: 2,
  semctl: 3,
  semtimedop: 4,
  msgsnd: 11,
  msgrcv: 12,
  msgget: 13,
  msgctl: 14,
  shmat: 21,
  shmdt: 22,
  shmget: 23,
  shmctl: 24,
};

/** The bit that tells a system call of x32 from one of x86_64; both have the same `AUDIT_ARCH_X86_64`. */
export const x32SyscallBit = 0x4000_0000;

/** −1: what a tracer makes of a system call's number to cancel it. A filter sees it too, since Linux 4.8. */
export const cancelledCall = 0xffff_ffff;

/** What the compiler knows of an architecture. */
export interface Architecture {
  readonly name: Arch;
  /** `seccomp_data.arch` of its system calls: an `AUDIT_ARCH_*` of `<linux/audit.h>`. */
  readonly auditArch: number;
  /** Width of the arguments that rules compare. Architectures of 32 bits ignore the upper half. */
  readonly bits: 32 | 64;
  readonly bigEndian: boolean;
  /** Which table of numbers holds its system calls. */
  readonly table: keyof typeof syscallNumbers;
  /** Whether sockets and System V IPC also go through the shared entries `socketcall(2)` and `ipc(2)`. */
  readonly multiplexes: boolean;
}

const bits64 = 0x8000_0000;
const littleEndian = 0x4000_0000;
/** `__AUDIT_ARCH_CONVENTION_MIPS64_N32` */
const n32 = 0x2000_0000;

type Row = readonly [table: Architecture["table"], auditArch: number, bits: 32 | 64, multiplexes?: true];

// The first number is EM_* of <linux/elf-em.h>.
const rows: Readonly<Record<Arch, Row>> = {
  SCMP_ARCH_X86: ["x86", 3 + littleEndian, 32, true],
  SCMP_ARCH_X86_64: ["x86_64", 62 + bits64 + littleEndian, 64],
  SCMP_ARCH_X32: ["x32", 62 + bits64 + littleEndian, 32],
  SCMP_ARCH_ARM: ["arm", 40 + littleEndian, 32],
  SCMP_ARCH_AARCH64: ["aarch64", 183 + bits64 + littleEndian, 64],
  SCMP_ARCH_MIPS: ["mips", 8, 32, true],
  SCMP_ARCH_MIPS64: ["mips64", 8 + bits64, 64],
  SCMP_ARCH_MIPS64N32: ["mips64n32", 8 + bits64 + n32, 32],
  SCMP_ARCH_MIPSEL: ["mips", 8 + littleEndian, 32, true],
  SCMP_ARCH_MIPSEL64: ["mips64", 8 + bits64 + littleEndian, 64],
  SCMP_ARCH_MIPSEL64N32: ["mips64n32", 8 + bits64 + littleEndian + n32, 32],
  SCMP_ARCH_PPC: ["ppc", 20, 32, true],
  SCMP_ARCH_PPC64: ["ppc64", 21 + bits64, 64, true],
  SCMP_ARCH_PPC64LE: ["ppc64", 21 + bits64 + littleEndian, 64, true],
  SCMP_ARCH_S390: ["s390", 22, 32, true],
  SCMP_ARCH_S390X: ["s390x", 22 + bits64, 64, true],
  SCMP_ARCH_PARISC: ["parisc", 15, 32],
  SCMP_ARCH_PARISC64: ["parisc64", 15 + bits64, 64],
  SCMP_ARCH_RISCV64: ["riscv64", 243 + bits64 + littleEndian, 64],
  SCMP_ARCH_LOONGARCH64: ["loongarch64", 258 + bits64 + littleEndian, 64],
  SCMP_ARCH_M68K: ["m68k", 4, 32, true],
  SCMP_ARCH_SH: ["sh", 42 + littleEndian, 32, true],
  SCMP_ARCH_SHEB: ["sh", 42, 32, true],
};

/** Every architecture of the specification, by its name. */
export const architectures = new Map<string, Architecture>(
  (Object.keys(rows) as Arch[]).map((name) => {
    const [table, auditArch, bits, multiplexes = false] = rows[name];
    return [name, { name, auditArch, bits, bigEndian: !isLittleEndian(auditArch), table, multiplexes }];
  }),
);

/** `ENOSYS` as the architecture numbers it. (`<asm/errno.h>`) */
export function enosysOf(architecture: Architecture): number {
  if (architecture.table.startsWith("mips")) return 89;
  return architecture.table.startsWith("parisc") ? 251 : 38;
}

/** Whether the arguments of calls of this `AUDIT_ARCH_*` lie in memory with the lower half first. */
export function isLittleEndian(auditArch: number): boolean {
  return (auditArch & littleEndian) !== 0;
}

/**
 * The architecture that a call of `auditArch` and `number` belongs to.
 *
 * @returns undefined for an `AUDIT_ARCH_*` that no architecture of the specification has.
 */
export function findArchitecture(auditArch: number, number: number): Architecture | undefined {
  for (const architecture of architectures.values()) {
    if (architecture.auditArch !== auditArch) continue;
    const isX32 = number >= x32SyscallBit && number !== cancelledCall;
    if (architecture.name === "SCMP_ARCH_X86_64" && isX32) continue;
    if (architecture.name === "SCMP_ARCH_X32" && !isX32) continue;
    return architecture;
  }
  return undefined;
}

/** Node's `process.arch` as the specification names architectures. */
const nodeArchitectures: Readonly<Record<string, Arch>> = {
  x64: "SCMP_ARCH_X86_64",
  ia32: "SCMP_ARCH_X86",
  arm64: "SCMP_ARCH_AARCH64",
  arm: "SCMP_ARCH_ARM",
  riscv64: "SCMP_ARCH_RISCV64",
  ppc64: "SCMP_ARCH_PPC64LE",
  s390x: "SCMP_ARCH_S390X",
  loong64: "SCMP_ARCH_LOONGARCH64",
  mips: "SCMP_ARCH_MIPS",
  mipsel: "SCMP_ARCH_MIPSEL",
};

/**
 * @param nodeArch - `process.arch` of the process that will install the filter.
 * @returns the architecture that `nativeArch` wants, or undefined for one that the specification does not name.
 */
export function toNativeArch(nodeArch: string): Arch | undefined {
  return nodeArchitectures[nodeArch];
}
