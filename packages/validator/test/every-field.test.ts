import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { members } from "../generated/config.js";
import { type Issue, parseJson, stringifyJson, validateConfig } from "../src/index.ts";
import { joinPointer } from "../src/json-pointer.ts";

const text = readFileSync(fileURLToPath(new URL("fixtures/every-field.json", import.meta.url)), "utf8");

type Path = readonly (string | number)[];

function parse(): unknown {
  const parsed = parseJson(text);
  if (parsed.problem !== undefined) throw new Error(parsed.problem.message);
  return parsed.value;
}

/** Every value of the config with its path. */
function* walk(value: unknown, path: Path = []): Iterable<{ value: unknown; path: Path }> {
  yield { value, path };
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value))
    yield* walk(member, [...path, Array.isArray(value) ? Number(key) : key]);
}

/** The config's text with another value at a path, or with the member removed. */
function withValue(path: Path, value: unknown): string {
  const config = { top: parse() };
  let owner = config as Record<string | number, unknown>;
  const keys = ["top", ...path];
  for (const key of keys.slice(0, -1)) owner = owner[key] as Record<string | number, unknown>;
  const last = keys.at(-1) ?? "top";
  if (value === undefined) delete owner[last];
  else owner[last] = value;
  return stringifyJson(config.top, "  ");
}

/** What stands at an issue's line and column. */
function textAt(mutated: string, { line, column }: Issue): string {
  return mutated.split("\n")[line - 1]?.slice(column - 1) ?? "";
}

const isFree = (path: Path) => path[0] === "windows" && path[1] === "credentialSpec" && path.length > 2;
const all = [...walk(parse())].filter(({ path }) => path.length > 0 && !isFree(path));

describe("a config with every field", () => {
  it("has no issue", () => {
    expect(validateConfig(text).issues).toEqual([]);
  });

  it("has every field of the schema", () => {
    const missing: string[] = [];
    const seen = new Set<string>();
    const visit = (value: unknown, type: string): void => {
      if (type === "") return;
      if (Array.isArray(value)) for (const element of value) visit(element, type);
      else if (type.startsWith("*")) for (const member of Object.values(value as object)) visit(member, type.slice(1));
      else {
        for (const [name, memberType] of Object.entries(members[type] ?? {})) {
          if (!Object.hasOwn(value as object, name)) continue;
          seen.add(`${type}.${name}`);
          visit((value as Record<string, unknown>)[name], memberType);
        }
      }
    };
    visit(parse(), "Spec");
    const reachable = new Set<string>();
    const queue = ["Spec"];
    for (const type of queue) {
      for (const [name, memberType] of Object.entries(members[type] ?? {})) {
        reachable.add(`${type}.${name}`);
        const next = memberType.replace("*", "");
        if (next !== "" && !queue.includes(next)) queue.push(next);
      }
    }
    for (const field of reachable) if (!seen.has(field)) missing.push(field);
    expect(missing).toEqual([]);
    expect(reachable.size).toBeGreaterThan(230);
  });

  it("keeps numbers beyond 2^53 exact", () => {
    const { spec } = validateConfig(text);
    expect(spec?.process?.rlimits?.[0]).toEqual({ type: "RLIMIT_CORE", hard: 2n ** 64n - 1n, soft: 2n ** 53n + 1n });
    expect(spec?.linux?.timeOffsets?.boottime?.secs).toBe(-(2n ** 63n));
    expect(spec?.linux?.resources?.hugepageLimits?.[0]?.limit).toBe(9223372036854771712n);
    expect(spec?.linux?.seccomp?.syscalls?.[1]?.args?.[0]?.value).toBe(2n ** 64n - 1n);
  });
});

describe("a value of the wrong type", () => {
  it.each(all.map(({ value, path }) => [joinPointer(path), path, value] as const))(
    "is found at %s",
    (pointer, path, value) => {
      const wrong = typeof value === "object" ? 77 : typeof value === "boolean" ? "yes" : { not: "this" };
      const mutated = withValue(path, wrong);
      const { spec, issues } = validateConfig(mutated);
      expect(spec).toBeUndefined();
      const found = issues.filter((issue) => issue.pointer === pointer && issue.rule.startsWith("schema."));
      expect(found).toHaveLength(1);
      expect(found[0]?.severity).toBe("error");
      expect(textAt(mutated, found[0] as Issue)).toMatch(typeof wrong === "object" ? /^\{/ : new RegExp(`^"?${wrong}`));
      expect(issues.filter((issue) => issue.rule.startsWith("schema.") && issue.pointer !== pointer)).toEqual([]);
    },
  );
});

describe("an integer out of its range", () => {
  const integers = all.filter(({ value }) => typeof value === "number" || typeof value === "bigint");

  it.each(integers.map(({ path }) => [joinPointer(path), path] as const))("is found at %s", (pointer, path) => {
    for (const beyond of [2n ** 64n, -(2n ** 63n) - 1n, 1.5]) {
      const { issues } = validateConfig(withValue(path, beyond));
      const found = issues.filter((issue) => issue.pointer === pointer && issue.rule === "schema.integer");
      expect(found, String(beyond)).toHaveLength(1);
      expect(found[0]?.message).toMatch(/^must be a whole number from -?\d+ to \d+, not /);
    }
  });

  it("covers the numbers of the config", () => {
    expect(integers.length).toBeGreaterThan(90);
  });
});

describe("a field that the specification does not have", () => {
  const objects = all.filter(({ value }) => typeof value === "object" && !Array.isArray(value));
  const isMap = (path: Path) =>
    /^\/(annotations|linux\/(sysctl|netDevices|resources\/(unified|rdma)))$/.test(joinPointer(path));
  const typed = objects.filter(({ path }) => !isMap(path) && joinPointer(path) !== "/windows/credentialSpec");

  it.each(typed.map(({ path }) => [joinPointer(path), path] as const))("is a warning in %s", (_, path) => {
    const mutated = withValue([...path, "zyzzyva"], 1);
    const { spec, issues } = validateConfig(mutated);
    expect(spec).toBeDefined();
    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatchObject({
      severity: "warning",
      rule: "fields.unknown",
      pointer: joinPointer([...path, "zyzzyva"]),
    });
    expect(textAt(mutated, issues[0] as Issue)).toMatch(/^"zyzzyva": 1/);
  });
});

describe("a null", () => {
  const owned = all.filter(({ path }) => typeof path.at(-1) === "string");

  it.each(owned.map(({ path }) => [joinPointer(path), path] as const))("is as good as nothing at %s", (_, path) => {
    const withNull = validateConfig(withValue(path, null));
    const without = validateConfig(withValue(path, undefined));
    const places = (issues: readonly Issue[]) =>
      issues.map(({ pointer, rule, message }) => ({ pointer, rule, message }));
    expect(places(withNull.issues)).toEqual(places(without.issues));
    expect(withNull.spec).toEqual(without.spec);
  });
});
