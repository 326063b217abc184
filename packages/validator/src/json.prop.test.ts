import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "./json-parser.ts";
import { joinPointer } from "./json-pointer.ts";
import { stringifyJson } from "./json-writer.ts";
import { locate } from "./position.ts";

/** Drops null members, as the parser does. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutNulls(member)]));
}

const name = fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "toString", "a/b", "~", ""));
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.string({ unit: "binary" }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("json")),
    fc.dictionary(name, tie("json")),
  ),
}));
const indent = fc.constantFrom("", " ", "\t", "  ");

function parseValue(text: string): unknown {
  const parsed = parseJson(text);
  if (parsed.problem !== undefined) throw new Error(`${parsed.problem.message} in ${text}`);
  return parsed.value;
}

/** A whole number beyond 2^53 that a double printed is a bigint of the same value. */
function sameNumbers(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(sameNumbers);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, sameNumbers(member)]));
}

describe("parseJson", () => {
  it("reads every value as JSON.parse does", () => {
    fc.assert(
      fc.property(json, indent, (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(sameNumbers(parseValue(text))).toEqual(withoutNulls(JSON.parse(text)));
      }),
    );
  });

  it("takes and refuses the same texts as JSON.parse", () => {
    const fragment = fc.constantFrom(..."{}[]:,\"\\ \n\t0123456789-+.eEu'/", "true", "false", "null", '"a"', "1", "é");
    const text = fc.oneof(
      fc.array(fragment, { maxLength: 12 }).map((parts) => parts.join("")),
      fc.tuple(json, fc.nat(), fragment).map(([value, at, part]) => {
        const whole = JSON.stringify(value);
        const cut = at % (whole.length + 1);
        return whole.slice(0, cut) + part + whole.slice(cut + 1);
      }),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        let expected = true;
        try {
          JSON.parse(candidate);
        } catch {
          expected = false;
        }
        expect(parseJson(candidate).problem === undefined, candidate).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it("reads whole numbers of any size exactly", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (number) => {
        const value = parseValue(number.toString());
        expect(BigInt(value as number | bigint)).toBe(number);
        expect(typeof value).toBe(Number.isSafeInteger(Number(number)) ? "number" : "bigint");
      }),
    );
  });
});

describe("stringifyJson", () => {
  it("writes every value as JSON.stringify does", () => {
    fc.assert(
      fc.property(json, indent, (value, space) => {
        expect(stringifyJson(value, space)).toBe(JSON.stringify(value, null, space));
      }),
    );
  });

  it("is undone by parseJson, whole numbers included", () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 2n ** 53n, max: 2n ** 66n })), (numbers) => {
        expect(parseValue(stringifyJson({ numbers }))).toEqual({ numbers });
      }),
    );
  });
});

describe("locate", () => {
  it("finds where each value of a text stands", () => {
    fc.assert(
      fc.property(json, indent, (value, space) => {
        const text = JSON.stringify(value, null, space);
        const members: { pointer: string; value: unknown; key: string | undefined }[] = [];
        const walk = (value: unknown, path: (string | number)[]) => {
          const key = path.at(-1);
          members.push({ pointer: joinPointer(path), value, key: typeof key === "string" ? key : undefined });
          if (typeof value !== "object" || value === null) return;
          for (const [key, member] of Object.entries(value))
            walk(member, [...path, Array.isArray(value) ? Number(key) : key]);
        };
        walk(JSON.parse(text), []);
        const places = locate(text, new Set(members.map(({ pointer }) => pointer)));
        for (const { pointer, value, key } of members) {
          const place = places.get(pointer);
          const compact = JSON.stringify(value).slice(0, 1);
          expect(text.slice(place?.valueOffset, (place?.valueOffset ?? 0) + 1)).toBe(compact);
          if (key !== undefined) expect(text.slice(place?.keyOffset)).toMatch(JSON.stringify(key).slice(0, 1));
          if (key !== undefined) expect(text.startsWith(JSON.stringify(key), place?.keyOffset)).toBe(true);
        }
        expect(places.size).toBe(new Set(members.map(({ pointer }) => pointer)).size);
      }),
    );
  });
});
