import { parseJson, stringifyJson } from "@runlet/validator";
import type { StateRecord } from "./state-record.ts";

/** A record as JSON; integers beyond 2^53 (bigint) keep every digit. */
export function stringifyRecord(record: StateRecord): string {
  try {
    return JSON.stringify(record);
  } catch (error) {
    // JSON.stringify knows no bigint; ours does, and is the slower one.
    if (!(error instanceof TypeError)) throw error;
    return stringifyJson(record);
  }
}

/** The record in a text that {@link stringifyRecord} wrote. @throws SyntaxError */
export function parseRecord(text: string): StateRecord {
  const value = parseExactly(text) as Partial<StateRecord> | null;
  if (typeof value?.id !== "string" || value.version !== 1) throw new SyntaxError("this is no record of a container");
  return value as StateRecord;
}

function parseExactly(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const parsed = parseJson(text);
  if (parsed.problem !== undefined) throw new SyntaxError(parsed.problem.message);
  return parsed.value;
}
