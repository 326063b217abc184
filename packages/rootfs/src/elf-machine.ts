/** Machines of `e_machine`, by the name that `uname -m` gives them. Source: elf(5), the System V gABI's registry. */
const machineNames: Readonly<Record<number, string>> = {
  2: "sparc",
  3: "i386",
  4: "m68k",
  8: "mips",
  20: "ppc",
  21: "ppc64",
  22: "s390x",
  40: "arm",
  43: "sparc64",
  50: "ia64",
  62: "x86_64",
  183: "aarch64",
  243: "riscv",
  258: "loongarch",
};

/** What an ELF file was made for. */
export interface ElfTarget {
  readonly bits: 32 | 64;
  readonly byteOrder: "little" | "big";
  /** `e_machine`. */
  readonly machine: number;
}

/** The targets that a kernel runs, its own first, by Node's name of the architecture. */
const targetsByArch: Readonly<Record<string, readonly ElfTarget[]>> = {
  x64: [
    { bits: 64, byteOrder: "little", machine: 62 },
    { bits: 32, byteOrder: "little", machine: 3 },
    { bits: 32, byteOrder: "little", machine: 62 },
  ],
  arm64: [
    { bits: 64, byteOrder: "little", machine: 183 },
    { bits: 32, byteOrder: "little", machine: 40 },
  ],
  riscv64: [{ bits: 64, byteOrder: "little", machine: 243 }],
  s390x: [{ bits: 64, byteOrder: "big", machine: 22 }],
  ppc64: [
    { bits: 64, byteOrder: "little", machine: 21 },
    { bits: 64, byteOrder: "big", machine: 21 },
  ],
  loong64: [{ bits: 64, byteOrder: "little", machine: 258 }],
};

/** Whether two files can be parts of one process. */
export function isSameTarget(one: ElfTarget, other: ElfTarget): boolean {
  return one.machine === other.machine && one.bits === other.bits && one.byteOrder === other.byteOrder;
}

/**
 * Whether a kernel of architecture `arch` runs such a file by itself, 32-bit compatibility included.
 *
 * @param arch - as `process.arch` says it; one that is not known here runs everything, as nothing can be said.
 */
export function isRunnable(target: ElfTarget, arch: string = process.arch): boolean {
  const targets = targetsByArch[arch];
  return targets === undefined || targets.some((candidate) => isSameTarget(candidate, target));
}

/** A target in words: `aarch64`, `riscv, 32-bit`, `mips, big-endian`. */
export function describeTarget(target: ElfTarget): string {
  const name = machineNames[target.machine] ?? `machine ${target.machine}`;
  const bits = target.bits === 32 && (target.machine === 62 || target.machine === 243) ? ", 32-bit" : "";
  return `${name}${bits}${target.byteOrder === "big" && target.machine !== 22 ? ", big-endian" : ""}`;
}

/** The architecture of this machine in the same words. */
export function describeHost(arch: string = process.arch): string {
  const target = targetsByArch[arch]?.[0];
  return target === undefined ? arch : describeTarget(target);
}
