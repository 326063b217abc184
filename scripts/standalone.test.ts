import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildStandalone } from "./standalone.js";

let directory: string;
let executable: string;
let larger: string;
let hostile: string;

/** What might be looked for in the current directory: by Bun, by a bundler's require, by node-gyp-build. */
const planted = [
  ".env",
  ".env.local",
  ".env.production",
  "package.json",
  "tsconfig.json",
  "runlet.node",
  "runlet-init",
  "build/Release/runlet.node",
  "prebuilds/linux-x64/@runlet+syscall.node",
  "node_modules/@runlet/syscall/prebuilds/linux-x64/@runlet+syscall.node",
  "../addon/runlet.node",
  "../prebuilds/linux-x64/@runlet+syscall.node",
];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "runlet-standalone-"));
  [executable = "", , larger = ""] = await buildStandalone(join(directory, "bin"));
  hostile = join(directory, "bundle");
  mkdirSync(hostile);
  for (const name of planted) {
    mkdirSync(join(hostile, name, ".."), { recursive: true });
    writeFileSync(join(hostile, name), "{}");
    // A file system with relatime notes the next access if the last one was before the last change.
    utimesSync(join(hostile, name), 1, 2);
  }
  writeFileSync(
    join(hostile, "planted.js"),
    `require("node:fs").writeFileSync(${JSON.stringify(join(directory, "ran"))}, "");`,
  );
  writeFileSync(join(hostile, "bunfig.toml"), 'preload = ["./planted.js"]\n');
}, 300_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const options = {
    cwd: hostile,
    encoding: "utf8",
    env: { PATH: process.env.PATH, TMPDIR: hostile, ...env },
  } as const;
  return spawnSync(program, args, options);
}

/** What was opened of what lies in the current directory. */
function accessed(): string[] {
  return planted.filter((name) => statSync(join(hostile, name)).atimeMs !== 1000);
}

describe("the standalone executable", () => {
  it("says its version, and the name that it was called by", () => {
    const { version } = JSON.parse(readFileSync(new URL("../packages/cli/package.json", import.meta.url), "utf8"));
    const { stdout } = run(executable, ["--version"]);
    expect(stdout).toMatch(
      /^runlet version .*\n(commit: [0-9a-f]{12}(-dirty)?\n)?spec: 1\.3\.0\nquickjs: 2021-03-27\n$/,
    );
    expect(stdout).toContain(`runlet version ${version}\n`);
    const link = join(directory, "runc");
    execFileSync("ln", ["-s", executable, link]);
    expect(run(link, ["--version"]).stdout).toMatch(/^runc version /);
    expect(run(larger, ["--version"]).stdout).toMatch(
      /^runlet-bun version .*\n(commit: .*\n)?spec: 1\.3\.0\nbun: .*\n$/,
    );
  });

  it("loads what it needs from beside it, through a link too, and nothing from the current directory", () => {
    const before = readdirSync(hostile).sort();
    const link = join(directory, "linked");
    execFileSync("ln", ["-s", executable, link]);
    const { status, stderr } = run(link, ["bundle", "--from", "/bin/true", join(directory, "made")]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(accessed()).toEqual([]);
    expect(readdirSync(directory)).not.toContain("ran");
    expect(readdirSync(hostile).sort()).toEqual(before);
  });

  it("hands a command over as it was given, under the name that it was called by", () => {
    const link = join(directory, "docker-runlet");
    execFileSync("ln", ["-s", executable, link]);
    const { status, stderr } = run(link, ["--log-format", "json", "image", "inspect", "sp ace"]);
    expect(status).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ level: "error", msg: expect.stringContaining("sp ace") });
    expect(run(link, ["bundle", "--help"]).stdout).toContain("docker-runlet bundle");
  });

  it("takes no notice of the variables that make Node and Bun load code", () => {
    const preload = join(hostile, "planted.js");
    for (const program of [executable, larger]) {
      const { stdout, stderr } = run(program, ["--version"], {
        NODE_OPTIONS: `--require ${preload}`,
        BUN_INSPECT_PRELOAD: preload,
        BUN_OPTIONS: `--preload=${preload}`,
        BUN_BE_BUN: "1",
        // A port that cannot be listened on: the attempt would be reported.
        BUN_INSPECT: "localhost:1:nonsense",
      });
      expect(stdout).toMatch(/^runlet(-bun)? version /);
      expect(stderr).toBe("");
      expect(readdirSync(directory)).not.toContain("ran");
    }
  });

  it("looks for what it hands commands to, and that for its addon, nowhere else", () => {
    const alone = join(directory, "alone");
    mkdirSync(alone);
    cpSync(executable, join(alone, "runlet"));
    const bundle = ["bundle", "--from", "/bin/true", join(directory, "unmade")];
    const without = run(join(alone, "runlet"), bundle);
    expect(without.status).toBe(1);
    expect(without.stderr).toContain(`${join(alone, "runlet-bun")}, which carries this command out: no such file`);
    cpSync(larger, join(alone, "runlet-bun"));
    const { status, stderr } = run(join(alone, "runlet"), bundle);
    expect(status).toBe(1);
    expect(stderr).toContain(`looked for ${join(alone, "runlet.node")}. `);
    expect(accessed()).toEqual([]);
  });

  // What the tests above conclude from is proved last: it leaves its traces.
  it("would have been seen to read a file", () => {
    readFileSync(join(hostile, ".env"));
    expect(accessed()).toEqual([".env"]);
  });
});
