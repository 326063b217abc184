import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const repository = join(import.meta.dirname, "..");
const packages = join(repository, "packages");

/** The floors of the building, docs/architecture.md. An arrow points to a lower floor only. */
const floors: Readonly<Record<string, number>> = {
  spec: 0,
  errors: 0,
  validator: 1,
  seccomp: 1,
  syscall: 1,
  tar: 1,
  plan: 2,
  cgroups: 2,
  rootfs: 2,
  lifecycle: 3,
  image: 3,
  cli: 4,
};

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const names = readdirSync(packages).filter((name) => existsSync(join(packages, name, "package.json")));

function readManifest(name: string): Manifest {
  return JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8")) as Manifest;
}

function sourcesOf(name: string): string[] {
  const directory = join(packages, name, "src");
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.[cm]?[jt]s$/.test(file))
    .map((file) => join(directory, file));
}

/** What a module imports, exports from, or imports when it needs it, by specifier. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const pattern =
    /^\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;
  return [...text.matchAll(pattern)].map(([, from, bare, lazy]) => from ?? bare ?? lazy ?? "");
}

function isTest(file: string): boolean {
  return /\.(test|test-d)\.ts$/.test(file);
}

/** `@runlet/plan/x` is `plan`. */
function packageOf(specifier: string): string | undefined {
  return /^@runlet\/([^/]+)/.exec(specifier)?.[1];
}

test("every package has a floor", () => {
  expect(names.filter((name) => floors[name] === undefined)).toEqual([]);
  for (const name of names) expect(readManifest(name).name).toBe(`@runlet/${name}`);
});

describe.each(names)("%s", (name) => {
  const floor = floors[name] ?? -1;
  const manifest = readManifest(name);
  const declared = Object.keys({
    ...manifest.dependencies,
    ...manifest.peerDependencies,
    ...manifest.optionalDependencies,
  });

  test("depends only on lower floors", () => {
    const wrong = declared
      .map(packageOf)
      .filter((other) => other !== undefined && !((floors[other] ?? Number.POSITIVE_INFINITY) < floor));
    expect(wrong).toEqual([]);
  });

  test("imports what it declares, by its public entry, and nothing of a higher or the same floor", () => {
    const wrong: string[] = [];
    for (const file of sourcesOf(name).filter((file) => !isTest(file))) {
      for (const specifier of importsOf(file)) {
        if (specifier.startsWith("node:")) continue;
        if (specifier.startsWith(".")) {
          if (!join(file, "..", specifier).startsWith(join(packages, name)))
            wrong.push(`${file}: ${specifier} leaves the package`);
          continue;
        }
        const other = packageOf(specifier);
        const isDeclared = declared.some(
          (dependency) => specifier === dependency || specifier.startsWith(`${dependency}/`),
        );
        if (!isDeclared) wrong.push(`${file}: ${specifier} is not in package.json`);
        else if (other !== undefined && !((floors[other] ?? Number.POSITIVE_INFINITY) < floor))
          wrong.push(`${file}: ${specifier} is not below`);
        else if (other !== undefined && specifier !== `@runlet/${other}`)
          wrong.push(`${file}: ${specifier} is not a public entry`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("its TypeScript project refers to just the packages that it depends on", () => {
    const project = JSON.parse(readFileSync(join(packages, name, "tsconfig.json"), "utf8")) as {
      references?: { path: string }[];
    };
    const references = (project.references ?? []).map(({ path }) => path.replace(/^\.\.\//, "")).sort();
    expect(references).toEqual(
      declared
        .map(packageOf)
        .filter((other) => other !== undefined)
        .sort(),
    );
  });

  test("declares no package that it does not import", () => {
    const imported = new Set(sourcesOf(name).flatMap(importsOf).map(packageOf));
    const unused = declared.map(packageOf).filter((other) => other !== undefined && !imported.has(other));
    expect(unused).toEqual([]);
  });
});
