import type { Spec } from "@runlet/spec";
import { parseJson, stringifyJson } from "@runlet/validator";
import type { RecordedProcess, StateRecord } from "./state-record.ts";

/** The texts of configs that nobody changes; empty until they have been asked for. */
const configTexts = new WeakMap<Spec, string>();

/** Says that a config is shared by containers and stays as it is: most of a record is its config, and made text of once. */
export function shareConfig(config: Spec): void {
  if (!configTexts.has(config)) configTexts.set(config, "");
}

/** What is behind the process in the text of an intent, until it is written again with its process. */
const bodies = new WeakMap<StateRecord, string>();

/** A record with its process, whose text differs from the record's in that alone, and is made of it. */
export function withProcess(record: StateRecord, process: RecordedProcess): StateRecord {
  const completed = { ...record, ...process };
  const body = bodies.get(record);
  bodies.delete(record);
  if (body !== undefined) bodies.set(completed, body);
  return completed;
}

/** A record as JSON; integers beyond 2^53 (bigint) keep every digit. */
export function stringifyRecord(record: StateRecord): string {
  const { init_process_pid: pid, init_process_start: start } = record;
  const body = bodies.get(record) ?? stringifyBody(record);
  if (pid === 0) bodies.set(record, body);
  else bodies.delete(record);
  return `{"init_process_pid":${pid},"init_process_start":${start},${body}`;
}

function stringifyBody(record: StateRecord): string {
  // A property that is undefined is left out.
  const others = { ...record, init_process_pid: undefined, init_process_start: undefined };
  const known = configTexts.get(record.config);
  if (known === undefined) return stringify(others).slice(1);
  const configText = known || stringify(record.config);
  configTexts.set(record.config, configText);
  return `${stringify({ ...others, config: undefined }).slice(1, -1)},"config":${configText}}`;
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
