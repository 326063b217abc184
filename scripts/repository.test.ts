import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorCodes } from "../packages/errors/src/index.ts";

const repository = join(import.meta.dirname, "..");

/** Files that are or will be committed. */
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: repository,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "");

function read(file: string): string {
  try {
    return readFileSync(join(repository, file), "utf8");
  } catch {
    // Deleted and not yet committed as such.
    return "";
  }
}

test("nothing is left to be done later by a comment", () => {
  const marks = [["TO", "DO"].join(""), ["FIX", "ME"].join(""), ["XX", "X"].join("")];
  const pattern = new RegExp(`\\b(${marks.join("|")})\\b`);
  expect(files.filter((file) => !file.endsWith("pnpm-lock.yaml") && pattern.test(read(file)))).toEqual([]);
});

test("no file is long enough to have two reasons to change", () => {
  const long = files
    .filter((file) => /\.(ts|js|c|h)$/.test(file) && !file.includes("/generated/"))
    .map((file) => ({ file, lines: read(file).split("\n").length }))
    .filter(({ file, lines }) => lines > (file.includes(".test.") ? 600 : 400));
  expect(long).toEqual([]);
});

test("a link of a document leads to a file of the repository", () => {
  const broken = files
    .filter((file) => file.endsWith(".md"))
    .flatMap((file) =>
      [...read(file).matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
        .map(([, target = ""]) => join(file, "..", target))
        .filter((target) => !files.some((other) => other === target || other.startsWith(`${target}/`)))
        .map((target) => `${file}: ${target}`),
    );
  expect(broken).toEqual([]);
});

/** What the tool that makes versions of them takes for a changeset. */
test("a changeset says which packages change, and what for whom", () => {
  const names = files
    .filter((file) => /^packages\/[^/]+\/package\.json$/.test(file))
    .map((file) => (JSON.parse(read(file)) as { name: string }).name);
  const changesets = files.filter((file) => /^\.changeset\/(?!README)[^/]+\.md$/.test(file) && read(file) !== "");
  expect(changesets.length).toBeGreaterThan(0);
  for (const file of changesets) {
    const [, head = "", text = ""] = /^---\n(.*?)\n---\n(.*)$/s.exec(read(file)) ?? [];
    const releases = head.split("\n").map((line) => /^"(.+)": (?:major|minor|patch)$/.exec(line)?.[1]);
    expect(names, file).toEqual(expect.arrayContaining(releases));
    expect(text.trim(), file).not.toBe("");
  }
});

test.each(files.filter((file) => /^packages\/[^/]+\/package\.json$/.test(file)))(
  "%s publishes sources and what is built of them, no tests and nothing that the build keeps for itself",
  (file) => {
    const manifest: { files?: string[]; engines?: unknown } = JSON.parse(read(file));
    expect(manifest.files).toEqual(expect.arrayContaining(["dist", "!dist/.*", "src", "!src/**/*.test.ts"]));
    expect(manifest.engines).toEqual(JSON.parse(read("package.json")).engines);
  },
);

describe("error codes", () => {
  const sources = files.filter((file) => /^packages\/[^/]+\/src\/.*\.ts$/.test(file) && !file.endsWith(".test.ts"));
  const text = sources
    .filter((file) => file !== "packages/errors/src/codes.ts")
    .map(read)
    .join("\n");

  test.each(Object.keys(errorCodes))("%s is used", (code) => {
    expect(text).toContain(`"${code}"`);
  });

  test("are all listed: none is used that the list lacks", () => {
    const used = new Set([...text.matchAll(/"(ERR_RUNLET_[A-Z_]+)"/g)].map((match) => match[1] ?? ""));
    expect([...used].filter((code) => !(code in errorCodes))).toEqual([]);
  });
});
