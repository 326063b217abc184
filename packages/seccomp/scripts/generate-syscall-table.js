// Writes src/generated/syscall-table.ts: the number of every system call on every architecture of the specification.
//
// Where the numbers come from:
//  - libseccomp-dev and a C compiler, for the architectures that libseccomp knows (scripts/list-syscalls.c);
//  - the kernel's headers of m68k and sh (Debian: linux-libc-dev-m68k-cross, linux-libc-dev-sh4-cross), whose include
//    directories are given as `--m68k DIR` and `--sh DIR`;
//  - the kernel's asm-generic headers of this machine, for loongarch64;
//  - the lists below, for what is newer than all of these.
//
// Usage: node scripts/generate-syscall-table.js --m68k DIR --sh DIR
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Since number 424 (Linux 5.1) a new call gets one number everywhere, on top of the architecture's base. Up to Linux 6.18. */
const uniform = {
  cachestat: 451,
  fchmodat2: 452,
  map_shadow_stack: 453,
  futex_wake: 454,
  futex_wait: 455,
  futex_requeue: 456,
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
  file_getattr: 468,
  file_setattr: 469,
};

/** Newer calls that only some architectures have: Linux 6.4 (riscv_hwprobe), 6.11 (uretprobe, fstat of loongarch64), 6.18 (uprobe). */
const single = {
  x86_64: { uretprobe: 335, uprobe: 336 },
  riscv64: { riscv_hwprobe: 258 },
  loongarch64: { newfstatat: 79, fstat: 80 },
};

/** Where an architecture's numbers begin. */
const bases = { x32: 0x40000000, mips: 4000, mips64: 5000, mips64n32: 6000 };

const { values } = parseArgs({ options: { m68k: { type: "string" }, sh: { type: "string" } } });
if (values.m68k === undefined || values.sh === undefined) {
  throw new Error("usage: generate-syscall-table.js --m68k INCLUDE_DIRECTORY --sh INCLUDE_DIRECTORY");
}

/** @type {Map<string, Map<string, number>>} */
const tables = new Map();

function add(architecture, name, number) {
  let table = tables.get(architecture);
  if (table === undefined) {
    table = new Map();
    tables.set(architecture, table);
  }
  const known = table.get(name);
  if (known !== undefined && known !== number)
    throw new Error(`${architecture}: ${name} is both ${known} and ${number}`);
  table.set(name, number);
}

function addLibseccomp() {
  const directory = mkdtempSync(join(tmpdir(), "syscalls-"));
  try {
    const program = join(directory, "list-syscalls");
    const source = fileURLToPath(new URL("list-syscalls.c", import.meta.url));
    execFileSync("cc", ["-Wall", "-Wextra", "-Werror", source, "-lseccomp", "-o", program]);
    for (const line of execFileSync(program, { encoding: "utf8" }).trim().split("\n")) {
      const [architecture, name, number] = line.split(" ");
      add(architecture, name, Number(number));
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Reads `#define __NR_name number` after the preprocessor, following `__NR_fcntl __NR3264_fcntl`. */
function addHeader(architecture, text) {
  const defined = new Map(Array.from(text.matchAll(/^#define (__NR\w+) (\w+)\s*$/gm), (match) => [match[1], match[2]]));
  for (const [macro, value] of defined) {
    const name = /^__NR_(\w+)$/.exec(macro)?.[1];
    if (name === undefined || ["syscalls", "arch_specific_syscall"].includes(name)) continue;
    const number = Number(/^\d+$/.test(value) ? value : defined.get(value));
    if (!Number.isInteger(number)) throw new Error(`${architecture}: ${macro} is ${value}`);
    add(architecture, name, number);
  }
}

addLibseccomp();
for (const architecture of ["m68k", "sh"]) {
  addHeader(architecture, readFileSync(join(values[architecture], "asm/unistd_32.h"), "utf8"));
}
addHeader(
  "loongarch64",
  execFileSync(
    "cc",
    [
      "-E",
      "-dM",
      "-D__ARCH_WANT_SYS_CLONE",
      "-D__ARCH_WANT_SYS_CLONE3",
      "-D__BITS_PER_LONG=64",
      "-include",
      "asm-generic/unistd.h",
      "-x",
      "c",
      "/dev/null",
    ],
    { encoding: "utf8" },
  ),
);
for (const [architecture, table] of tables) {
  for (const [name, number] of Object.entries(uniform)) {
    // The kernel wires shadow stacks for the 64-bit and the 32-bit entry, not for x32's.
    if (architecture === "x32" && name === "map_shadow_stack") continue;
    add(architecture, name, (bases[architecture] ?? 0) + number);
  }
  for (const [name, number] of Object.entries(single[architecture] ?? {}))
    if (!table.has(name)) add(architecture, name, number);
}

const names = [...new Set([...tables.values()].flatMap((table) => [...table.keys()]))].sort();
// One number a name, in the order of `names`; -1 where the call does not exist. A text, because JSON.parse reads it faster
// than the engine compiles an array, and only the tables that a profile needs are read.
const rows = [...tables].map(([architecture, table]) => {
  return `  ${architecture}: "[${names.map((name) => table.get(name) ?? -1).join(",")}]",`;
});

writeFileSync(
  fileURLToPath(new URL("../src/generated/syscall-table.ts", import.meta.url)),
  `// Generated by scripts/generate-syscall-table.js. Do not edit.

/** Every system call that some architecture has, sorted. */
export const syscallNames =
  "${names.join(" ")}";

/** For each table the numbers of all names, in their order, as JSON; -1 where the architecture does not have the call. */
export const syscallNumbers = {
${rows.join("\n")}
} as const;
`,
);
