import { describe, expect, it } from "vitest";
import { maximumDepth, parseJson } from "./json-parser.ts";
import { joinPointer, splitPointer } from "./json-pointer.ts";
import { positionsOf } from "./position.ts";

function parseValue(text: string): unknown {
  const parsed = parseJson(text);
  if (parsed.problem !== undefined) throw new Error(parsed.problem.message);
  return parsed.value;
}

/** `LINE:COLUMN message`, and the hint where there is one. */
function problemOf(text: string): string {
  const { problem } = parseJson(text);
  if (problem === undefined) return "none";
  const { line, column } = positionsOf(text)(problem.offset);
  return `${line}:${column} ${problem.message}${problem.hint === undefined ? "" : `; ${problem.hint}`}`;
}

describe("numbers", () => {
  it.each([
    ["0", 0],
    ["-0", -0],
    ["12.5e-1", 1.25],
    ["9007199254740991", 9007199254740991],
    ["9007199254740992", 9007199254740992n],
    ["-9007199254740993", -9007199254740993n],
    ["18446744073709551615", 18446744073709551615n],
    ["123456789012345678901234567890", 123456789012345678901234567890n],
    ["1e400", Number.POSITIVE_INFINITY],
    ["9007199254740993.0", 9007199254740992],
  ])("reads %s", (text, value) => {
    expect(parseValue(text)).toBe(value);
  });
});

describe("objects", () => {
  it("leaves null members out, not null elements", () => {
    expect(parseValue('{"a": null, "b": [null, {"c": null}]}')).toEqual({ b: [null, {}] });
  });

  it("takes __proto__ for a name like any other", () => {
    const value = parseValue('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}') as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(["__proto__", "constructor"]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("notes names that occur twice, and takes the last", () => {
    const text = '{"a": {"b/c": 1,\n "b/c": 2, "x": null, "x": 3, "y": 4, "y": null}, "toString": 0}';
    const parsed = parseJson(text);
    expect(parsed).toMatchObject({ value: { a: { "b/c": 2, x: 3 }, toString: 0 } });
    expect(parsed.problem === undefined && parsed.duplicates.map(({ pointer }) => pointer)).toEqual([
      "/a/b~1c",
      "/a/x",
      "/a/y",
    ]);
    expect(parsed.problem === undefined && parsed.duplicates[0]?.offset).toBe(text.indexOf('"b/c": 2'));
    expect((parseValue(text) as { a: object }).a).not.toHaveProperty("y");
  });
});

it("skips a byte order mark", () => {
  expect(parseValue('\ufeff{"a": 1}')).toEqual({ a: 1 });
  expect(problemOf("\ufeff{,}")).toMatch(/^1:2 /);
});

it("reads the deepest text and refuses a deeper one, without overflowing the stack", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  expect(parseJson(nested(maximumDepth)).problem).toBeUndefined();
  expect(problemOf(nested(maximumDepth + 1))).toBe(`1:${maximumDepth + 1} more than 256 levels of arrays and objects`);
  expect(problemOf("[".repeat(1_000_000))).toMatch(/^1:257 more than 256 levels/);
});

describe("a text that is not JSON", () => {
  it.each([
    ["", "1:1 expected a value, found the end of the text"],
    ["  \n ", "2:2 expected a value, found the end of the text"],
    ['{"a": 1', '1:8 expected "," or "}" after the member, found the end of the text'],
    ['{"a": 1]', '1:8 expected "," or "}" after the member, found "]"'],
    ['{"a" 1}', '1:6 expected ":" after the name, found "1"'],
    ['{"a": 1,}', '1:9 expected a name in double quotes, found "}"; remove the comma before it'],
    ["[1, 2,]", '1:7 expected a value, found "]"; remove the comma before it'],
    ['{"a": 1\n "b": 2}', '2:2 expected "," or "}" after the member, found a string; put a comma between the two'],
    ["{a: 1}", '1:2 expected a name in double quotes, found "a"'],
    ["{'a': 1}", `1:2 expected a name in double quotes, found "'"; write strings in double quotes`],
    ["{\"a\": 'x'}", `1:7 expected a value, found "'"; write strings in double quotes`],
    ['{"a": True}', '1:7 expected a value, found "True"; write true, false, null or a number'],
    ["truer", '1:1 expected a value, found "truer"'],
    ["NaN", '1:1 expected a value, found "NaN"; write true, false, null or a number'],
    ["// hi\n{}", '1:1 expected a value, found "/"; JSON has no comments: remove it'],
    ["{} {}", '1:4 expected the end of the text after the value, found "{"'],
    ["0644", "1:1 a number must not begin with a zero; write an octal number in decimal: 420"],
    ["-09", "1:1 a number must not begin with a zero; remove the zero"],
    ["0x1f", '1:2 expected the end of the number, found "x1f"'],
    ["1.", '1:3 expected a digit after ".", found the end of the text'],
    ["-", "1:2 expected a digit, found the end of the text"],
    ["1e+", "1:4 expected a digit of the exponent, found the end of the text"],
    ["+1", '1:1 expected a value, found "+1"'],
    ['"abc', "1:1 the string has no closing quote"],
    [
      '{"a": "b\n}',
      '1:7 the string has no closing quote on its line; close it, or write a line break in a string as "\\n"',
    ],
    ['"\t"', '1:2 a control character in a string must be written as "\\u0009"'],
    ['"\\x"', '1:2 expected one of " \\ / b f n r t u after a backslash; write a backslash itself as two'],
    ['"\\u12g4"', '1:2 expected four hexadecimal digits after "\\u"'],
    ["\u00a0{}", "1:1 expected a value, found the character U+00A0"],
  ])("says where and what: %j", (text, problem) => {
    expect(problemOf(text)).toBe(problem);
  });
});

describe("pointers", () => {
  it("escapes and unescapes", () => {
    const path = ["a/b", "~1", "", "c~", 0];
    expect(joinPointer(path)).toBe("/a~1b/~01//c~0/0");
    expect(splitPointer(joinPointer(path))).toEqual(path.map(String));
    expect(splitPointer("")).toEqual([]);
  });
});
