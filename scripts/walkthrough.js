// The walk-through: from an empty directory to a process in a container, typed by hand, with nothing but this command, a C
// compiler, and Debian's busybox where it is installed. Everything happens in a temporary directory.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const main = join(repository, "packages/cli/dist/bin/runlet.js");
const directory = mkdtempSync(join(tmpdir(), "runlet-walkthrough-"));
const root = join(directory, "state");
const rootless = process.getuid() !== 0;
const suffix = process.pid;

function say(text = "") {
  process.stdout.write(`${text}\n`);
}

function explain(text) {
  say(`\n# ${text}`);
}

/** Runs a program as it is shown; ends the walk-through when it fails. */
function type(shown, [program, ...args], { cwd, capture = false } = {}) {
  say(`$ ${shown}`);
  const result = spawnSync(program, args, {
    cwd,
    stdio: ["inherit", capture ? "pipe" : "inherit", "inherit"],
    encoding: "utf8",
  });
  if (result.error || result.status !== 0) {
    throw new Error(`${shown}: ${result.error?.message ?? `status ${result.status ?? result.signal}`}`);
  }
  return result.stdout ?? "";
}

function runlet(line, options) {
  return type(`runlet ${line}`, [process.execPath, main, "--root", root, ...line.split(" ")], options);
}

function edit(bundle, change) {
  const path = join(bundle, "config.json");
  const config = JSON.parse(readFileSync(path, "utf8"));
  change(config);
  writeFileSync(path, JSON.stringify(config, null, 2));
}

/** Waits until the container has stopped: `start` returns as soon as its program runs. */
function waitUntilStopped(id, cwd) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const { stdout } = spawnSync(process.execPath, [main, "--root", root, "state", id], { cwd, encoding: "utf8" });
    if (JSON.parse(stdout).status === "stopped") return;
  }
  throw new Error(`container ${id} does not stop`);
}

function walkOneExecutable() {
  const bundle = join(directory, "my_container");
  const id = `mycont1-${suffix}`;
  explain("A bundle is a directory with a config.json and a root filesystem. `spec` writes a config to start from.");
  mkdirSync(bundle);
  runlet(rootless ? "spec --rootless" : "spec", { cwd: bundle });

  explain("One static executable is root filesystem enough. This one prints its host name.");
  mkdirSync(join(bundle, "rootfs"));
  const source = join(directory, "printme.c");
  writeFileSync(
    source,
    "#include <stdio.h>\n#include <unistd.h>\nint main(void) { char name[65]; return gethostname(name, sizeof name) || puts(name) < 0; }\n",
  );
  type("cc -static -o rootfs/printme printme.c", ["cc", "-static", "-o", join(bundle, "rootfs/printme"), source]);

  explain('In config.json: args ["/printme"], terminal false, hostname "HAL-9000".');
  edit(bundle, (config) => {
    config.process.args = ["/printme"];
    config.process.terminal = false;
    config.hostname = "HAL-9000";
  });

  explain("`create` makes the container; its program waits.");
  runlet(`create ${id}`, { cwd: bundle });
  runlet(`state ${id}`, { cwd: bundle });
  explain("`start` lets it go.");
  runlet(`start ${id}`, { cwd: bundle });
  waitUntilStopped(id, bundle);
  runlet("list", { cwd: bundle });
  runlet(`delete ${id}`, { cwd: bundle });
}

function walkDistribution() {
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
  if (busybox === undefined) {
    explain(
      "A root filesystem with a shell is left out: there is no busybox here (on Debian: apt-get install busybox-static).",
    );
    return;
  }
  explain(
    "A root filesystem comes as a tar archive; here one with Debian's busybox. `run` is create, start and delete in one.",
  );
  const tree = join(directory, "tree");
  mkdirSync(join(tree, "bin"), { recursive: true });
  mkdirSync(join(tree, "etc"));
  copyFileSync(busybox, join(tree, "bin/busybox"));
  for (const applet of ["sh", "hostname", "ls", "id"]) symlinkSync("busybox", join(tree, "bin", applet));
  writeFileSync(join(tree, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
  const archive = join(directory, "busybox.tar");
  type("tar -cf busybox.tar -C tree .", ["tar", "-cf", archive, "-C", tree, "."]);

  const bundle = join(directory, "my_distribution");
  mkdirSync(join(bundle, "rootfs"), { recursive: true });
  type("tar -xf busybox.tar -C rootfs", ["tar", "-xf", archive, "-C", join(bundle, "rootfs")]);
  runlet(rootless ? "spec --rootless" : "spec", { cwd: bundle });
  if (process.stdin.isTTY && process.stdout.isTTY) {
    explain("An interactive shell, on a terminal of its own. Try `hostname`, `ls /`, `id`; leave with `exit`.");
  } else {
    explain("There is no terminal here, so the shell is told what to do: hostname; id.");
    edit(bundle, (config) => {
      config.process.terminal = false;
      config.process.args = ["sh", "-c", "hostname; id"];
    });
  }
  runlet(`run mycont2-${suffix}`, { cwd: bundle });
}

let status = 0;
try {
  say("runlet: the walk-through, in a temporary directory that is removed at the end.");
  if (rootless)
    say("You are an ordinary user: the containers are rootless, in a user namespace with your own id as root.");
  walkOneExecutable();
  walkDistribution();
  say("\n# That was it. `npm start -- --help` lists the commands; README.md has the same from a program.");
} catch (error) {
  process.stderr.write(`runlet: the walk-through stopped: ${error.message}\n`);
  status = 1;
} finally {
  for (const id of [`mycont1-${suffix}`, `mycont2-${suffix}`]) {
    spawnSync(process.execPath, [main, "--root", root, "delete", "--force", id], { stdio: "ignore" });
  }
  rmSync(directory, { recursive: true, force: true });
}
process.exitCode = status;
