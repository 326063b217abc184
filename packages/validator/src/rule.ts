import type { Spec } from "@runlet/spec";
import type { Finding, Severity, Unsound } from "./issue.ts";
import { joinPointer } from "./json-pointer.ts";

/** What a rule says about an entry. */
export interface Report {
  /** Names and indices that lead to the entry. */
  readonly at: readonly (string | number)[];
  readonly message: string;
  readonly hint?: string | undefined;
  /** Defaults to `error`. */
  readonly severity?: Severity;
  /** Whether it is about the member's name. Defaults to false. */
  readonly atKey?: boolean;
}

/** A rule of the specification or of the kernel that the schema cannot say. */
export interface Rule<Subject = Unsound<Spec>> {
  /** Stable name: `namespaces.unique`. */
  readonly id: string;
  /** Section of the specification. */
  readonly spec: string;
  /** Reports what is wrong. The subject is sound in its types, but anything may be missing. */
  check(subject: Subject, report: (report: Report) => void): void;
}

/** Holds a subject against rules. */
export function applyRules<Subject>(rules: readonly Rule<Subject>[], subject: Subject): Finding[] {
  const findings: Finding[] = [];
  for (const rule of rules) {
    rule.check(subject, ({ at, severity = "error", ...rest }) => {
      findings.push({ ...rest, severity, pointer: joinPointer(at), rule: rule.id, spec: rule.spec });
    });
  }
  return findings;
}

/** The rules of a part, for the whole that holds it at `path`; they do not apply where the part is missing. */
export function rulesAt<Whole, Part>(options: {
  readonly path: readonly string[];
  readonly rules: readonly Rule<Part>[];
  select(whole: Whole): Part | undefined;
}): Rule<Whole>[] {
  return options.rules.map((rule) => ({
    id: rule.id,
    spec: rule.spec,
    check(whole, report) {
      const part = options.select(whole);
      if (part === undefined) return;
      rule.check(part, (found) => report({ ...found, at: [...options.path, ...found.at] }));
    },
  }));
}

/** The elements that are there, with their indices. */
export function present<T>(array: readonly (T | undefined)[] | undefined): readonly (readonly [number, T])[] {
  if (array === undefined) return [];
  return array.flatMap((element, index) => (element === undefined ? [] : [[index, element] as const]));
}

/** The members that are there, of an object whose every member is of one type: a map, not a record with fields. */
export function presentMembers<T>(
  map: Readonly<Record<string, T | undefined>> | undefined,
): readonly (readonly [string, T])[] {
  if (map === undefined) return [];
  return Object.entries(map).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
}

/** The entries whose key an earlier one has. */
export function repeated<T>(
  entries: readonly (readonly [number, T])[],
  keyOf: (entry: T) => string | undefined,
): readonly { readonly index: number; readonly entry: T; readonly key: string; readonly first: number }[] {
  const firsts = new Map<string, number>();
  return entries.flatMap(([index, entry]) => {
    const key = keyOf(entry);
    if (key === undefined) return [];
    const first = firsts.get(key);
    if (first !== undefined) return [{ index, entry, key, first }];
    firsts.set(key, index);
    return [];
  });
}
