import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";

let directory: string;

/** A program of the machine that only notes how it was called. */
function putProgram(path: string, script = ""): void {
  const hostPath = join(directory, path);
  mkdirSync(dirname(hostPath), { recursive: true });
  writeFileSync(hostPath, `#!/bin/sh\necho "\${0##*/} $*" >> ${directory}/calls\n${script}\n`, { mode: 0o755 });
}

/** A checkout that is installed, on a machine with `cc`, `npx` and nothing else. */
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runlet-bootstrap-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, "scripts"));
  cpSync(join(import.meta.dirname, "bootstrap.js"), join(directory, "scripts/bootstrap.js"));
  writeFileSync(join(directory, "package.json"), '{ "type": "module", "packageManager": "pnpm@1.2.3" }');
  writeFileSync(join(directory, "pnpm-lock.yaml"), "");
  utimesSync(join(directory, "pnpm-lock.yaml"), 1, 1);
  putProgram("node_modules/.bin/turbo", "echo a long banner");
  writeFileSync(join(directory, "node_modules/.runlet-installed"), "");
  putProgram("bin/cc");
  putProgram("bin/npx");
  mkdirSync(join(directory, "packages/cli/dist/bin"), { recursive: true });
  writeFileSync(
    join(directory, "packages/cli/dist/bin/runlet.js"),
    "console.log(process.cwd(), ...process.argv.slice(2)); process.exitCode = 7;",
  );
});

function bootstrap(...args: string[]) {
  const env = { PATH: join(directory, "bin"), INIT_CWD: join(directory, "bin") };
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(directory, "scripts/bootstrap.js"), ...args],
    // Standard input is a pipe's, as with npm.
    { encoding: "utf8", env },
  );
  const calls = existsSync(join(directory, "calls")) ? readFileSync(join(directory, "calls"), "utf8").split("\n") : [];
  return { status, stdout, stderr, calls: calls.filter((call) => call !== "" && call !== "cc --version") };
}

const build = "run build --output-logs=errors-only --no-update-notifier";

test("a command runs where it was typed, with its status, and nothing else on standard output", () => {
  putProgram("bin/pnpm");
  expect(bootstrap("start", "run", "--help")).toEqual({
    status: 7,
    stdout: `${join(directory, "bin")} run --help\n`,
    stderr: "runlet: building …\n",
    calls: [`turbo ${build}`],
  });
});

test("without pnpm, which turbo calls, npx brings it", () => {
  expect(bootstrap("prepare")).toMatchObject({ status: 0, calls: [`npx --yes pnpm@1.2.3 exec turbo ${build}`] });
});

test("what a newer lockfile names is installed first, once", () => {
  utimesSync(join(directory, "node_modules/.runlet-installed"), 0, 0);
  const { status, calls } = bootstrap("prepare");
  expect([status, calls[0]]).toEqual([0, "npx --yes pnpm@1.2.3 install --frozen-lockfile --silent"]);
  rmSync(join(directory, "calls"));
  expect(bootstrap("prepare").calls).toHaveLength(1);
});

test("a build that fails says why and ends with its status; nothing is run", () => {
  putProgram("node_modules/.bin/turbo", "echo what went wrong; echo and where >&2; exit 3");
  putProgram("bin/pnpm");
  expect(bootstrap("start", "list")).toMatchObject({
    status: 3,
    stdout: "",
    stderr: "runlet: building …\nwhat went wrong\nand where\n",
  });
});

test("without a C compiler it says how to get one", () => {
  putProgram("bin/cc", "exit 1");
  const { status, stderr, calls } = bootstrap("start");
  expect(status).toBe(1);
  expect(stderr).toMatch(/^runlet: a C compiler is needed .* apt-get install gcc/);
  expect(calls).toEqual([]);
});
