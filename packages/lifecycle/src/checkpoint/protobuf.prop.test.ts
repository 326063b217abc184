import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeMessage, encodeMessage, MalformedMessage, type Schema } from "./protobuf.ts";

const inner = { text: { number: 3, type: "string" }, numbers: { number: 9, type: "int32", repeated: true } } as const;
const schema = {
  number: { number: 1, type: "int32" },
  unsigned: { number: 2, type: "uint32" },
  large: { number: 3, type: "uint64" },
  truth: { number: 4, type: "bool" },
  text: { number: 5, type: "string" },
  bytes: { number: 6, type: "bytes" },
  inner: { number: 16, type: inner },
  inners: { number: 1000, type: inner, repeated: true },
} as const satisfies Schema;

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const text = fc.string({ unit: "grapheme" });
const atLeastOne = { minLength: 1, maxLength: 4 };
const innerValue = fc.record({ text, numbers: fc.array(int32, atLeastOne) }, { requiredKeys: [] });
const value = fc.record(
  {
    number: int32,
    unsigned: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    large: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    truth: fc.boolean(),
    text,
    bytes: fc.uint8Array(),
    inner: innerValue,
    inners: fc.array(innerValue, atLeastOne),
  },
  { requiredKeys: [] },
);

test("what is written is what is read", () => {
  fc.assert(
    fc.property(value, (given) => {
      expect(decodeMessage(schema, encodeMessage(schema, given))).toEqual(given);
    }),
  );
});

test("any bytes are a message or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeMessage(schema, bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedMessage);
      }
    }),
  );
});
