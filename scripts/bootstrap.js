// The two commands of a fresh machine, `npm start` and `npm test`: brings pnpm, installs, builds, then does the job.
// Plain JavaScript with nothing but Node, since nothing is installed when it starts.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Runs a program with our streams; ends this process with its status when it fails. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (result.error) fail(`cannot run ${command}: ${result.error.message}`);
  if (result.status !== 0 && !options.tolerate) process.exit(result.status ?? 1);
  return result;
}

function fail(message) {
  process.stderr.write(`runlet: ${message}\n`);
  process.exit(1);
}

function pnpm(args, options) {
  return run("npx", ["--yes", manifest.packageManager, ...args], options);
}

/** Installs when the lockfile is newer than the last install, and builds what changed (turbo knows). */
function prepare() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node 20.19 or newer is needed; this is ${process.versions.node}`);
  if (spawnSync("cc", ["--version"], { stdio: "ignore" }).status !== 0) {
    fail("a C compiler is needed and `cc` does not run; on Debian: apt-get install gcc libc6-dev");
  }
  const stamp = join(root, "node_modules", ".runlet-installed");
  const lockfile = join(root, "pnpm-lock.yaml");
  if (!existsSync(stamp) || statSync(stamp).mtimeMs < statSync(lockfile).mtimeMs) {
    process.stderr.write("runlet: installing …\n");
    pnpm(["install", "--frozen-lockfile", "--silent"], { stdio: ["ignore", 2, 2] });
    writeFileSync(stamp, "");
  }
  build();
}

/** turbo calls the `pnpm` of the PATH. Where there is none, npx brings one: not always, since that takes a second. */
function build() {
  const hasPnpm = (process.env.PATH ?? "").split(":").some((directory) => existsSync(join(directory, "pnpm")));
  const turbo = hasPnpm
    ? [join(root, "node_modules", ".bin", "turbo")]
    : ["npx", "--yes", manifest.packageManager, "exec", "turbo"];
  const [program, ...args] = [...turbo, "run", "build", "--output-logs=errors-only", "--no-update-notifier"];
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" };
  process.stderr.write("runlet: building …\n");
  const stdio = ["ignore", "pipe", "pipe"];
  const result = spawnSync(program, args, { cwd: root, stdio, encoding: "utf8", maxBuffer: 64 << 20, env });
  if (result.error) fail(`cannot run ${program}: ${result.error.message}`);
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout}${result.stderr}`);
  process.exit(result.status ?? 1);
}

const [command, ...args] = process.argv.slice(2);
switch (command) {
  case "start":
    prepare();
    // A terminal interrupts all that runs on it; what becomes of that is the command's affair.
    process.on("SIGINT", () => {});
    if (args.length > 0)
      process.exit(
        run(process.execPath, [join(root, "packages/cli/dist/bin/runlet.js"), ...args], {
          cwd: process.env.INIT_CWD ?? root,
          tolerate: true,
        }).status ?? 1,
      );
    run(process.execPath, [join(root, "scripts/walkthrough.js")]);
    break;
  case "test":
    prepare();
    run(process.execPath, [join(root, "scripts/test.js"), ...args]);
    break;
  case "prepare":
    prepare();
    break;
  default:
    fail(`unknown job ${JSON.stringify(command)}: start, test or prepare`);
}
