import { RunletError } from "@runlet/errors";
import { formatAction } from "./action.ts";
import { type Architecture, architectures, findArchitecture, isLittleEndian, x32SyscallBit } from "./architecture.ts";
import { archOffset, argsOffset, numberOffset } from "./filter.ts";
import { AND, JEQ, JGE, JGT, JSET, JUMP, LOAD, RETURN } from "./program.ts";
import { findSyscallName } from "./syscall-number.ts";

interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** What is known at an instruction of the ways that lead to it. */
interface Known {
  /** Offset of the word in the accumulator; undefined if the ways differ. */
  readonly offset: number | undefined;
  /** `AUDIT_ARCH_*` that the call has; undefined before it was compared, and where ways of several meet. */
  readonly auditArch: number | undefined;
}

const jumpSigns = new Map([
  [JEQ, "=="],
  [JGT, ">"],
  [JGE, ">="],
  [JSET, "&"],
]);

/**
 * A filter as text, one instruction a line: its index, what it does, and in words what the numbers mean: system calls by
 * name, architectures, actions.
 *
 * @param filter - instructions of `struct sock_filter`, 8 bytes each, little-endian.
 * @throws RunletError `ERR_RUNLET_SECCOMP` for bytes that are not whole instructions.
 */
export function disassemble(filter: Uint8Array): string {
  const instructions = decode(filter);
  const known = trace(instructions);
  const width = String(instructions.length - 1).length;
  return instructions
    .map((instruction, index) => `${String(index).padStart(width)}  ${format(instruction, index, known[index])}\n`)
    .join("");
}

function decode(filter: Uint8Array): Instruction[] {
  if (filter.byteLength % 8 !== 0) {
    throw new RunletError(
      "ERR_RUNLET_SECCOMP",
      `a filter of ${filter.byteLength} bytes is not whole instructions of 8 bytes`,
    );
  }
  const view = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  return Array.from({ length: filter.byteLength / 8 }, (_, index) => ({
    code: view.getUint16(index * 8, true),
    jt: view.getUint8(index * 8 + 2),
    jf: view.getUint8(index * 8 + 3),
    k: view.getUint32(index * 8 + 4, true),
  }));
}

/** Jumps only lead forward, so one pass sees every way to an instruction before the instruction. */
function trace(instructions: readonly Instruction[]): (Known | undefined)[] {
  const known: (Known | undefined)[] = [{ offset: undefined, auditArch: undefined }];
  const reach = (index: number, state: Known): void => {
    const other = known[index];
    known[index] =
      other === undefined
        ? state
        : {
            offset: other.offset === state.offset ? state.offset : undefined,
            auditArch: other.auditArch === state.auditArch ? state.auditArch : undefined,
          };
  };
  for (const [index, { code, jt, jf, k }] of instructions.entries()) {
    const state = known[index];
    if (state === undefined || code === RETURN) continue;
    if (code === LOAD) reach(index + 1, { ...state, offset: k });
    else if (code === JUMP) reach(index + 1 + k, state);
    else if (jumpSigns.has(code)) {
      const isArch = state.offset === archOffset && code === JEQ;
      reach(index + 1 + jt, isArch ? { ...state, auditArch: k } : state);
      reach(index + 1 + jf, state);
    } else reach(index + 1, state);
  }
  return known;
}

function format({ code, jt, jf, k }: Instruction, index: number, known: Known | undefined): string {
  switch (code) {
    case LOAD:
      return `load ${nameWord(k, known?.auditArch)}`;
    case AND:
      return `and 0x${k.toString(16)}`;
    case JUMP:
      return `goto ${index + 1 + k}`;
    case RETURN:
      return `return ${formatAction(k)}`;
  }
  const sign = jumpSigns.get(code);
  if (sign === undefined) return `code 0x${code.toString(16)} jt ${jt} jf ${jf} k 0x${k.toString(16)}`;
  const meaning = explainValue(k, known);
  const note = meaning === undefined ? "" : `  ; ${meaning}`;
  return `if ${sign} 0x${k.toString(16)} goto ${index + 1 + jt} else ${index + 1 + jf}${note}`;
}

/** Before the architecture is known, the order of an argument's halves is not either: little-endian is taken for granted. */
function nameWord(offset: number, auditArch: number | undefined): string {
  if (offset === numberOffset) return "nr";
  if (offset === archOffset) return "arch";
  if (offset < argsOffset) return `[${offset}]`;
  const isSecond = (offset - argsOffset) % 8 === 4;
  const isHigh = isSecond === (auditArch === undefined || isLittleEndian(auditArch));
  return `args[${Math.floor((offset - argsOffset) / 8)}].${isHigh ? "high" : "low"}`;
}

function explainValue(value: number, known: Known | undefined): string | undefined {
  if (known?.offset === archOffset) return nameAuditArch(value);
  if (known?.offset !== numberOffset || known.auditArch === undefined) return undefined;
  if (value === x32SyscallBit && nameAuditArch(known.auditArch)?.includes("X32")) return "x32";
  const architecture = findArchitecture(known.auditArch, value);
  return architecture === undefined ? undefined : findSyscallName(value, architecture);
}

function nameAuditArch(auditArch: number): string | undefined {
  const named: Architecture[] = [...architectures.values()].filter(
    (architecture) => architecture.auditArch === auditArch,
  );
  return named.length === 0 ? undefined : named.map(({ name }) => name).join(", ");
}
