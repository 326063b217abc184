// Makes the standalone command: `runlet`, a small executable that starts at once, its init helper, and `runlet-bun`, with its
// addon, for the commands that the small one leaves to it. `node scripts/standalone.js [DIR]`; the default is dist/ at the top.
// `--arch arm64` makes the first two for another architecture.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildEngine, engineNotice } from "../standalone/scripts/build-engine.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bun = join(root, "node_modules", "@oven", `bun-linux-${process.arch}`, "bin", "bun");

/**
 * Split, so that a command loads its own code and no other's. A command is over before a JIT pays, so it starts forty times
 * later than by default: `validate` takes 9.0 ms instead of 10.4 (minima of 40 interleaved runs), while a loop that does
 * profit, such as unpacking 50,000 files, is as fast as with the default (a thousand times later it takes a tenth longer).
 * Without the two autoload switches, a bunfig.toml or .env in the current directory, which is often somebody else's bundle,
 * would run code or set variables as root. The condition takes every package by its sources.
 */
const flags = [
  "--compile",
  "--minify",
  "--bytecode",
  "--format=esm",
  "--splitting",
  "--compile-jit-policy=40",
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--conditions=@runlet/source",
];

/**
 * Variables of the environment by which an executable of Bun's loads code (`BUN_OPTIONS=--preload=…`), becomes Bun's own
 * command line, or listens for a debugger. There is no switch against them, and a developer's shell may well have them set.
 */
const unwantedVariables = ["BUN_OPTIONS", "BUN_BE_BUN", "BUN_INSPECT", "BUN_INSPECT_CONNECT_TO", "BUN_INSPECT_PRELOAD"];

/** Blanks the variables' names in the executable: a name of NULs is one that no environment can have. */
function ignoreVariables(executable) {
  const bytes = readFileSync(executable);
  for (const name of unwantedVariables) {
    const pattern = Buffer.from(`\0${name}\0`);
    const index = bytes.indexOf(pattern);
    if (index < 0 || bytes.indexOf(pattern, index + 1) >= 0) {
      throw new Error(`${name} does not stand in this Bun exactly once: look up how this version reads it`);
    }
    bytes.fill(0, index, index + pattern.length);
  }
  writeFileSync(executable, bytes);
}

/** The commit that the executable is made of, marked when something was changed since; undefined outside a repository. */
function describeCommit() {
  try {
    const options = { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
    return execFileSync("git", ["describe", "--always", "--dirty", "--abbrev=12", "--match="], options).trim();
  } catch {
    return undefined;
  }
}

/** Puts a file into place in one step, so that an executable that is running can be replaced. */
function install(source, target, mode) {
  const temporary = `${target}.${process.pid}`;
  if (source !== temporary) execFileSync("install", ["-m", mode, source, temporary]);
  renameSync(temporary, target);
}

/** The licences of the libraries in the program, as its build for npm has collected them. */
const programNotices = join(root, "packages", "cli", "dist", "bin", "THIRD-PARTY-NOTICES");
const [main, program] = ["main.ts", "program.ts"].map((name) => join(root, "packages", "cli", "src", name));

/**
 * Modules that want what the small executable has not: registries, archives, compression, CRIU. Each is imported before its
 * command has done anything.
 */
const delegatedModules = [
  /^\.\/commands\/(bundle|checkpoint|restore|image\/[a-z]+)\.ts$/,
  /^\.\.\/(images|image\/run-request)\.ts$/,
  /^\.\/bundle-removal\.ts$/,
];

const delegation = {
  name: "delegation",
  resolveId(source) {
    const isDelegated = delegatedModules.some((pattern) => pattern.test(source));
    return isDelegated ? join(root, "standalone", "src", "delegate.ts") : null;
  },
};

function buildBun(target, define) {
  const temporary = `${target}.${process.pid}`;
  const constants = Object.entries(define).map(([name, value]) => `--define=${name}=${value}`);
  execFileSync(
    bun,
    ["build", ...flags, ...constants, main, `--outfile=${temporary}`],
    // A directory without a bunfig.toml or .env: this one's own must not decide what is built.
    { cwd: dirname(target), stdio: ["ignore", "ignore", "inherit"] },
  );
  ignoreVariables(temporary);
  install(temporary, target, "755");
}

/**
 * Builds into a directory.
 *
 * @param {string} outDir - made if it is not there.
 * @param {string} [arch] - another than this machine's gets no `runlet-bun`.
 * @returns {Promise<string[]>} the paths of what was made, `runlet` first.
 */
export async function buildStandalone(outDir, arch = process.arch) {
  const prebuilds = join(root, "packages", "syscall", "prebuilds", `linux-${arch}`);
  const helper = join(prebuilds, "runlet-init");
  const addon = join(prebuilds, "@runlet+syscall.node");
  for (const needed of [bun, addon, helper, programNotices]) {
    if (!existsSync(needed)) throw new Error(`${needed} is missing: run "pnpm install" and "pnpm build" first`);
  }
  mkdirSync(outDir, { recursive: true });
  const { version } = JSON.parse(readFileSync(join(root, "packages", "cli", "package.json"), "utf8"));
  const commit = describeCommit();
  const define = {
    RUNLET_VERSION: JSON.stringify(version),
    ...(commit === undefined ? {} : { RUNLET_COMMIT: JSON.stringify(commit) }),
  };
  const [runlet, runletInit] = ["runlet", "runlet-init"].map((name) => join(outDir, name));
  await buildEngine({ entry: main, loaded: [program], target: runlet, define, plugins: [delegation], arch });
  install(helper, runletInit, "755");
  writeFileSync(join(outDir, "THIRD-PARTY-NOTICES"), `${engineNotice()}\n${readFileSync(programNotices, "utf8")}`);
  if (arch !== process.arch) return [runlet, runletInit];
  const [runletBun, runletNode] = ["runlet-bun", "runlet.node"].map((name) => join(outDir, name));
  buildBun(runletBun, define);
  install(addon, runletNode, "644");
  return [runlet, runletInit, runletBun, runletNode];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({ options: { arch: { type: "string" } }, allowPositionals: true });
  for (const path of await buildStandalone(resolve(positionals[0] ?? join(root, "dist")), values.arch)) {
    process.stdout.write(`${basename(path).padEnd(12)} ${statSync(path).size} bytes  ${path}\n`);
  }
}
