import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseChallenges } from "./challenge.ts";

const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,8}$/);
const value = fc
  .string({
    unit: fc.oneof(fc.constantFrom(...'"\\,= '), fc.string({ unit: "binary", minLength: 1, maxLength: 1 })),
    maxLength: 12,
  })
  .filter((text) => !/[\r\n]/.test(text));
const challenge = fc.record({
  scheme: token,
  parameters: fc.uniqueArray(fc.tuple(token, value), { maxLength: 4, selector: ([name]) => name.toLowerCase() }),
});

function format(challenges: readonly { scheme: string; parameters: readonly (readonly [string, string])[] }[]): string {
  return challenges
    .map(({ scheme, parameters }) => {
      const list = parameters.map(([name, text]) => `${name}="${text.replace(/["\\]/g, "\\$&")}"`);
      return `${scheme} ${list.join(", ")}`.trimEnd();
    })
    .join(", ");
}

describe("parseChallenges", () => {
  test("reads what is written by the grammar", () => {
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 3 }), (challenges) => {
        const read = parseChallenges(format(challenges));
        expect(read?.map(({ scheme, parameters }) => [scheme, [...parameters]])).toEqual(
          challenges.map(({ scheme, parameters }) => [
            scheme.toLowerCase(),
            parameters.map(([name, text]) => [name.toLowerCase(), text]),
          ]),
        );
      }),
    );
  });

  test("reads any text or refuses it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const read = parseChallenges(text);
        expect(read === undefined || read.every(({ scheme }) => scheme !== "")).toBe(true);
      }),
    );
  });

  test("of Docker Hub", () => {
    const [bearer] = parseChallenges('Bearer realm="https://auth.docker.io/token",service="registry.docker.io"') ?? [];
    expect([bearer?.scheme, ...(bearer?.parameters ?? [])]).toEqual([
      "bearer",
      ["realm", "https://auth.docker.io/token"],
      ["service", "registry.docker.io"],
    ]);
  });

  test("with values that are no quoted strings, and credentials without a name", () => {
    const challenges = parseChallenges("Negotiate abc==, Basic realm=x , charset=UTF-8");
    expect(challenges?.map(({ scheme }) => scheme)).toEqual(["negotiate", "basic"]);
    expect([...(challenges?.[1]?.parameters ?? [])]).toEqual([
      ["realm", "x"],
      ["charset", "UTF-8"],
    ]);
  });

  test("the first of a name holds", () => {
    const [bearer] = parseChallenges('Bearer realm="https://a/", realm="https://b/"') ?? [];
    expect(bearer?.parameters.get("realm")).toBe("https://a/");
  });

  test("a long text takes no long time", () => {
    const text = `Bearer ${'a="\\\\'.repeat(4000)}`;
    const startMs = performance.now();
    expect(parseChallenges(text)).toBeUndefined();
    expect(performance.now() - startMs).toBeLessThan(1000);
  });
});
