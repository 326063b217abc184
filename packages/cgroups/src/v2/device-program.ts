import { type DeviceRule, deviceAccess, formatDeviceRule } from "../device-rule.ts";
import type { PlannedWrite } from "../resource-value.ts";

/*
 * The program that the kernel runs for each mknod(2) and open(2) of a device, BPF_PROG_TYPE_CGROUP_DEVICE. Its argument:
 *
 *   struct bpf_cgroup_dev_ctx { __u32 access_type; __u32 major; __u32 minor; };    access_type = access << 16 | type
 *
 * Rules are tried from the last to the first, so that a later one wins. A register holds what of the access no rule has
 * decided: a rule that denies any of it ends the program, one that allows takes its part away, and nothing left is a yes.
 * So an access for reading and writing may be allowed by two rules, as it would be by one.
 */

/** Classes, sizes and operations of eBPF instructions. @see Documentation/bpf/standardization/instruction-set.rst */
const op = {
  loadWord: 0x61, // BPF_LDX | BPF_MEM | BPF_W
  moveNumber: 0xb7, // BPF_ALU64 | BPF_MOV | BPF_K
  moveRegister: 0xbf, // BPF_ALU64 | BPF_MOV | BPF_X
  and: 0x57, // BPF_ALU64 | BPF_AND | BPF_K
  shiftRight: 0x77, // BPF_ALU64 | BPF_RSH | BPF_K
  jumpIfEqual: 0x15, // BPF_JMP | BPF_JEQ | BPF_K
  jumpUnlessEqual: 0x55, // BPF_JMP | BPF_JNE | BPF_K
  exit: 0x95, // BPF_JMP | BPF_EXIT
} as const;

/** Registers: the answer, the argument, and what is taken out of it. */
const register = { answer: 0, context: 1, type: 2, access: 3, major: 4, minor: 5, scratch: 6 } as const;

/** `BPF_DEVCG_DEV_*` of <linux/bpf.h>. */
const typeNumbers = { b: 1, c: 2 } as const;

/** One instruction. `offset` of a jump counts instructions from the next one. */
interface Instruction {
  readonly op: number;
  readonly to?: number;
  readonly from?: number;
  readonly offset?: number;
  readonly number?: number;
}

/** Whether rules allow every access to every device, so that no program is needed. */
export function allowsEverything(rules: readonly DeviceRule[]): boolean {
  const last = rules.findLastIndex((rule) => rule.type === "a");
  return rules[last]?.allow === true && rules.slice(last).every((rule) => rule.allow);
}

/**
 * Assembles the program for rules. What no rule speaks of is denied.
 *
 * @returns instructions of 8 bytes each, little-endian.
 */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array {
  const program: Instruction[] = [
    { op: op.loadWord, to: register.access, from: register.context, offset: 0 },
    { op: op.moveRegister, to: register.type, from: register.access },
    { op: op.and, to: register.type, number: 0xffff },
    { op: op.shiftRight, to: register.access, number: 16 },
    { op: op.loadWord, to: register.major, from: register.context, offset: 4 },
    { op: op.loadWord, to: register.minor, from: register.context, offset: 8 },
  ];
  for (const rule of rules.toReversed()) {
    // The verifier refuses instructions that cannot be reached, as all before a rule for everything would be.
    if (rule.type === "a") return encode([...program, ...answer(rule.allow)]);
    program.push(...ruleBlock(rule, typeNumbers[rule.type]));
  }
  return encode([...program, ...answer(false)]);
}

function ruleBlock(rule: DeviceRule, type: number): Instruction[] {
  const action = rule.allow ? allowBlock(rule.access) : denyBlock(rule.access);
  const conditions: [register: number, value: number][] = [
    [register.type, type],
    ...(rule.major === null ? [] : [[register.major, rule.major] as [number, number]]),
    ...(rule.minor === null ? [] : [[register.minor, rule.minor] as [number, number]]),
  ];
  const length = conditions.length + action.length;
  return [
    ...conditions.map(([to, number], index) => ({ op: op.jumpUnlessEqual, to, number, offset: length - index - 1 })),
    ...action,
  ];
}

function allowBlock(access: number): Instruction[] {
  if (access === deviceAccess.all) return answer(true);
  return [
    { op: op.and, to: register.access, number: deviceAccess.all & ~access },
    { op: op.jumpUnlessEqual, to: register.access, number: 0, offset: 2 },
    ...answer(true),
  ];
}

function denyBlock(access: number): Instruction[] {
  if (access === deviceAccess.all) return answer(false);
  return [
    { op: op.moveRegister, to: register.scratch, from: register.access },
    { op: op.and, to: register.scratch, number: access },
    { op: op.jumpIfEqual, to: register.scratch, number: 0, offset: 2 },
    ...answer(false),
  ];
}

function answer(allow: boolean): Instruction[] {
  return [{ op: op.moveNumber, to: register.answer, number: allow ? 1 : 0 }, { op: op.exit }];
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, instruction] of program.entries()) {
    view.setUint8(index * 8, instruction.op);
    view.setUint8(index * 8 + 1, (instruction.to ?? 0) | ((instruction.from ?? 0) << 4));
    view.setInt16(index * 8 + 2, instruction.offset ?? 0, true);
    view.setInt32(index * 8 + 4, instruction.number ?? 0, true);
  }
  return bytes;
}

/** The rules as the plan shows them: the file is none of the group's. */
export function deviceWrites(rules: readonly DeviceRule[]): PlannedWrite[] {
  return rules.map((rule) => ({
    from: rule.from,
    controller: "",
    file: "BPF_CGROUP_DEVICE",
    value: `${rule.allow ? "allow" : "deny"} ${formatDeviceRule(rule)}`,
  }));
}
