import type { Option } from "./command.ts";

/** A value that an option does not take; its message ends the phrase `invalid value "x" for flag -name: `. */
export class InvalidValue extends Error {}

/** The values of Go's `strconv.ParseBool`, which runc's options are read with. */
const truthValues: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "false", "FALSE", "False"].map((text) => [text, false] as const),
]);

/**
 * Reads the text that was given for an option.
 *
 * @throws {@link InvalidValue} when the option does not take it.
 */
export function parseValue(option: Option, text: string): boolean | string | number {
  switch (option.type) {
    case "boolean":
      return parseBoolean(text);
    case "auto-boolean":
      return text === "auto" ? text : parseBoolean(text, "true, false or auto");
    case "integer":
      return parseInteger(text, option.minimum);
    case "duration":
      return parseDuration(text);
    case "string":
    case "strings":
      if (option.choices !== undefined && !option.choices.includes(text)) {
        throw new InvalidValue(`must be ${alternatives(option.choices)}`);
      }
      return text;
  }
}

/** The value of an option that was not given. */
export function defaultValue(option: Option): unknown {
  if (option.type === "boolean") return false;
  if (option.type === "strings") return [];
  if (typeof option.default === "string") return parseValue(option, option.default);
  return option.default;
}

/** `a, b or c`. */
export function alternatives(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join("") : `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
}

function parseBoolean(text: string, choices = "true or false"): boolean {
  const value = truthValues.get(text);
  if (value === undefined) throw new InvalidValue(`must be ${choices}`);
  return value;
}

function parseInteger(text: string, minimum: number | undefined): number {
  if (!/^[+-]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9][0-9]*|0)$/.test(text)) {
    throw new InvalidValue("must be an integer");
  }
  const digits = text.replace(/^[+-]/, "");
  const magnitude = Number(digits.replace(/^0(?=[0-7])/, "0o"));
  const value = text.startsWith("-") && magnitude !== 0 ? -magnitude : magnitude;
  if (!Number.isSafeInteger(value)) throw new InvalidValue("is out of range");
  if (minimum !== undefined && value < minimum) throw new InvalidValue(`must be at least ${minimum}`);
  return value;
}

const unitsMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Reads a duration of Go's, such as `5s`, `1m30s` or `0.5h`, into milliseconds. */
function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (
    !/^\+?([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$/.test(
      text,
    )
  ) {
    throw new InvalidValue("must be a duration such as 5s or 1m30s");
  }
  let totalMs = 0;
  for (const [, amount = "", unit = ""] of text.matchAll(/([0-9.]+)([a-zµμ]+)/g)) {
    totalMs += Number(amount) * (unitsMs[unit] ?? Number.NaN);
  }
  return totalMs;
}
