import { describe, expect, it } from "vitest";
import { decodeMessage, encodeMessage, MalformedMessage, type Schema } from "./protobuf.ts";

const inner = { text: { number: 1, type: "string" } } as const satisfies Schema;
const schema = {
  number: { number: 1, type: "int32" },
  unsigned: { number: 2, type: "uint32" },
  large: { number: 3, type: "uint64" },
  truth: { number: 4, type: "bool" },
  text: { number: 5, type: "string" },
  bytes: { number: 6, type: "bytes" },
  inner: { number: 7, type: inner },
  numbers: { number: 8, type: "uint32", repeated: true },
  inners: { number: 200, type: inner, repeated: true },
} as const satisfies Schema;

const bytesOf = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex");
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("encodeMessage", () => {
  it("writes what the format's guide has as examples", () => {
    expect(hexOf(encodeMessage(schema, { number: 150 }))).toBe("089601");
    expect(hexOf(encodeMessage({ b: { number: 2, type: "string" } }, { b: "testing" }))).toBe("120774657374696e67");
    expect(hexOf(encodeMessage(schema, { number: -2 }))).toBe("08feffffffffffffffff01");
  });

  it("leaves out what is undefined, and keeps what is false or empty", () => {
    expect(hexOf(encodeMessage(schema, { number: undefined, truth: false, text: "", numbers: [] }))).toBe("20002a00");
  });

  it("writes a message that holds others", () => {
    expect(hexOf(encodeMessage(schema, { inners: [{ text: "a" }, { text: "b" }] }))).toBe("c20c030a0161c20c030a0162");
  });
});

describe("decodeMessage", () => {
  it("passes over fields that it does not know, of every kind", () => {
    const unknown = "a006 01  a106 0102030405060708  a206 02 ffff  a506 01020304";
    expect(decodeMessage(schema, bytesOf(`${unknown} 0805`))).toEqual({ number: 5 });
  });

  it("takes repeated numbers packed and one by one", () => {
    expect(decodeMessage(schema, bytesOf("4001 4002"))).toEqual({ numbers: [1, 2] });
    expect(decodeMessage(schema, bytesOf("4203 01 ac02"))).toEqual({ numbers: [1, 300] });
  });

  it("cuts numbers as C does", () => {
    expect(decodeMessage(schema, bytesOf("08ffffffffffffffffff01"))).toEqual({ number: -1 });
    expect(decodeMessage(schema, bytesOf("10ffffffffffffffffff01"))).toEqual({ unsigned: 0xffff_ffff });
    expect(decodeMessage(schema, bytesOf("18ffffffffffffffffff01"))).toEqual({ large: 0xffff_ffff_ffff_ffffn });
  });

  // What a decoder may take for another message than CRIU's does.
  it.each([
    ["a field that occurs twice", "0801 0802", /number occurs twice/],
    ["a message that occurs twice", "3a00 3a00", /inner occurs twice/],
    ["a field of another wire type", "2a01", /cut off/],
    ["a number where a text belongs", "2801", /wire type 0/],
    ["a group", "a306", /wire type 3/],
    ["a length beyond the end", "2aff01 61", /cut off/],
    ["a length of 2^63", "2affffffffffffffffff01", /cut off/],
    ["a number without an end", "08ffffffffffffffffffffff01", /more than ten bytes/],
    ["a number that is cut off", "08ff", /cut off/],
  ])("refuses %s", (_, hex, message) => {
    expect(() => decodeMessage(schema, bytesOf(hex))).toThrow(MalformedMessage);
    expect(() => decodeMessage(schema, bytesOf(hex))).toThrow(message);
  });

  it("refuses messages in messages without an end", () => {
    interface Tree extends Schema {
      readonly child: { readonly number: 1; readonly type: () => Tree };
    }
    const tree: Tree = { child: { number: 1, type: () => tree } };
    let bytes = Buffer.alloc(0);
    for (let depth = 0; depth < 60; depth++) bytes = Buffer.concat([Buffer.from([0x0a, bytes.length]), bytes]);
    expect(() => decodeMessage(tree, bytes)).not.toThrow();
    let deep: Uint8Array = Buffer.alloc(0);
    for (let depth = 0; depth < 70; depth++) {
      const length = deep.length < 128 ? [deep.length] : [(deep.length & 0x7f) | 0x80, deep.length >> 7];
      deep = Buffer.concat([Buffer.from([0x0a, ...length]), deep]);
    }
    expect(() => decodeMessage(tree, deep)).toThrow("nested too deep");
  });
});
