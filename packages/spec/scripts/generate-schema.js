/**
 * Writes the JSON Schemas of `generated/` from the types of `src/`. With `--check` it writes nothing and fails when a file is
 * not what it would write.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createGenerator } from "ts-json-schema-generator";

const packagePath = join(dirname(fileURLToPath(import.meta.url)), "..");

/** File name, type, title. */
const schemas = [
  ["config", "Spec", "OCI runtime configuration (config.json)"],
  ["state", "State", "OCI container state"],
  ["features", "Features", "OCI runtime features"],
  ["container-process-state", "ContainerProcessState", "OCI container process state of a seccomp listener"],
  ["image-manifest", "ImageManifest", "OCI image manifest"],
  ["image-index", "ImageIndex", "OCI image index"],
  ["image-config", "ImageConfiguration", "OCI image configuration"],
  ["image-layout", "ImageLayout", "OCI image layout"],
];

const generator = createGenerator({
  path: join(packagePath, "src/index.ts"),
  tsconfig: join(packagePath, "tsconfig.schema.json"),
  expose: "export",
  topRef: true,
  jsDoc: "extended",
  additionalProperties: true,
  sortProps: true,
  skipTypeCheck: false,
});

/** The bounds of 64-bit integers as a double prints them, and as they are. */
const bounds = new Map([
  ["18446744073709552000", "18446744073709551615"],
  ["-9223372036854776000", "-9223372036854775808"],
  ["9223372036854776000", "9223372036854775807"],
]);

let stale = 0;
mkdirSync(join(packagePath, "generated"), { recursive: true });
for (const [name, type, title] of schemas) {
  const { $schema, $ref, definitions } = generator.createSchema(type);
  const json = JSON.stringify({ $schema, title, $ref, definitions }, null, 2);
  const text = `${json.replace(/(?<="(?:min|max)imum": )-?\d{19,20}/g, (bound) => bounds.get(bound) ?? bound)}\n`;
  const hostPath = join(packagePath, "generated", `${name}.json`);
  if (!process.argv.includes("--check")) writeFileSync(hostPath, text);
  else if (readFileSync(hostPath, "utf8") !== text) {
    stale++;
    process.stderr.write(`${hostPath} is stale: run "pnpm --filter @runlet/spec build"\n`);
  }
}
process.exitCode = stale === 0 ? 0 : 1;
