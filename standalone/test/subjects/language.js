class Named extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "Named";
  }
}

export async function language({ show, tryTo }) {
  errors(show);
  const list = [1, 2, 3, 4];
  for (const index of [0, 3, 4, -1, -4, -5, 1.5, Number.NaN]) {
    show("at", list.at(index), "abcd".at(index), Uint8Array.from(list).at(index));
  }
  show(
    "findLast",
    list.findLast((item) => item % 2 === 1),
    list.findLast(() => false),
    [].findLast(() => true),
  );
  show(
    "findLastIndex",
    list.findLastIndex((item) => item < 3),
    list.findLastIndex(() => false),
  );
  show("toReversed", list.toReversed(), list, [].toReversed());
  show(
    "hasOwn",
    Object.hasOwn({ a: 1 }, "a"),
    Object.hasOwn({ a: 1 }, "toString"),
    Object.hasOwn(Object.create(null), "b"),
  );
  show(
    "enumerates",
    Object.keys(Array.prototype),
    Object.keys(Object),
    Object.keys(Symbol),
    Object.keys(globalThis).includes("Error"),
  );
  const seen = [];
  for (const index in list) seen.push(index);
  show("for in", seen);
  show("symbols", typeof Symbol.dispose, typeof Symbol.asyncDispose, Symbol.dispose === Symbol.asyncDispose);
  clones(show, tryTo);
  expressions(show);
}

function errors(show) {
  const cause = new Error("why");
  const error = new Error("what", { cause });
  show("error", error.message, error.cause === cause, Object.keys(error), String(error), error instanceof Error);
  show(
    "cause of undefined",
    "cause" in new Error("a", { cause: undefined }),
    "cause" in new Error("a", {}),
    "cause" in new Error("a"),
  );
  const named = new Named("x", { cause: 5 });
  show(
    "named",
    named.name,
    named.cause,
    named instanceof Named,
    named instanceof Error,
    named.constructor === Named,
    String(named),
  );
  const called = Error("called", { cause: 1 });
  show("called", called instanceof Error, called.cause, called.constructor === Error, Error.name, Error.prototype.name);
  show(
    "no message",
    new Error().message,
    Object.hasOwn(new Error(), "message"),
    Object.hasOwn(new Error(""), "message"),
  );
  show(
    "others",
    new TypeError("t") instanceof Error,
    Object.getPrototypeOf(TypeError) === Error,
    new TypeError("t").name,
  );
  show(
    "stack",
    error.stack.split("\n")[0],
    new Error().stack.split("\n")[0],
    error.stack.split("\n").every((line, index) => index === 0 || line.startsWith("    at ")),
  );
  try {
    null.member;
  } catch (thrown) {
    show("thrown", thrown instanceof TypeError, thrown instanceof Error, thrown.name);
  }
}

function clones(show, tryTo) {
  const part = { c: [1, null, undefined, "s", true, 5n, -0] };
  const value = { a: part, b: part, ...JSON.parse('{"__proto__":{"x":1}}') };
  const clone = structuredClone(value);
  show(
    "clone",
    clone,
    clone.a === clone.b,
    clone.a !== part,
    Object.keys(clone),
    Object.getPrototypeOf(clone) === Object.prototype,
  );
  const round = {};
  round.self = round;
  show("round", structuredClone(round).self !== round);
  show("plain", structuredClone(null), structuredClone(5), structuredClone("x"), structuredClone(undefined));
  try {
    structuredClone(() => {});
    show("function", "is cloned");
  } catch {
    show("function", "is not cloned");
  }
  tryTo("map", () => [...new Map([[1, 2]]).entries()]);
}

/** What of the syntax and the library the engine has by itself, and the command relies on. */
function expressions(show) {
  show(
    "replaceAll",
    "a.b.c".replaceAll(".", "$&"),
    "aXbX".replaceAll(/x/gi, (match) => `<${match}>`),
  );
  show(
    "regexps",
    "a\nb".match(/a.b/s)?.[0],
    /(?<year>\d+)-(?<=-)x/u.exec("12-x")?.groups?.year,
    [..."a1b2".matchAll(/\d/g)].map(String),
  );
  show(
    "unicode",
    /^\p{L}+$/u.test("é"),
    /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test("\u{1f600}"),
    "\u{1f600}".codePointAt(0),
  );
  show(
    "numbers",
    1_000,
    2n ** 64n,
    BigInt.asUintN(64, -1n),
    (255).toString(16),
    Number("0x1f"),
    Number.parseInt("12px", 10),
    0.1 + 0.2,
    1e21,
    5e-324,
  );
  show(
    "JSON",
    JSON.stringify({ a: [1, "\ud800", undefined], b: undefined }),
    JSON.stringify("\u2028", null, 2),
    JSON.parse('{"a":1e3}'),
  );
  let order = "";
  for (const key of Object.keys({ b: 1, 2: 1, a: 1, 1: 1 })) order += key;
  show(
    "order",
    order,
    [3, 1, 2].sort(),
    ["b", "a", "C"].sort(),
    [5, 10, 1].sort((a, b) => a - b),
  );
  show(
    "dates",
    new Date(0).toISOString(),
    new Date("2026-11-22T01:02:03.456Z").getTime(),
    Number.isNaN(Date.parse("x")),
  );
  const [first, ...rest] = new Set([1, 2, 3]);
  show("sets", first, rest, [...new Map([["a", 1]])], Object.fromEntries([["a", 1]]), Object.entries({ x: 1 }));
  keys(show);
  const object = { a: 1, c: null };
  show("missing", object.b?.c, object?.a, object.d ?? "none");
  object.b ||= 5;
  object.a &&= 2;
  object.c ??= 3;
  show("assigned", object);
}

/** However a number has come to be, it is the same key. */
function keys(show) {
  const five = [5, Number(5n), Float64Array.of(5)[0], 2.5 + 2.5, 10 / 2, Math.sqrt(25), Number("5"), JSON.parse("5.0")];
  const numbers = [
    0,
    -0,
    -1,
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31),
    -(2 ** 31) - 1,
    2 ** 53,
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ];
  for (const key of five)
    show(
      "five",
      five.map((other) => new Map([[key, 1]]).has(other)),
      new Set([...five, key]).size,
    );
  for (const key of numbers)
    show("key", key, new Map([[key, 1]]).get(Float64Array.of(key)[0]), new Set([Float64Array.of(key)[0]]).has(key));
  const many = new Map(Array.from({ length: 1000 }, (_, index) => [Number(BigInt(index)), index]));
  show(
    "many",
    Array.from({ length: 1000 }, (_, index) => many.get(index)).every((value, index) => value === index),
  );
}
