// Writes docs/conformance.md: each field of a Linux config.json, the end-to-end tests that observe it, and their results.
//
//   node scripts/conformance.js [--check | --dry-run] [--complete] REPORT...
//
// REPORT is what `vitest run --project e2e --reporter=json --outputFile=REPORT` wrote; several are of several kinds of
// machine. A test says which fields it observes at the beginning of its title, or of the title of what it belongs to:
// `[/process/cwd]`, several one after the other, `*` for any key or index (or left out), `/**` for all that lies below.
// --check writes nothing and fails when the table is another one; --dry-run writes nothing. --complete fails when a field has
// no test. A tag that names no field always fails.
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tablePath = join(root, "docs", "conformance.md");
const schemaPath = join(root, "packages", "spec", "generated", "config.json");

/** What other platforms have, and Windows within what all have. */
const foreign = ["/windows", "/solaris", "/freebsd", "/vm", "/zos", "/process/commandLine", "/process/user/username"];

/**
 * The fields of a config of Linux, as JSON Pointers with `*` for an index or a key, in the order of the schema. A field is
 * what has no fields itself. Members of one object that hold the same (the kinds of hooks) are one field each, and what they
 * hold is listed once.
 *
 * @param {object} schema - JSON Schema with definitions, as packages/spec generates it.
 * @returns {string[]}
 */
export function listFields(schema) {
  const fields = [];
  const resolve = (node) => (node.$ref === undefined ? node : schema.definitions[node.$ref.split("/").at(-1)]);
  const itemOf = (node) => {
    const { items, additionalProperties } = resolve(node);
    return items ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
  };
  const visit = (node, pointer) => {
    if (foreign.includes(pointer)) return;
    const { properties } = resolve(node);
    const item = itemOf(node);
    const isList = item !== undefined && resolve(item).properties !== undefined;
    if (properties !== undefined) visitMembers(properties, pointer);
    else if (isList) visit(item, `${pointer}/*`);
    else fields.push(pointer);
  };
  const visitMembers = (properties, pointer) => {
    const members = Object.entries(properties);
    const shared = new Set(members.map(([, member]) => itemOf(member)?.$ref));
    const [only] = shared;
    if (
      members.length > 1 &&
      shared.size === 1 &&
      resolve({ $ref: only ?? "/Spec" }).properties &&
      only !== undefined
    ) {
      fields.push(...members.map(([name]) => `${pointer}/${name}`));
      visit({ $ref: only }, `${pointer}/*`);
      return;
    }
    for (const [name, member] of members) visit(member, `${pointer}/${name}`);
  };
  visit(schema, "");
  return fields;
}

/** The tags at the beginning of a title. */
export function readTags(title) {
  return /^(?:\[\/[^\]]*\]\s*)*/.exec(title)[0].match(/\/[^\]]*/g) ?? [];
}

// A tag may leave the `*` out: `/mounts/options` is `/mounts/*/options`.
function withoutWildcards(pointer) {
  return pointer.replaceAll("/*", "");
}

/** Whether a field is what a pointer names, or lies below it. */
function relate(field, pointer) {
  for (const name of [field, withoutWildcards(field)]) {
    if (name === pointer) return "same";
    if (name.startsWith(`${pointer}/`)) return "below";
  }
  return "other";
}

/** The fields that a tag stands for: itself, or with `/**` all that lies below. */
export function fieldsOfTag(tag, fields) {
  const isBelow = tag.endsWith("/**");
  const pointer = isBelow ? tag.slice(0, -"/**".length) : tag;
  const wanted = isBelow ? ["same", "below"] : ["same"];
  return fields.filter((field) => wanted.includes(relate(field, pointer)));
}

/** Whether a tag names a field, or what holds fields. */
function isKnown(tag, fields) {
  const pointer = tag.replace(/\/\*\*$/, "");
  return fields.some((field) => relate(field, pointer) !== "other");
}

/**
 * The tests of reports: where, title without tags, tags, result. One that several reports have, of runs on several kinds of
 * machine, has failed when it has failed on one, and is skipped when it is skipped on all.
 */
export function readTests(reports) {
  const byName = new Map();
  for (const test of reports.flatMap(testsOf)) {
    const name = [test.file, test.title, ...test.tags].join("\0");
    const known = byName.get(name);
    if (known === undefined || results.indexOf(test.result) > results.indexOf(known.result)) byName.set(name, test);
  }
  return [...byName.values()];
}

/** What counts more stands behind. */
const results = ["skipped", "passed", "failed"];

function testsOf({ testResults }) {
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ title, status, ancestorTitles }) => ({
      // Wherever the repository lay on that machine.
      file: name.split("/test-e2e/tests/").at(-1),
      title: [...ancestorTitles, title]
        .map((text) => text.replace(/^(?:\[\/[^\]]*\]\s*)+/, ""))
        .filter(Boolean)
        .join(" › "),
      tags: [...ancestorTitles, title].flatMap(readTags),
      result: status === "pending" || status === "skipped" || status === "todo" ? "skipped" : status,
    })),
  );
}

/**
 * The table as Markdown, the fields without a test, those whose tests were skipped on every machine, and the tags that name no
 * field.
 */
export function makeTable(fields, tests) {
  const unknown = [...new Set(tests.flatMap(({ tags }) => tags).filter((tag) => !isKnown(tag, fields)))].sort();
  const byField = new Map(fields.map((field) => [field, []]));
  for (const test of tests)
    for (const tag of test.tags) for (const field of fieldsOfTag(tag, fields)) byField.get(field).push(test);
  const missing = fields.filter((field) => byField.get(field).length === 0);
  const unseen = fields.filter((field) => {
    const all = byField.get(field);
    return all.length > 0 && all.every(({ result }) => result === "skipped");
  });
  const rows = fields.flatMap((field) =>
    byField
      .get(field)
      .sort((a, b) => (a.file + a.title < b.file + b.title ? -1 : 1))
      .map(
        ({ file, title, result }, index) =>
          `| ${index === 0 ? `\`${field}\`` : ""} | ${escapeCell(`${file}: ${title}`)} | ${result} |`,
      ),
  );
  const text = [
    "# Conformance",
    "",
    "Every field that version 1.3 of the runtime specification defines for Linux, and the tests that observe its effect from",
    "inside a container. `node scripts/conformance.js` makes this table of the tests' report.",
    "",
    "What takes hardware that few machines have is shown as far as others can show it. `/linux/intelRdt`: on a host that looks as",
    "if it had resctrl, the container's processes are in the class of service and the monitoring group that the config names;",
    "that the processor holds them to their share is not seen. `/linux/resources/rdma`: a device that the host does not have is",
    "refused by name.",
    "",
    `${fields.length - missing.length} of ${fields.length} fields have a test.`,
    "",
    "| field | test | result |",
    "|---|---|---|",
    ...rows,
    ...listOf("Without a test", missing),
    ...listOf("Skipped on every machine that the reports are of", unseen),
    "",
  ].join("\n");
  return { text, missing, unseen, unknown };
}

function listOf(title, fields) {
  return fields.length === 0 ? [] : ["", `## ${title}`, "", ...fields.map((field) => `- \`${field}\``)];
}

function escapeCell(text) {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

function main(args) {
  const reports = args.filter((arg) => !arg.startsWith("--")).map((path) => JSON.parse(readFileSync(path, "utf8")));
  if (reports.length === 0)
    throw new Error("usage: node scripts/conformance.js [--check | --dry-run] [--complete] REPORT...");
  const fields = listFields(JSON.parse(readFileSync(schemaPath, "utf8")));
  const { text, missing, unseen, unknown } = makeTable(fields, readTests(reports));
  const complaints = unknown.map((tag) => `the tag [${tag}] names no field`);
  if (args.includes("--complete")) complaints.push(...missing.map((field) => `no test observes ${field}`));
  if (args.includes("--check")) {
    if (readFileSync(tablePath, "utf8") !== text) complaints.push("docs/conformance.md is not what these reports make");
  } else if (!args.includes("--dry-run")) writeFileSync(tablePath, text);
  for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
  const skipped = unseen.length === 0 ? "" : `; skipped on every machine: ${unseen.join(" ")}`;
  process.stdout.write(`${fields.length - missing.length} of ${fields.length} fields have a test${skipped}\n`);
  return complaints.length === 0 ? 0 : 1;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv.slice(2));
}
