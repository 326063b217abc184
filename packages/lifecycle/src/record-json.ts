import type { Spec } from "@runlet/spec";
import { parseJson, stringifyJson } from "@runlet/validator";
import type { StateRecord } from "./state-record.ts";

/** The texts of configs that nobody changes; empty until they have been asked for. */
const configTexts = new WeakMap<Spec, string>();

/** Says that a config is shared by containers and stays as it is: most of a record is its config, and made text of once. */
export function shareConfig(config: Spec): void {
  if (!configTexts.has(config)) configTexts.set(config, "");
}

/** A record as JSON; integers beyond 2^53 (bigint) keep every digit. */
export function stringifyRecord(record: StateRecord): string {
  const known = configTexts.get(record.config);
  if (known === undefined) return stringify(record);
  const configText = known || stringify(record.config);
  configTexts.set(record.config, configText);
  // A property that is undefined is left out.
  return `${stringify({ ...record, config: undefined }).slice(0, -1)},"config":${configText}}`;
}

function stringify(value: object): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    // JSON.stringify knows no bigint; ours does, and is the slower one.
    if (!(error instanceof TypeError)) throw error;
    return stringifyJson(value);
  }
}

/** The record in a text that {@link stringifyRecord} wrote. @throws SyntaxError */
export function parseRecord(text: string): StateRecord {
  const value = parseExactly(text) as Partial<StateRecord> | null;
  if (typeof value?.id !== "string" || value.version !== 1) throw new SyntaxError("this is no record of a container");
  // The exact parser leaves out what is null.
  return { ...(value as StateRecord), cgroup: value.cgroup ?? null };
}

function parseExactly(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const parsed = parseJson(text);
  if (parsed.problem !== undefined) throw new SyntaxError(parsed.problem.message);
  return parsed.value;
}
