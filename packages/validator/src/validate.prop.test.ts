import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, it } from "vitest";
import { parseJson, stringifyJson, validateConfig } from "./index.ts";

const text = readFileSync(fileURLToPath(new URL("../test/fixtures/every-field.json", import.meta.url)), "utf8");
const parsed = parseJson(text);
const example = parsed.problem === undefined ? parsed.value : {};

/** Puts a value somewhere into a copy: `steps` choose the way down. */
function mutate(value: unknown, steps: readonly number[], wrong: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined || typeof value !== "object" || value === null) return wrong;
  const keys = Object.keys(value);
  const key = keys[step % Math.max(keys.length, 1)];
  if (key === undefined) return wrong;
  const changed = mutate((value as Record<string, unknown>)[key], rest, wrong);
  if (Array.isArray(value)) return value.with(Number(key), changed);
  return { ...value, [key]: changed };
}

const anything = fc.oneof(
  fc.jsonValue(),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }),
  fc.constantFrom(
    "",
    "/",
    "..",
    "\0",
    "1-",
    -1,
    0,
    1e300,
    [[]],
    [null],
    { "": {} },
    { toString: 1 },
    { __proto__: null },
  ),
);
const mutation = fc.tuple(fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), anything);

it("never throws, and gives a config exactly when there is no error", () => {
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
      const config = mutations.reduce((value, [steps, wrong]) => mutate(value, steps, wrong), example);
      const mutated = stringifyJson(config, "  ");
      const { spec, issues } = validateConfig(mutated);
      expect(spec === undefined).toBe(issues.some(({ severity }) => severity === "error"));
      const height = mutated.split("\n").length;
      for (const { line, column, message, spec } of issues) {
        expect(line).toBeLessThanOrEqual(height);
        expect(column).toBeGreaterThan(0);
        expect(message).not.toMatch(/undefined|\[object|NaN/);
        expect(spec).toMatch(/^config[a-z-]*\.md(#[a-z-]+)?$/);
      }
    }),
    { numRuns: 200 },
  );
});
