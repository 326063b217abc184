import { quote } from "@runlet/errors";
import type { BusValue } from "@runlet/syscall";
import { invalidResource } from "../resource-value.ts";

/** A property of a unit, as StartTransientUnit and SetUnitProperties take it. @see org.freedesktop.systemd1(5) */
export interface UnitProperty {
  readonly name: string;
  /** D-Bus signature of the value. */
  readonly signature: string;
  readonly value: BusValue;
}

/** `a(sv)`, the form of both calls. */
export function toBusProperties(properties: readonly UnitProperty[]): BusValue[] {
  return properties.map(({ name, signature, value }) => [name, [signature, value]]);
}

const prefix = "org.systemd.property.";

/**
 * Properties from annotations `org.systemd.property.NAME`, whose values are in GVariant's text format: `uint64 5000000`,
 * `'inactive-or-failed'`, `true`, `['a', 'b']`. As in runc, a name that ends in `Sec` is in seconds and sets the property in
 * microseconds (`TimeoutStopSec` sets `TimeoutStopUSec`).
 *
 * @param annotations - the caller leaves out those that it does not allow.
 * @throws RunletError `ERR_RUNLET_CONFIG_INVALID` with the pointer of the annotation.
 */
export function annotatedProperties(annotations: Readonly<Record<string, string>>): UnitProperty[] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, text]) => {
      const pointer = `/annotations/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      const name = key.slice(prefix.length);
      if (!/^[A-Za-z]{3,}$/.test(name)) {
        throw invalidResource(pointer, `annotation ${quote(key)} names no property of a unit`);
      }
      const parsed = parseVariant(text, pointer);
      if (!name.endsWith("Sec") || name.endsWith("USec")) return { name, ...parsed };
      return { name: `${name.slice(0, -"Sec".length)}USec`, ...toMicroseconds(parsed, pointer) };
    });
}

interface Variant {
  readonly signature: string;
  readonly value: BusValue;
}

function toMicroseconds({ signature, value }: Variant, pointer: string): Variant {
  if (!"nqiuxtd".includes(signature)) throw invalidResource(pointer, "a property in seconds takes a number");
  const seconds = Number(value);
  return { signature: "t", value: BigInt(Math.round(seconds * 1_000_000)) };
}

const integerTypes: Readonly<Record<string, readonly [signature: string, least: bigint, greatest: bigint]>> = {
  byte: ["y", 0n, 255n],
  int16: ["n", -(2n ** 15n), 2n ** 15n - 1n],
  uint16: ["q", 0n, 2n ** 16n - 1n],
  int32: ["i", -(2n ** 31n), 2n ** 31n - 1n],
  uint32: ["u", 0n, 2n ** 32n - 1n],
  int64: ["x", -(2n ** 63n), 2n ** 63n - 1n],
  uint64: ["t", 0n, 2n ** 64n - 1n],
};

/** Reads one value in GVariant's text format; nested arrays, tuples and dictionaries are of no property that takes effect here. */
function parseVariant(text: string, pointer: string): Variant {
  const trimmed = text.trim();
  if (trimmed === "true" || trimmed === "false") return { signature: "b", value: trimmed === "true" };
  const array = /^(?:@as\s*)?\[(.*)\]$/s.exec(trimmed);
  if (array !== null) return { signature: "as", value: parseStrings(array[1] ?? "", pointer) };
  if (trimmed.startsWith("'") || trimmed.startsWith('"')) {
    const [only, ...rest] = parseStrings(trimmed, pointer);
    if (only === undefined || rest.length > 0) throw unreadable(text, pointer);
    return { signature: "s", value: only };
  }
  const number = /^(?:([a-z]+\d*)\s+)?([+-]?(?:\d+|0x[0-9a-f]+))$/i.exec(trimmed);
  if (number !== null) return parseInteger(number[1] ?? "int32", number[2] ?? "", pointer);
  const double = /^(?:double\s+)?([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/i.exec(trimmed);
  if (double !== null) return { signature: "d", value: Number(double[1]) };
  throw unreadable(text, pointer);
}

function parseInteger(type: string, digits: string, pointer: string): Variant {
  if (type === "double") return { signature: "d", value: Number(digits) };
  const known = integerTypes[type];
  if (known === undefined) throw unreadable(`${type} ${digits}`, pointer);
  const [signature, least, greatest] = known;
  const value = digits.startsWith("-") ? -BigInt(digits.slice(1)) : BigInt(digits.replace(/^\+/, ""));
  if (value < least || value > greatest) throw invalidResource(pointer, `${value} is out of range of ${type}`);
  return { signature, value };
}

/** Quoted strings with commas between. */
function parseStrings(list: string, pointer: string): string[] {
  const strings: string[] = [];
  const item = /\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*(,|$)/sy;
  for (let isOpen = list.trim() !== ""; isOpen; ) {
    const match = item.exec(list);
    if (match === null) throw unreadable(list, pointer);
    strings.push((match[1] ?? match[2] ?? "").replace(/\\(.)/gs, "$1"));
    isOpen = match[3] === ",";
  }
  return strings;
}

function unreadable(text: string, pointer: string): Error {
  return invalidResource(
    pointer,
    `cannot read the value ${quote(text)}`,
    'write it in GVariant\'s text format: "uint64 5", "\'text\'", "true", "[\'a\', \'b\']"',
  );
}
