import { describeDescriptor, describeOperation } from "./describe.ts";
import { isParentOperation, type Plan } from "./operation.ts";

/** Longer arguments push what follows them to the right rather than the whole column. */
const widestArguments = 60;

/**
 * A plan as a table for a person, what `runlet plan` prints: for each phase its operations in order, who carries each out,
 * its arguments in short, and the config entry that it comes from. Ends with a newline.
 */
export function formatPlan(plan: Plan): string {
  const descriptors = plan.descriptors.map((descriptor, slot) => [
    `${slot}`,
    "parent",
    describeDescriptor(descriptor),
    descriptor.from,
  ]);
  const phases = plan.phases.map(({ name, operations }) => ({
    name,
    rows: operations.map((operation) => [
      operation.op,
      isParentOperation(operation) ? "parent" : "init",
      describeOperation(operation),
      operation.from,
    ]),
  }));
  const sections = [...(descriptors.length > 0 ? [{ name: "descriptors", rows: descriptors }] : []), ...phases];
  const rows = sections.flatMap((section) => section.rows);
  const widths = [0, 1, 2].map((column) => {
    const widest = Math.max(0, ...rows.map((row) => row[column]?.length ?? 0));
    return column === 2 ? Math.min(widest, widestArguments) : widest;
  });
  const line = (row: readonly string[]) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd();
  return sections
    .filter((section) => section.rows.length > 0)
    .map((section) => `${[section.name, ...section.rows.map(line)].join("\n")}\n`)
    .join("\n");
}

/** A value that `JSON.stringify` takes as it is. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/**
 * A plan as plain JSON, for programs: a 64-bit value is a number where that is exact and else a decimal string, and a filter
 * is `{ base64, instructions }`. Operations of the parent have `by: "parent"`, the others `by: "init"`.
 */
export function planToJson(plan: Plan): { readonly [key: string]: JsonValue } {
  return {
    version: plan.version,
    descriptors: plan.descriptors.map(toJson),
    phases: plan.phases.map(({ name, operations }) => ({
      name,
      operations: operations.map((operation) => {
        const { op, from, ...rest } = operation;
        return { op, by: isParentOperation(operation) ? "parent" : "init", ...(toJson(rest) as object), from };
      }),
    })),
    warnings: toJson(plan.warnings ?? []),
  };
}

function toJson(value: unknown): JsonValue {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (value instanceof Uint8Array) return { base64: toBase64(value), instructions: value.length / 8 };
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, toJson(entry)]));
  }
  return value as JsonValue;
}

function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
