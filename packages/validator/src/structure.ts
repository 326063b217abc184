import { quote } from "@runlet/errors";
import type { Finding } from "./issue.ts";
import { splitPointer } from "./json-pointer.ts";
import { sectionOf } from "./sections.ts";
import { nearest } from "./suggestion.ts";

/** An error as the generated validators report it. */
interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** A generated validator; the errors of the last call are its property. */
export interface SchemaValidator {
  (value: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}

/** What {@link checkStructure} finds. */
export interface Structure {
  readonly findings: readonly Finding[];
  /**
   * The value without what is of a wrong type or out of its range: members are missing, elements of arrays undefined. The value
   * itself where nothing is wrong.
   */
  readonly sound: unknown;
}

/** Holds a value against its JSON Schema. */
export function checkStructure(value: unknown, validate: SchemaValidator): Structure {
  if (validate(value)) return { findings: [], sound: value };
  const errors = validate.errors ?? [];
  const findings = errors.map((error) => explain(error, value));
  const sound = structuredClone(value);
  for (const error of errors) if (error.keyword !== "required") removeAt(sound, error.instancePath);
  return {
    findings,
    sound: errors.some(({ instancePath, keyword }) => instancePath === "" && keyword === "type") ? {} : sound,
  };
}

function explain(error: SchemaError, value: unknown): Finding {
  const pointer = error.instancePath;
  const found = valueAt(value, pointer);
  const { message, hint } = describe(error, found);
  return {
    severity: "error",
    pointer,
    rule: `schema.${ruleNames[error.keyword] ?? error.keyword}`,
    message,
    spec: sectionOf(pointer),
    hint,
  };
}

/** Keywords whose own name would not tell. */
const ruleNames: Readonly<Record<string, string>> = { int: "integer", const: "enum" };

function describe({ keyword, params }: SchemaError, found: unknown): { message: string; hint?: string | undefined } {
  switch (keyword) {
    case "required":
      return {
        message: `the field "${params.missingProperty}" is missing`,
        hint: missingHints[String(params.missingProperty)],
      };
    case "type":
      return { message: `must be ${typeNames[String(params.type)] ?? params.type}, not ${nameOf(found)}` };
    case "int":
      return describeInteger(params, found);
    case "enum": {
      const allowed = (params.allowedValues as readonly unknown[]).map(String);
      const meant = typeof found === "string" ? nearest(found, allowed) : undefined;
      const message = `must be one of ${allowed.join(", ")}, not ${nameOf(found)}`;
      return { message, hint: meant === undefined ? undefined : `did you mean "${meant}"?` };
    }
    case "const":
      return { message: `must be ${JSON.stringify(params.allowedValue)}, not ${nameOf(found)}` };
    case "minItems":
      return { message: "must have an entry at least" };
    case "pattern":
      return {
        message: `must be ${patternNames[String(params.pattern)] ?? `like ${params.pattern}`}, not ${nameOf(found)}`,
      };
    default:
      throw new Error(`no words for the schema keyword ${keyword}`);
  }
}

function describeInteger(params: SchemaError["params"], found: unknown): { message: string; hint?: string } {
  const message = `must be a whole number from ${params.minimum} to ${params.maximum}, not ${nameOf(found)}`;
  if (typeof found === "number" && Number.isInteger(found) && !Number.isSafeInteger(found)) {
    return { message, hint: "write it out in digits: with an exponent its exact value is not known" };
  }
  if (typeof found === "string" && /^-?\d+$/.test(found)) return { message, hint: "remove the quotes" };
  return { message };
}

const typeNames: Readonly<Record<string, string>> = {
  string: "a string",
  boolean: "true or false",
  object: "an object",
  array: "an array",
  number: "a number",
};

/** What to add for fields that other runtimes let be missing. */
const missingHints: Readonly<Record<string, string>> = {
  ociVersion: 'add "ociVersion": "1.3.0"',
  user: 'add "user": {"uid": 0, "gid": 0} for root',
};

/** The patterns of the schema in words. */
const patternNames: Readonly<Record<string, string>> = {
  "^RLIMIT_[A-Z]+$": 'a name like "RLIMIT_NOFILE"',
  "^[rwm]*$": 'letters out of "rwm"',
  "^[1-9][0-9]*[KMG]B$": 'a size like "2MB" or "1GB"',
};

function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  return typeof value === "string" ? quote(value) : String(value);
}

function valueAt(value: unknown, pointer: string): unknown {
  let at = value;
  for (const part of splitPointer(pointer)) at = (at as Record<string, unknown> | undefined)?.[part];
  return at;
}

function removeAt(value: unknown, pointer: string): void {
  const path = splitPointer(pointer);
  const last = path.pop();
  if (last === undefined) return;
  const owner = path.reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], value);
  if (Array.isArray(owner)) owner[Number(last)] = undefined;
  else if (typeof owner === "object" && owner !== null) delete (owner as Record<string, unknown>)[last];
}
