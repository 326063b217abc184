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
  /** Yields what is wrong. The subject is sound in its types, but anything may be missing. */
  check(subject: Subject): Iterable<Report>;
}

/** Holds a subject against rules. */
export function applyRules<Subject>(rules: readonly Rule<Subject>[], subject: Subject): Finding[] {
  const findings: Finding[] = [];
  for (const rule of rules) {
    for (const { at, severity = "error", ...rest } of rule.check(subject)) {
      findings.push({ ...rest, severity, pointer: joinPointer(at), rule: rule.id, spec: rule.spec });
    }
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
    *check(whole) {
      const part = options.select(whole);
      if (part === undefined) return;
      for (const report of rule.check(part)) yield { ...report, at: [...options.path, ...report.at] };
    },
  }));
}

/** The elements that are there, with their indices. */
export function* present<T>(array: readonly (T | undefined)[] | undefined): Iterable<[number, T]> {
  for (const [index, element] of (array ?? []).entries()) if (element !== undefined) yield [index, element];
}

/** The members that are there, of an object whose every member is of one type: a map, not a record with fields. */
export function* presentMembers<T>(map: Readonly<Record<string, T | undefined>> | undefined): Iterable<[string, T]> {
  for (const [key, value] of Object.entries(map ?? {})) if (value !== undefined) yield [key, value];
}

/** Yields the entries whose key an earlier one has. */
export function* repeated<T>(
  entries: Iterable<[number, T]>,
  keyOf: (entry: T) => string | undefined,
): Iterable<{ index: number; entry: T; key: string; first: number }> {
  const firsts = new Map<string, number>();
  for (const [index, entry] of entries) {
    const key = keyOf(entry);
    if (key === undefined) continue;
    const first = firsts.get(key);
    if (first === undefined) firsts.set(key, index);
    else yield { index, entry, key, first };
  }
}
