import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect } from "vitest";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, runtime: ["runlet"] });
const { test } = e2e;
const repository = resolve(import.meta.dirname, "../..");

const source =
  "#include <stdio.h>\n#include <unistd.h>\nint main(void) { char name[65]; gethostname(name, sizeof name); puts(name); }\n";

function compile(directory: string, ...flags: string[]): string {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "printme");
  writeFileSync(`${path}.c`, source);
  execFileSync("cc", [...flags, "-o", path, `${path}.c`]);
  return path;
}

test("the README's container by hand", async () => {
  const bundle = join(e2e.directory, "my_container");
  mkdirSync(join(bundle, "rootfs"), { recursive: true });
  const id = e2e.id();
  const type = (...args: string[]) => e2e.runtime.succeed(args, { cwd: bundle });

  await type("spec");
  execFileSync("cp", [compile(join(e2e.directory, "static"), "-static"), join(bundle, "rootfs/printme")]);
  const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
  expect(config.hostname).toBe("runlet");
  config.process.args = ["/printme"];
  config.process.terminal = false;
  config.hostname = "HAL-9000";
  writeFileSync(join(bundle, "config.json"), JSON.stringify(config));

  const created = e2e.runtime.start(["create", id], { cwd: bundle });
  expect((await created.ended).status).toBe(0);
  expect(JSON.parse((await type("state", id)).stdout)).toMatchObject({ id, status: "created", bundle });
  await type("start", id);
  expect(await created.waitForOutput("HAL-9000")).toBe("HAL-9000\n");
  await e2e.runtime.waitForStatus(id, "stopped");
  expect((await type("list")).stdout).toContain(id);
  await type("delete", id);
  expect((await type("list", "--quiet")).stdout.trim()).toBe("");
});

describe("bundle", () => {
  for (const [kind, flags] of [
    ["static", ["-static"]],
    ["dynamic, with its interpreter and libraries", []],
  ] as const) {
    test(`--from an executable that is ${kind}`, async () => {
      const executable = compile(join(e2e.directory, `from-${kind.slice(0, 6)}`), ...flags);
      const bundle = join(e2e.directory, `bundle-from-${kind.slice(0, 6)}`);
      await e2e.runtime.succeed(["bundle", "--from", executable, bundle]);
      const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
      expect(config.process.args).toEqual(["/printme"]);
      const { stdout } = await e2e.runtime.succeed(["run", "--bundle", bundle, e2e.id()]);
      expect(stdout).toBe("runlet\n");
    });
  }

  test("--from a tar archive", { program: "busybox" }, async () => {
    const tree = join(e2e.directory, "tree");
    mkdirSync(join(tree, "bin"), { recursive: true });
    execFileSync("cp", [
      execFileSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).trim(),
      join(tree, "bin/busybox"),
    ]);
    execFileSync("ln", ["-s", "busybox", join(tree, "bin/sh")]);
    execFileSync("ln", ["-s", "busybox", join(tree, "bin/hostname")]);
    const archive = join(e2e.directory, "busybox.tar.gz");
    execFileSync("tar", ["-czf", archive, "-C", tree, "."]);
    const bundle = join(e2e.directory, "from-archive");
    await e2e.runtime.succeed(["bundle", "--from", archive, bundle]);
    const path = join(bundle, "config.json");
    const config = JSON.parse(readFileSync(path, "utf8"));
    config.process.terminal = false;
    config.process.args = ["sh", "-c", "hostname; exit 6"];
    writeFileSync(path, JSON.stringify(config));
    const result = await e2e.runtime.invoke(["run", "--bundle", bundle, e2e.id()]);
    expect([result.status, result.stdout, result.stderr]).toEqual([6, "runlet\n", ""]);
  });

  test("--from an executable of another architecture, or whose library is missing, says so", async () => {
    const executable = compile(join(e2e.directory, "foreign"), "-static");
    const bytes = readFileSync(executable);
    bytes.writeUInt16LE(process.arch === "arm64" ? 62 : 183, 18);
    writeFileSync(executable, bytes, { mode: 0o755 });
    const foreign = await e2e.runtime.invoke(["bundle", "--from", executable, join(e2e.directory, "foreign-bundle")]);
    expect(foreign.status).toBe(1);
    expect(foreign.stderr).toMatch(/aarch64|arm64|x86_64/);
    expect(readdirSync(e2e.directory)).not.toContain("foreign-bundle");

    const library = join(e2e.directory, "needy");
    mkdirSync(library);
    writeFileSync(join(library, "gone.c"), "int gone(void) { return 0; }\n");
    writeFileSync(join(library, "needy.c"), "int gone(void);\nint main(void) { return gone(); }\n");
    execFileSync("cc", ["-shared", "-fPIC", "-o", join(library, "libgone.so"), join(library, "gone.c")]);
    execFileSync("cc", ["-o", join(library, "needy"), join(library, "needy.c"), `-L${library}`, "-lgone"]);
    const needy = await e2e.runtime.invoke([
      "bundle",
      "--from",
      join(library, "needy"),
      join(e2e.directory, "needy-bundle"),
    ]);
    expect(needy.status).toBe(1);
    expect(needy.stderr).toContain("libgone.so");
    expect(readdirSync(e2e.directory)).not.toContain("needy-bundle");
  });
});

describe("plan and validate", () => {
  test("plan prints phases, operations and what each comes from", async () => {
    const bundle = e2e.bundle().probing("pid");
    const { stdout } = await e2e.runtime.succeed(["plan", bundle.hostPath]);
    for (const words of [
      /mount +init +proc on \/proc.*\/mounts\/0/,
      /exec.*\/process\/args/,
      /setHostname.*\/hostname/,
    ]) {
      expect(stdout).toMatch(words);
    }
    const plan = JSON.parse((await e2e.runtime.succeed(["plan", "--json", bundle.hostPath])).stdout);
    expect(plan.version).toBe(1);
    const operations = plan.phases.flatMap((phase: { operations: { op: string; from: string }[] }) => phase.operations);
    expect(operations.length).toBeGreaterThan(20);
    for (const { op, from } of operations) expect([op, from]).toEqual([op, expect.stringMatching(/^(\/|spec:)/)]);
  });

  test("plan makes nothing", async () => {
    const bundle = e2e.bundle().probing("pid");
    await e2e.runtime.succeed(["plan", bundle.hostPath]);
    expect(readdirSync(e2e.runtime.root)).toEqual([]);
    expect(readdirSync(bundle.rootfs)).toEqual(["probe"]);
  });

  test("validate reads a bundle or standard input, and says line and column", async () => {
    const bundle = e2e.bundle().probing("pid");
    await e2e.runtime.succeed(["validate", bundle.hostPath]);
    const result = await e2e.runtime.invoke(["validate", "-"], {
      input: '{\n  "ociVersion": "1.3.0",\n  "hostname": 5\n}\n',
    });
    expect(result.status).toBe(1);
    expect(result.stdout + result.stderr).toMatch(/:3:|line 3/);
    expect(result.stdout + result.stderr).toContain("/hostname");
  });
});

test("npm start walks through", async () => {
  const result = spawnSync(process.execPath, [join(repository, "scripts/walkthrough.js")], {
    encoding: "utf8",
    env: { ...process.env, TMPDIR: e2e.directory },
    input: "",
  });
  expect(result.stderr).toBe("");
  expect(result.status).toBe(0);
  expect(result.stdout).toContain("\nHAL-9000\n");
  expect(result.stdout).toContain("uid=0");
  expect(readdirSync(e2e.directory).filter((name) => name.startsWith("runlet-walkthrough"))).toEqual([]);
});
