import { isRunletError } from "@runlet/errors";
import type { LinuxSeccompArg } from "@runlet/spec";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { conditions, profiles } from "../test/profile-arbitrary.ts";
import { actionValues } from "./action.ts";
import { architectures } from "./architecture.ts";
import { compileSeccomp } from "./compile.ts";
import { disassemble } from "./disassemble.ts";
import { explain } from "./explain.ts";
import { runFilter } from "./interpreter.ts";
import { findSyscallNumber } from "./syscall-number.ts";

const argument = fc.oneof(
  fc.constantFrom(0n, 1n, 5n, 9n, 10n, 0xffff_ffffn, 1n << 32n, (1n << 32n) + 5n, 1n << 63n, (1n << 64n) - 1n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const call = fc.record({
  syscall: fc.oneof(fc.constantFrom("ioctl", "personality", "read", "socket"), fc.nat(500)),
  args: fc.array(argument, { maxLength: 6 }),
});

/** What the specification says of one condition, with nothing of the compiler in it. */
function holds({ op, index, value, valueTwo = 0 }: LinuxSeccompArg, args: readonly bigint[], bits: number): boolean {
  const right = BigInt.asUintN(bits, BigInt(value));
  const left = BigInt.asUintN(bits, args[index] ?? 0n);
  switch (op) {
    case "SCMP_CMP_NE":
      return left !== right;
    case "SCMP_CMP_LT":
      return left < right;
    case "SCMP_CMP_LE":
      return left <= right;
    case "SCMP_CMP_EQ":
      return left === right;
    case "SCMP_CMP_GE":
      return left >= right;
    case "SCMP_CMP_GT":
      return left > right;
    case "SCMP_CMP_MASKED_EQ":
      return (left & right) === (BigInt.asUintN(bits, BigInt(valueTwo)) & right);
  }
}

describe("a filter", () => {
  it("does what the specification says, where each call has one rule", () => {
    const some = profiles({ args: conditions.any, mostRules: 4, isOnePerCall: true });
    fc.assert(
      fc.property(
        some,
        fc.constantFrom("ioctl", "personality", "read"),
        fc.array(argument),
        ({ profile, nativeArch }, name, args) => {
          const architecture = architectures.get(nativeArch);
          if (architecture === undefined) throw new Error("no such architecture");
          const number = findSyscallNumber(name, architecture) as number;
          const { filter } = compileSeccomp(profile, { nativeArch, withoutEnosys: true });
          const rule = profile.syscalls?.find(({ names }) => names.includes(name));
          const isMet = rule?.args?.every((arg) => holds(arg, args, architecture.bits)) === true;
          const [action, errnoRet] =
            isMet && rule !== undefined ? [rule.action, rule.errnoRet] : [profile.defaultAction, undefined];
          const data = action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE" ? (errnoRet ?? 1) : 0;
          const { value } = runFilter(filter, { number, arch: architecture.auditArch, args });
          expect(value).toBe(actionValues[action] + data);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("is explained truly, and can be disassembled", () => {
    const some = fc.oneof(
      profiles({ args: conditions.single, mostRules: 8 }),
      profiles({ args: conditions.any, mostRules: 8 }),
    );
    let compared = 0;
    fc.assert(
      fc.property(
        some,
        fc.array(call, { minLength: 5 }),
        fc.boolean(),
        ({ profile, nativeArch }, calls, withoutEnosys) => {
          const filter = compileOrRefuse(() => compileSeccomp(profile, { nativeArch, withoutEnosys }).filter);
          if (filter === undefined) return;
          expect(disassemble(filter).split("\n")).toHaveLength(filter.length / 8 + 1);
          for (const arch of profile.architectures ?? []) {
            const architecture = architectures.get(arch);
            if (architecture === undefined) throw new Error("no such architecture");
            for (const { syscall, args } of calls) {
              const number =
                typeof syscall === "number" ? syscall : (findSyscallNumber(syscall, architecture) as number);
              const { value } = runFilter(filter, { number, arch: architecture.auditArch, args });
              expect(explain(profile, { syscall: number, args, arch }, { nativeArch, withoutEnosys }).value).toBe(
                value,
              );
              compared++;
            }
          }
        },
      ),
      { numRuns: 400 },
    );
    expect(compared).toBeGreaterThan(2000);
  });
});

/** Rules that contradict each other are refused; that they rightly are is compared with libseccomp elsewhere. */
function compileOrRefuse(compile: () => Uint8Array): Uint8Array | undefined {
  try {
    return compile();
  } catch (error) {
    if (isRunletError(error) && error.message.includes("same conditions")) return undefined;
    throw error;
  }
}
