import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const repository = join(import.meta.dirname, "..");
const packages = join(repository, "packages");

interface Example {
  readonly file: string;
  readonly code: string;
  /** `ts runnable root`: it makes containers, mounts or control groups of the host. */
  readonly needsRoot: boolean;
}

/** The fences that are marked `ts runnable`. */
function examplesOf(path: string): Example[] {
  if (!existsSync(path)) return [];
  return [...readFileSync(path, "utf8").matchAll(/^```ts runnable( root)?\n([\s\S]*?)^```$/gm)].map((match) => ({
    file: path.slice(repository.length + 1),
    code: match[2] ?? "",
    needsRoot: match[1] !== undefined,
  }));
}

const names = readdirSync(packages).filter((name) => existsSync(join(packages, name, "package.json")));
test.each(names)("%s has a README with an example that runs", (name) => {
  expect(examplesOf(join(packages, name, "README.md"))).not.toEqual([]);
});

describe("the examples run, with Node, against what is built", () => {
  const examples = names.flatMap((name) => examplesOf(join(packages, name, "README.md")));
  test.for(examples.map((example, index) => ({ ...example, index })))(
    "$file",
    { timeout: 60_000 },
    ({ file, code, needsRoot, index }, context) => {
      if (needsRoot && process.getuid?.() !== 0) {
        context.task.meta.skipReason = "needs root";
        context.skip();
      }
      // An example lies where its package is: there its own name and its dependencies resolve.
      const owner = join(repository, file, "..");
      const place = join(owner, "dist", ".readme-example");
      mkdirSync(place, { recursive: true });
      const path = join(place, `example-${index}.ts`);
      writeFileSync(path, code);
      try {
        const compiled = spawnSync(
          join(repository, "node_modules/.bin/tsc"),
          [
            "--noEmit",
            "false",
            "--outDir",
            place,
            "--rootDir",
            place,
            "--ignoreConfig",
            "--skipLibCheck",
            "--strict",
            "--target",
            "es2023",
            "--lib",
            "es2023,esnext.disposable",
            "--module",
            "nodenext",
            "--types",
            "node",
            "--typeRoots",
            join(repository, "node_modules/@types"),
            path,
          ],
          { encoding: "utf8" },
        );
        expect(compiled.stdout).toBe("");
        const result = spawnSync(process.execPath, [path.replace(/\.ts$/, ".js")], {
          cwd: owner,
          encoding: "utf8",
          timeout: 30_000,
        });
        expect(result.stderr).toBe("");
        expect(result.status).toBe(0);
      } finally {
        rmSync(place, { recursive: true, force: true });
      }
    },
  );
});
