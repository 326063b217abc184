/**
 * Compiles the JSON Schemas of @runlet/spec to validators that need no library, and the names that each object may have to
 * a table: `generated/{config,state,features}.js`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { _, Ajv } from "ajv";
import standaloneCode from "ajv/dist/standalone/index.js";

const require = createRequire(import.meta.url);
const generatedPath = join(dirname(fileURLToPath(import.meta.url)), "../generated");

/** Modules, and of each the validators by name and type. */
const modules = {
  config: { schema: "config", validators: { Spec: "Spec", Process: "Process", LinuxResources: "LinuxResources" } },
  state: { schema: "state", validators: { State: "State" } },
  features: { schema: "features", validators: { Features: "Features" } },
};

/**
 * `int: [minimum, maximum]`: a whole number as the parser gives it, a safe `number` or a `bigint`. Bounds of 64 bits are
 * compared as `x < 2^64`, which a double holds exactly where it does not hold `2^64 - 1`.
 */
const int = {
  keyword: "int",
  schemaType: "array",
  error: { message: "int", params: ({ schema }) => _`{minimum: ${schema[0]}, maximum: ${schema[1]}}` },
  code(cxt) {
    const { data, schema } = cxt;
    const minimum = Number(schema[0]);
    const above = Number(BigInt(schema[1]) + 1n);
    cxt.pass(
      _`(typeof ${data} == "number" ? Number.isSafeInteger(${data}) : typeof ${data} == "bigint") && ${data} >= ${minimum} && ${data} < ${above}`,
    );
  },
};

/** The schema without what validation does not need, and with {@link int} for integers. */
function forValidation(schema) {
  if (Array.isArray(schema)) return schema.map(forValidation);
  if (typeof schema !== "object" || schema === null) return schema;
  if (schema.enum !== undefined) return { enum: schema.enum };
  if (schema.const !== undefined) return { const: schema.const };
  if (schema.type === "integer") return { int: [exactBound(schema.minimum), exactBound(schema.maximum)] };
  const kept = Object.entries(schema).filter(([name]) => !(name === "description" && typeof schema[name] === "string"));
  return Object.fromEntries(
    kept
      .filter(
        ([name, value]) =>
          !(name === "deprecated" && value === true) && !(name === "additionalProperties" && value === true),
      )
      .map(([name, value]) => [name, forValidation(value)]),
  );
}

/** Undoes the rounding of `JSON.parse`. */
function exactBound(bound) {
  if (Number.isSafeInteger(bound)) return String(bound);
  return String(bound < 0 ? BigInt(bound) : BigInt(bound) - 1n);
}

/**
 * Which members each type has, and of which type they are: `"Process"`, `"*LinuxRdma"` for a map of them, `""` for what has no
 * members of its own. An array stands for its elements.
 */
function tableOfMembers(definitions) {
  const typeOf = (schema) => {
    if (schema.$ref !== undefined) {
      const name = schema.$ref.replace("#/definitions/", "");
      return definitions[name].properties === undefined ? "" : name;
    }
    if (schema.items !== undefined) return typeOf(schema.items);
    if (typeof schema.additionalProperties === "object") {
      const values = typeOf(schema.additionalProperties);
      return values === "" ? "" : `*${values}`;
    }
    return "";
  };
  const table = {};
  for (const [name, definition] of Object.entries(definitions)) {
    if (definition.properties === undefined) continue;
    table[name] = Object.fromEntries(
      Object.entries(definition.properties).map(([member, schema]) => [member, inlineType(name, member, schema)]),
    );
  }
  return table;

  /** An object that has no name of its own gets that of its place. */
  function inlineType(owner, member, schema) {
    if (schema.properties === undefined) return typeOf(schema);
    const name = `${owner}.${member}`;
    table[name] = Object.fromEntries(
      Object.entries(schema.properties).map(([inner, innerSchema]) => [inner, inlineType(name, inner, innerSchema)]),
    );
    return name;
  }
}

/** Takes out what ajv writes and nothing here reads: the schemas' places, and schemas that no validator refers to. */
function trim(code) {
  const withoutPlaces = code.replace(/,schemaPath:"[^"]*"/g, "");
  return withoutPlaces.replace(/^const (schema\d+) = .*;\n/gm, (line, name) =>
    withoutPlaces.split(new RegExp(`\\b${name}\\b`)).length > 2 ? line : "",
  );
}

const declarations = (validators) => `/** An error as ajv reports it, without messages. */
export interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
}
export interface SchemaValidator {
  (value: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}
${validators.map((name) => `export declare const validate${name}: SchemaValidator;`).join("\n")}
/** Members of each type and their types: a name, \`*\` and a name for a map, or nothing. */
export declare const members: Readonly<Record<string, Readonly<Record<string, string>>>>;
`;

mkdirSync(generatedPath, { recursive: true });
for (const [name, { schema: file, validators }] of Object.entries(modules)) {
  const schema = require(`@runlet/spec/schema/${file}.json`);
  const ajv = new Ajv({
    allErrors: true,
    messages: false,
    strict: true,
    strictTypes: false,
    inlineRefs: 1,
    code: { source: true, esm: true, lines: true, optimize: true },
  });
  ajv.addKeyword(int);
  ajv.addSchema({ $id: "runlet", definitions: forValidation(schema.definitions) });
  const ids = Object.entries(validators).map(([type, definition]) => {
    ajv.addSchema({ $id: type, $ref: `runlet#/definitions/${definition}` });
    return [`validate${type}`, type];
  });
  const code = trim(standaloneCode.default(ajv, Object.fromEntries(ids)));
  if (/\brequire\(|\bimport\b/.test(code)) throw new Error(`the validators of ${file} import something`);
  const table = `export const members = ${JSON.stringify(tableOfMembers(schema.definitions))};\n`;
  writeFileSync(join(generatedPath, `${name}.js`), `${code}\n${table}`);
  writeFileSync(join(generatedPath, `${name}.d.ts`), declarations(Object.keys(validators)));
}
