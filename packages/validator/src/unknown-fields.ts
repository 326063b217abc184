import { quote } from "@runlet/errors";
import type { Finding } from "./issue.ts";
import { joinPointer } from "./json-pointer.ts";
import { sectionOf } from "./sections.ts";
import { nearest } from "./suggestion.ts";

/** Members of each type and their types: a name, `*` and a name for a map, or nothing. */
export type MemberTable = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** A type of the table, and where its value stands. */
export interface Typed {
  readonly members: MemberTable;
  readonly type: string;
}

/**
 * Finds members that the specification does not have. It says that they are ignored and may be logged (config.md#extensibility);
 * each is a warning with the name that was likely meant.
 */
export function findUnknownFields(value: unknown, { members, type }: Typed): Finding[] {
  const findings: Finding[] = [];
  const path: (string | number)[] = [];

  const visit = (value: unknown, type: string): void => {
    if (type === "" || typeof value !== "object" || value === null) return;
    if (Array.isArray(value)) {
      for (const [index, element] of value.entries()) {
        path.push(index);
        visit(element, type);
        path.pop();
      }
      return;
    }
    const known = type.startsWith("*") ? undefined : members[type];
    for (const key of Object.keys(value)) {
      path.push(key);
      const memberType = known === undefined ? type.slice(1) : Object.hasOwn(known, key) ? known[key] : undefined;
      if (memberType === undefined) findings.push(unknownField(key, known ?? {}));
      else visit((value as Record<string, unknown>)[key], memberType);
      path.pop();
    }
  };
  const unknownField = (key: string, known: Readonly<Record<string, string>>): Finding => {
    const pointer = joinPointer(path);
    return {
      severity: "warning",
      pointer,
      rule: "fields.unknown",
      message: `the specification has no field ${quote(key)} here, so it is ignored`,
      spec: sectionOf(pointer),
      hint: suggest(key, known, { members, type }),
      atKey: true,
    };
  };

  visit(value, type);
  return findings;
}

function suggest(key: string, known: Readonly<Record<string, string>>, root: Typed): string | undefined {
  const here = nearest(key, Object.keys(known));
  if (here !== undefined && here.toLowerCase() === key.toLowerCase()) return `did you mean "${here}"?`;
  const elsewhere = listPlaces(root);
  const exact = elsewhere.get(key);
  if (exact !== undefined) return `did you mean ${exact}?`;
  if (here !== undefined) return `did you mean "${here}"?`;
  const near = nearest(key, elsewhere.keys());
  return near === undefined ? undefined : `did you mean ${elsewhere.get(near)}?`;
}

/** @returns the shallowest place of each name, as a pointer with `N` for an index and `NAME` for a key of a map. */
function listPlaces({ members, type }: Typed): Map<string, string> {
  const places = new Map<string, string>();
  const queue: { type: string; pointer: string }[] = [{ type, pointer: "" }];
  const seen = new Set<string>();
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (seen.has(next.type)) continue;
    seen.add(next.type);
    for (const [name, memberType] of Object.entries(members[next.type] ?? {})) {
      const pointer = `${next.pointer}/${name}`;
      if (!places.has(name)) places.set(name, pointer);
      if (memberType.startsWith("*")) queue.push({ type: memberType.slice(1), pointer: `${pointer}/NAME` });
      else if (memberType !== "") queue.push({ type: memberType, pointer });
    }
  }
  return places;
}
