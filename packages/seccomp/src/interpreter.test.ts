import { isRunletError } from "@runlet/errors";
import { expect, it } from "vitest";
import { runFilter } from "./interpreter.ts";

type Instruction = readonly [code: number, jt: number, jf: number, k: number];

function encode(...instructions: readonly Instruction[]): Uint8Array {
  const filter = new Uint8Array(instructions.length * 8);
  const view = new DataView(filter.buffer);
  for (const [index, [code, jt, jf, k]] of instructions.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jt);
    view.setUint8(index * 8 + 3, jf);
    view.setUint32(index * 8 + 4, k, true);
  }
  return filter;
}

const data = { number: 5, arch: 0xc000_003e, args: [0x1234_5678_9abc_def0n], instructionPointer: 7n };

it("loads words in the byte order of the call's architecture", () => {
  const ifLoadedIs = (offset: number, value: number): Uint8Array =>
    encode([0x20, 0, 0, offset], [0x15, 0, 1, value], [6, 0, 0, 1], [6, 0, 0, 2]);
  expect(runFilter(ifLoadedIs(16, 0x9abc_def0), data).value).toBe(1);
  expect(runFilter(ifLoadedIs(20, 0x1234_5678), data).value).toBe(1);
  expect(runFilter(ifLoadedIs(16, 0x1234_5678), { ...data, arch: 0x8000_0016 }).value).toBe(1);
  expect(runFilter(ifLoadedIs(0, 5), data).value).toBe(1);
  expect(runFilter(ifLoadedIs(8, 7), data).value).toBe(1);
  expect(runFilter(ifLoadedIs(0, 0xffff_ffff), { ...data, number: -1 }).value).toBe(1);
});

it("compares without a sign, masks, jumps and counts", () => {
  const filter = encode(
    [0x20, 0, 0, 16],
    [0x54, 0, 0, 0x8000_0000],
    [0x25, 1, 0, 0x7fff_ffff],
    [6, 0, 0, 0],
    [0x35, 0, 3, 0x8000_0000],
    [0x45, 0, 2, 0x8000_0000],
    [5, 0, 0, 1],
    [6, 0, 0, 0],
    [6, 0, 0, 9],
  );
  expect(runFilter(filter, data)).toEqual({ value: 9, steps: 7 });
});

it.each([
  ["nothing", encode()],
  ["half an instruction", new Uint8Array(4)],
  ["more than 4096 instructions", encode(...Array.from({ length: 4097 }, () => [6, 0, 0, 0] as const))],
  ["a load beyond the data", encode([0x20, 0, 0, 64], [6, 0, 0, 0])],
  ["a load between words", encode([0x20, 0, 0, 2], [6, 0, 0, 0])],
  ["a jump beyond the end", encode([5, 0, 0, 7], [6, 0, 0, 0])],
  ["no return", encode([0x20, 0, 0, 0])],
  ["a code that filters do not have", encode([0x28, 0, 0, 0], [6, 0, 0, 0])],
])("refuses %s", (_what, filter) => {
  try {
    runFilter(filter, data);
  } catch (error) {
    expect(isRunletError(error) && error.code).toBe("ERR_RUNLET_SECCOMP");
    return;
  }
  throw new Error("it ran");
});
