import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fieldsOfTag, listFields, makeTable, readTags, readTests } from "./conformance.js";

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, "../packages/spec/generated/config.json"), "utf8"),
) as object;

describe("the fields", () => {
  const fields = listFields(schema) as string[];

  test("are those of Linux, down to what has no fields itself", () => {
    expect(fields).toEqual(expect.arrayContaining(["/ociVersion", "/process/user/uid", "/mounts/*/options"]));
    expect(fields).toEqual(expect.arrayContaining(["/linux/netDevices/*/name", "/linux/seccomp/syscalls/*/errnoRet"]));
    expect(fields).toEqual(expect.arrayContaining(["/linux/sysctl", "/annotations"]));
    expect(fields.filter((field) => /windows|solaris|freebsd|zos|commandLine/.test(field))).toEqual([]);
    expect(new Set(fields).size).toBe(fields.length);
  });

  test("each kind of hook is one, and what a hook has is listed once", () => {
    expect(fields.filter((field) => field.startsWith("/hooks"))).toEqual([
      "/hooks/prestart",
      "/hooks/createRuntime",
      "/hooks/createContainer",
      "/hooks/startContainer",
      "/hooks/poststart",
      "/hooks/poststop",
      "/hooks/*/path",
      "/hooks/*/args",
      "/hooks/*/env",
      "/hooks/*/timeout",
    ]);
  });
});

describe("tags", () => {
  test("stand at the beginning of a title, any number of them", () => {
    expect(readTags("[/a/b] [/c/*] says [/d]")).toEqual(["/a/b", "/c/*"]);
    expect(readTags("says [/d]")).toEqual([]);
  });

  test("stand for themselves, or with /** for all below", () => {
    const fields = ["/a", "/b/c", "/b/d", "/bc"];
    expect(fieldsOfTag("/b/c", fields)).toEqual(["/b/c"]);
    expect(fieldsOfTag("/b", fields)).toEqual([]);
    expect(fieldsOfTag("/b/**", fields)).toEqual(["/b/c", "/b/d"]);
    expect(fieldsOfTag("/list/name", ["/list/*/name"])).toEqual(["/list/*/name"]);
  });
});

test("the table has each field's tests, those without one, and tags that name nothing", () => {
  const result = (title: string, status: string) => ({ title, status, ancestorTitles: ["suite"] });
  const name = join(import.meta.dirname, "../test-e2e/tests/x.test.ts");
  const assertionResults = [
    result("[/a] holds", "passed"),
    result("[/a] also | so", "pending"),
    result("[/c] elsewhere", "skipped"),
    result("[/typo] x", "passed"),
  ];
  const tests = readTests([{ testResults: [{ name, assertionResults }] }]) as Parameters<typeof makeTable>[1];
  const { text, missing, unseen, unknown } = makeTable(["/a", "/b", "/c"], tests) as {
    text: string;
    missing: string[];
    unseen: string[];
    unknown: string[];
  };
  expect(text).toContain(
    "| `/a` | x.test.ts: suite › also \\| so | skipped |\n|  | x.test.ts: suite › holds | passed |",
  );
  expect(text).toContain("2 of 3 fields have a test.");
  expect(missing).toEqual(["/b"]);
  expect(unseen).toEqual(["/c"]);
  expect(text).toContain(
    "## Without a test\n\n- `/b`\n\n## Skipped on every machine that the reports are of\n\n- `/c`\n",
  );
  expect(unknown).toEqual(["/typo"]);
});

test("tests that only their tags tell apart are two", () => {
  const name = join(import.meta.dirname, "../test-e2e/tests/x.test.ts");
  const assertionResults = ["/a", "/b"].map((tag) => ({
    title: `[${tag}] holds`,
    status: "passed",
    ancestorTitles: ["suite"],
  }));
  const tests = readTests([{ testResults: [{ name, assertionResults }] }]) as Parameters<typeof makeTable>[1];
  expect(makeTable(["/a", "/b"], tests)).toMatchObject({ missing: [], unseen: [], unknown: [] });
});

test("of a test that several machines have run, what counts most is said", () => {
  const report = (...statuses: string[]) => ({
    testResults: [
      {
        name: join(import.meta.dirname, "../test-e2e/tests/x.test.ts"),
        assertionResults: statuses.map((status, index) => ({ title: `[/a] ${index}`, status, ancestorTitles: [] })),
      },
    ],
  });
  const reports = [report("skipped", "passed", "skipped"), report("passed", "failed", "skipped")];
  expect((readTests(reports) as { result: string }[]).map(({ result }) => result)).toEqual([
    "passed",
    "failed",
    "skipped",
  ]);
});
