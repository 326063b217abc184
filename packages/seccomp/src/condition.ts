import type { LinuxSeccompArg, LinuxSeccompOperator, Uint64 } from "@runlet/spec";
import { invalid } from "./invalid.ts";

/** A condition on an argument. BPF has words of 32 bits, so each value is kept as two. */
export interface Condition {
  /** Index of the argument, 0 to 5. */
  readonly arg: number;
  readonly op: LinuxSeccompOperator;
  /** What the argument is compared with, already masked. */
  readonly high: number;
  readonly low: number;
  /** Which bits take part: all, but for `SCMP_CMP_MASKED_EQ`. */
  readonly maskHigh: number;
  readonly maskLow: number;
}

const operators: Readonly<Record<LinuxSeccompOperator, true>> = {
  SCMP_CMP_NE: true,
  SCMP_CMP_LT: true,
  SCMP_CMP_LE: true,
  SCMP_CMP_EQ: true,
  SCMP_CMP_GE: true,
  SCMP_CMP_GT: true,
  SCMP_CMP_MASKED_EQ: true,
};

/** The operators that a condition takes. */
export const operatorNames = Object.keys(operators) as readonly LinuxSeccompOperator[];

/** `arg == value`, all 64 bits of it. */
export function equals(arg: number, value: number): Condition {
  return { arg, op: "SCMP_CMP_EQ", high: 0, low: value, maskHigh: 0xffff_ffff, maskLow: 0xffff_ffff };
}

/**
 * @param pointer - JSON Pointer of the condition, for the error.
 * @throws RunletError `ERR_RUNLET_SECCOMP` for an unknown operator, an index beyond 5, or a value that is not a whole
 *   number of 64 bits.
 */
export function readCondition(arg: LinuxSeccompArg, pointer: string): Condition {
  if (!Number.isInteger(arg.index) || arg.index < 0 || arg.index > 5) {
    throw invalid(`${pointer}/index`, `argument index ${String(arg.index)} is not 0 to 5`);
  }
  if (!Object.hasOwn(operators, arg.op)) {
    throw invalid(`${pointer}/op`, "unknown comparison operator", { value: arg.op, known: Object.keys(operators) });
  }
  const [high, low] = readUint64(arg.value, `${pointer}/value`);
  if (arg.op !== "SCMP_CMP_MASKED_EQ") {
    return { arg: arg.index, op: arg.op, high, low, maskHigh: 0xffff_ffff, maskLow: 0xffff_ffff };
  }
  const [otherHigh, otherLow] = readUint64(arg.valueTwo ?? 0, `${pointer}/valueTwo`);
  return {
    arg: arg.index,
    op: arg.op,
    high: (otherHigh & high) >>> 0,
    low: (otherLow & low) >>> 0,
    maskHigh: high,
    maskLow: low,
  };
}

function readUint64(value: Uint64, pointer: string): readonly [high: number, low: number] {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) {
    return [Math.floor(value / 0x1_0000_0000), value >>> 0];
  }
  if (typeof value === "bigint" && value >= 0n && value < 1n << 64n) {
    return [Number(value >> 32n), Number(value & 0xffff_ffffn)];
  }
  if (typeof value === "number" && Number.isInteger(value) && value > 0) {
    throw invalid(pointer, `${value} is beyond the whole numbers that JavaScript keeps exactly`, {
      hint: "Give values above 2^53 - 1 as a bigint.",
    });
  }
  throw invalid(pointer, `${String(value)} is not a whole number of 64 bits without a sign`);
}

/** Whether the condition holds of an argument, given as its two halves. 32-bit architectures have only the lower. */
export function holds(condition: Condition, high: number, low: number, bits: 32 | 64): boolean {
  const order = compare(condition, high, low, bits);
  switch (condition.op) {
    case "SCMP_CMP_NE":
      return order !== 0;
    case "SCMP_CMP_LT":
      return order < 0;
    case "SCMP_CMP_LE":
      return order <= 0;
    case "SCMP_CMP_EQ":
    case "SCMP_CMP_MASKED_EQ":
      return order === 0;
    case "SCMP_CMP_GE":
      return order >= 0;
    case "SCMP_CMP_GT":
      return order > 0;
  }
}

function compare(condition: Condition, high: number, low: number, bits: 32 | 64): number {
  const maskedHigh = (high & condition.maskHigh) >>> 0;
  if (bits === 64 && maskedHigh !== condition.high) return maskedHigh - condition.high;
  return ((low & condition.maskLow) >>> 0) - condition.low;
}

const signs: Readonly<Record<LinuxSeccompOperator, string>> = {
  SCMP_CMP_NE: "!=",
  SCMP_CMP_LT: "<",
  SCMP_CMP_LE: "<=",
  SCMP_CMP_EQ: "==",
  SCMP_CMP_GE: ">=",
  SCMP_CMP_GT: ">",
  SCMP_CMP_MASKED_EQ: "==",
};

/** The condition as a person reads it: `arg0 == 0x10`, `(arg0 & 0x7e020000) == 0x0`. */
export function formatCondition(condition: Condition): string {
  const value = hex(condition.high, condition.low);
  const sign = signs[condition.op];
  if (condition.op !== "SCMP_CMP_MASKED_EQ") return `arg${condition.arg} ${sign} ${value}`;
  return `(arg${condition.arg} & ${hex(condition.maskHigh, condition.maskLow)}) ${sign} ${value}`;
}

function hex(high: number, low: number): string {
  return `0x${((BigInt(high) << 32n) | BigInt(low)).toString(16)}`;
}
