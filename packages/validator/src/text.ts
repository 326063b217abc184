import type { Finding } from "./issue.ts";
import { parseJson } from "./json-parser.ts";
import { joinPointer } from "./json-pointer.ts";

/** Most bytes of a text that are read unless an option says otherwise: 16 MiB. */
export const defaultMaximumBytes = 16 * 1024 * 1024;

/** A text as read: what is wrong with it as JSON, and its value unless it is none. */
export interface ReadText {
  readonly text: string;
  readonly findings: readonly Finding[];
  /** Undefined when the text is not JSON; `null` is a value. */
  readonly parsed: { readonly value: unknown } | undefined;
}

/** Decodes and parses a text. */
export function readText(input: string | Uint8Array, maximumBytes: number): ReadText {
  if (input.length > maximumBytes) {
    const message = `the text has more than ${maximumBytes} bytes`;
    return refused("", { rule: "json.size", message, offset: 0 });
  }
  const decoded = typeof input === "string" ? { text: input } : decode(input);
  if ("finding" in decoded) return decoded.finding;
  const { text } = decoded;
  const parsed = parseJson(text);
  if (parsed.problem !== undefined) return refused(text, { rule: "json.syntax", ...parsed.problem });
  const duplicates = parsed.duplicates.map(
    ({ pointer, offset }): Finding => ({
      severity: "warning",
      pointer,
      rule: "json.duplicateKey",
      message: "the name occurs twice in its object; the last one counts",
      spec: "config.md",
      offset,
    }),
  );
  const zeros = text.includes("\\u0000") ? findZeros(parsed.value) : [];
  return { text, findings: [...duplicates, ...zeros], parsed: { value: parsed.value } };
}

/** No string of a config can hold a zero byte: the kernel ends strings there. */
function findZeros(value: unknown): Finding[] {
  const findings: Finding[] = [];
  const report = (path: readonly (string | number)[], atKey: boolean) =>
    findings.push({
      severity: "error",
      pointer: joinPointer(path),
      rule: "json.zeroByte",
      message: "the string has a zero character, at which the kernel would end it",
      spec: "config.md",
      atKey,
    });
  const visit = (value: unknown, path: readonly (string | number)[]): void => {
    if (typeof value === "string" && value.includes("\0")) report(path, false);
    if (typeof value !== "object" || value === null) return;
    for (const [key, member] of Object.entries(value)) {
      if (key.includes("\0")) report([...path, key], true);
      visit(member, [...path, key]);
    }
  };
  visit(value, []);
  return findings;
}

function decode(bytes: Uint8Array): { text: string } | { finding: ReadText } {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    const valid = validPrefix(bytes);
    const message = `the byte 0x${(bytes[valid.bytes] ?? 0).toString(16).padStart(2, "0")} is not UTF-8`;
    return { finding: refused(valid.text, { rule: "json.encoding", message, offset: valid.text.length }) };
  }
}

/** The longest beginning that is UTF-8, by bisection: only bad input pays. */
function validPrefix(bytes: Uint8Array): { text: string; bytes: number } {
  let low = 0;
  let high = bytes.length;
  const decodePrefix = (length: number) =>
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length), { stream: true });
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    try {
      decodePrefix(middle);
      low = middle;
    } catch {
      high = middle;
    }
  }
  return { text: decodePrefix(low), bytes: low };
}

function refused(text: string, problem: Pick<Finding, "rule" | "message" | "hint" | "offset">): ReadText {
  const finding: Finding = { severity: "error", pointer: "", spec: "config.md", ...problem };
  return { text, findings: [finding], parsed: undefined };
}
