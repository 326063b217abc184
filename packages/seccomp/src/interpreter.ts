import { RunletError } from "@runlet/errors";
import { isLittleEndian } from "./architecture.ts";
import { archOffset, argsOffset, numberOffset } from "./filter.ts";
import { AND, JEQ, JGE, JGT, JSET, JUMP, LOAD, longestProgram, RETURN } from "./program.ts";

/** What the kernel shows a filter of a system call: `struct seccomp_data`. */
export interface SeccompData {
  /** Number of the system call, of 32 bits. −1 is what a tracer leaves of a call that it cancels. */
  readonly number: number;
  /** `AUDIT_ARCH_*` of the system call. */
  readonly arch: number;
  /** The arguments, of 64 bits each; missing ones are 0. */
  readonly args?: readonly bigint[];
  /** Where the call came from. */
  readonly instructionPointer?: bigint;
}

/** How a filter answers. */
export interface FilterResult {
  /** `SECCOMP_RET_*` with its data. */
  readonly value: number;
  /** How many instructions it took. */
  readonly steps: number;
}

/** Size of `struct seccomp_data` in bytes. */
const dataSize = 64;

/**
 * Runs a filter as the kernel would.
 *
 * @param filter - instructions of `struct sock_filter`, 8 bytes each, little-endian.
 * @throws RunletError `ERR_RUNLET_SECCOMP` for a filter that the kernel would refuse: empty, longer than 4096 instructions,
 *   an instruction outside of those that the compiler and libseccomp use, a load outside of the data, a jump beyond the end.
 * @see Documentation/networking/filter.rst and kernel/seccomp.c (`seccomp_check_filter`)
 */
export function runFilter(filter: Uint8Array, data: SeccompData): FilterResult {
  const { byteLength } = filter;
  if (byteLength === 0 || byteLength % 8 !== 0 || byteLength / 8 > longestProgram) {
    throw new RunletError(
      "ERR_RUNLET_SECCOMP",
      `a filter of ${byteLength} bytes is not 1 to ${longestProgram} instructions`,
    );
  }
  const view = new DataView(filter.buffer, filter.byteOffset, byteLength);
  const words = layOut(data);
  let accumulator = 0;
  let steps = 0;
  let at = 0;
  while (at + 8 <= byteLength) {
    const code = view.getUint16(at, true);
    const k = view.getUint32(at + 4, true);
    at += 8;
    steps++;
    switch (code) {
      case LOAD:
        if (k % 4 !== 0 || k >= dataSize) throw refuse(at, `a load at ${k}`);
        accumulator = words[k / 4] as number;
        break;
      case AND:
        accumulator = (accumulator & k) >>> 0;
        break;
      case JUMP:
        at += k * 8;
        break;
      case JEQ:
      case JGT:
      case JGE:
      case JSET:
        at += view.getUint8(at - (isTaken(code, accumulator, k) ? 6 : 5)) * 8;
        break;
      case RETURN:
        return { value: k, steps };
      default:
        throw refuse(at, `code 0x${code.toString(16)}`);
    }
  }
  throw refuse(at, "the end");
}

function isTaken(code: number, accumulator: number, k: number): boolean {
  if (code === JEQ) return accumulator === k;
  if (code === JGT) return accumulator > k;
  return code === JGE ? accumulator >= k : (accumulator & k) !== 0;
}

function refuse(at: number, what: string): RunletError {
  return new RunletError("ERR_RUNLET_SECCOMP", `${what} in instruction ${at / 8 - 1} is nothing that a filter can run`);
}

/** `struct seccomp_data` in words, in the byte order of the call's architecture. */
function layOut(data: SeccompData): Uint32Array {
  const words = new Uint32Array(dataSize / 4);
  const isLittle = isLittleEndian(data.arch);
  const put = (offset: number, value: bigint): void => {
    words[offset / 4 + (isLittle ? 0 : 1)] = Number(value & 0xffff_ffffn);
    words[offset / 4 + (isLittle ? 1 : 0)] = Number((value >> 32n) & 0xffff_ffffn);
  };
  words[numberOffset / 4] = data.number >>> 0;
  words[archOffset / 4] = data.arch >>> 0;
  put(8, data.instructionPointer ?? 0n);
  for (const [index, value] of (data.args ?? []).slice(0, 6).entries()) put(argsOffset + index * 8, value);
  return words;
}
