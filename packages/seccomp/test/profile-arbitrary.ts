import type {
  Arch,
  LinuxSeccomp,
  LinuxSeccompAction,
  LinuxSeccompArg,
  LinuxSeccompOperator,
  LinuxSyscall,
} from "@runlet/spec";
import fc from "fast-check";
import { subArchitectures } from "./profiles.ts";

/** Few names, so that rules meet: plain calls, and calls that also have a shared entry (socketcall, ipc). */
const names = ["ioctl", "personality", "socket", "semctl", "read", "no_such_call"];

const values = [0n, 1n, 5n, 10n, 0x7e02_0000n, 0xffff_ffffn, 1n << 32n, (1n << 32n) + 5n, 1n << 63n, (1n << 64n) - 1n];

const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...values) },
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);

const equalities = ["SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"] as const;
const operators = ["SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", ...equalities, "SCMP_CMP_GE", "SCMP_CMP_GT"] as const;

const actions = [
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_LOG",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
] as const;

function argument(index: fc.Arbitrary<number>, ops: readonly LinuxSeccompOperator[]): fc.Arbitrary<LinuxSeccompArg> {
  return fc.record({ index, op: fc.constantFrom(...ops), value, valueTwo: value });
}

const index = fc.nat(5);

/** Conditions of rules. */
export const conditions = {
  /** Up to three on any arguments; where one argument comes twice, each is a rule of its own. */
  single: fc.oneof(
    fc.array(argument(index, operators), { minLength: 1, maxLength: 1 }),
    fc.nat(5).chain((same) => fc.array(argument(fc.constant(same), operators), { minLength: 2, maxLength: 3 })),
  ),
  /** One on each of several arguments; only that on the last argument is anything but an equality. */
  equalThenAny: fc
    .tuple(
      fc
        .uniqueArray(fc.nat(3), { minLength: 1, maxLength: 3 })
        .chain((indexes) => fc.tuple(...indexes.map((own) => argument(fc.constant(own), equalities)))),
      argument(fc.constantFrom(4, 5), operators),
    )
    .map(([first, last]) => [...first, last]),
  /** One on each of several arguments, any operators. */
  any: fc
    .uniqueArray(index, { minLength: 1, maxLength: 4 })
    .chain((indexes) => fc.tuple(...indexes.map((own) => argument(fc.constant(own), operators)))),
} satisfies Record<string, fc.Arbitrary<LinuxSeccompArg[]>>;

/** How profiles are made. */
export interface ProfileOptions {
  readonly args: fc.Arbitrary<LinuxSeccompArg[]>;
  readonly mostRules: number;
  /** Names each call in one rule at most. */
  readonly isOnePerCall?: boolean;
}

function rule({ args }: ProfileOptions): fc.Arbitrary<LinuxSyscall> {
  return fc
    .record({
      names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 2 }),
      action: fc.constantFrom(...actions),
      args: fc.oneof({ weight: 1, arbitrary: fc.constant<LinuxSeccompArg[]>([]) }, { weight: 8, arbitrary: args }),
      errnoRet: fc.constantFrom(undefined, 1, 38),
    })
    .map(({ errnoRet, ...fields }) => {
      const takesErrno = fields.action === "SCMP_ACT_ERRNO" || fields.action === "SCMP_ACT_TRACE";
      return takesErrno && errnoRet !== undefined ? { ...fields, errnoRet } : fields;
    });
}

/** A profile with the architecture that it is compiled for. */
export interface NativeProfile {
  readonly nativeArch: Arch;
  readonly profile: LinuxSeccomp;
}

/** Architectures that libseccomp 2.5 knows, of both widths and byte orders. */
const nativeArchitectures = [
  "SCMP_ARCH_X86_64",
  "SCMP_ARCH_AARCH64",
  "SCMP_ARCH_ARM",
  "SCMP_ARCH_PPC64LE",
  "SCMP_ARCH_MIPSEL64",
  "SCMP_ARCH_RISCV64",
  "SCMP_ARCH_S390X",
  "SCMP_ARCH_MIPS64",
  "SCMP_ARCH_PPC",
  "SCMP_ARCH_PARISC64",
] as const;

/** Profiles, alone or with the architectures that engines add to the native one. */
export function profiles(options: ProfileOptions): fc.Arbitrary<NativeProfile> {
  const rules = { minLength: 1, maxLength: options.mostRules };
  return fc
    .record({
      nativeArch: fc.constantFrom(...nativeArchitectures),
      isAlone: fc.boolean(),
      defaultAction: fc.constantFrom<LinuxSeccompAction>("SCMP_ACT_KILL_PROCESS", "SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"),
      syscalls:
        options.isOnePerCall === true
          ? fc.uniqueArray(rule(options).map(nameOnce), { ...rules, selector: ({ names: [name] }) => name })
          : fc.array(rule(options), rules),
    })
    .map(({ nativeArch, isAlone, ...profile }) => ({
      nativeArch,
      profile: { ...profile, architectures: isAlone ? [nativeArch] : (subArchitectures[nativeArch] ?? [nativeArch]) },
    }));
}

function nameOnce(entry: LinuxSyscall): LinuxSyscall {
  return { ...entry, names: entry.names.slice(0, 1) };
}
