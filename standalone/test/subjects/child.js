import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const env = { PATH: "/usr/bin:/bin" };
const stdio = ["pipe", "pipe", "pipe"];

/** What comes of a program. */
function end(file, args, options = {}, { input = "", meanwhile } = {}) {
  return new Promise((resolve) => {
    const seen = { stdout: "", stderr: "", events: [] };
    const child = spawn(file, args, { env, stdio, ...options });
    for (const name of ["stdout", "stderr"]) child[name].on("data", (chunk) => (seen[name] += chunk.toString()));
    child.stdin.on("error", () => {
      // Of an empty input Node writes nothing, and yet tells of a program that has ended before it was closed.
      if (input !== "") seen.events.push("input error");
    });
    child.stdin.end(input);
    child.once("exit", (code, signal) => seen.events.push(["exit", code, signal, child.kill("SIGTERM")]));
    child.once("close", (code, signal) => {
      seen.events.push(["close", code, signal]);
      resolve(seen);
    });
    child.once("error", ({ code, errno, syscall, path, spawnargs, message }) =>
      resolve({ code, errno, syscall, path, spawnargs, message, pid: child.pid, killed: child.kill("SIGTERM") }),
    );
    meanwhile?.(child);
  });
}

export async function child({ show, tryTo, directory }) {
  const sh = (script, ...rest) => end("/bin/sh", ["-c", script], ...rest);
  show("output", await sh("echo out; echo err >&2; exit 3"));
  show("input", await sh("cat", {}, { input: "héllo" }));
  const long = await sh("cat; echo end", {}, { input: "0123456789".repeat(50_000) });
  show("long", long.stdout.length, long.stdout.slice(-5), long.events);
  const unread = await sh("exec <&-; sleep 0.05; exit 0", {}, { input: "x".repeat(300_000) });
  show("unread", unread.events.at(-1), unread.events.includes("input error"));
  show("signal", (await sh("kill -9 $$")).events, (await sh("kill -USR1 $$")).events);
  show(
    "killed",
    (await sh("exec sleep 60", {}, { meanwhile: (child) => setTimeout(() => child.kill("SIGKILL"), 20) })).events,
  );
  show(
    "killed softly",
    (await sh("exec sleep 60", {}, { meanwhile: (child) => setTimeout(() => child.kill(), 20) })).events,
  );
  show("environment", await sh("env | sort", { env: { A: "1", B: "", PATH: "/usr/bin:/bin", C: "a=b" } }));
  show("directory", await sh("pwd", { cwd: "/usr" }), await sh("pwd", { cwd: "/absent" }));
  show("argv0", await sh("tr '\\0' ' ' < /proc/self/cmdline; cat /proc/$$/cmdline | tr '\\0' ' '", { argv0: "named" }));
  show("descriptors", (await sh("cd /proc/$$/fd; for fd in *; do echo $fd; done | sort -u | head -3")).stdout);
  const status = (await sh("grep -E 'SigBlk|SigIgn|SigCgt' /proc/self/status")).stdout;
  show("signals", status);
  show("absent", await end("/absent/program", ["x"]), await end("absent-program", []));
  show("forbidden", await end("/etc/passwd", []), await end("/", []));
  await lookUp(show, directory);
  inTurn(show, tryTo);
}

async function lookUp(show, directory) {
  const [one, two] = ["one", "two"].map((name) => join(directory, name));
  for (const path of [one, two]) mkdirSync(path);
  writeFileSync(join(one, "tool"), "#!/bin/sh\necho one\n", { mode: 0o644 });
  writeFileSync(join(two, "tool"), "#!/bin/sh\necho two\n", { mode: 0o755 });
  show("path", (await end("tool", [], { env: { PATH: `/absent:${one}:${two}` } })).stdout);
  show("path to none", (await end("tool", [], { env: { PATH: `/absent:${one}` } })).code);
  show("path of here", (await end("tool", [], { env: { PATH: "/absent:" }, cwd: two })).stdout);
  show("no path", (await end("ls", ["-d", "/"], { env: {} })).stdout);
}

function inTurn(show, tryTo) {
  const run = (file, args, maxBuffer = 1_000_000) => {
    const { status, signal, stdout, stderr, error } = spawnSync(file, args, {
      encoding: "utf8",
      maxBuffer,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const failure = error && [error.message, error.code, error.errno, error.syscall, error.path, error.spawnargs];
    return error === undefined ? { status, signal, stdout, stderr } : { status, signal, failure };
  };
  show("in turn", run("/bin/sh", ["-c", "echo é; echo err >&2; cat; exit 4"]));
  show("in turn, killed", run("/bin/sh", ["-c", "kill -TERM $$"]));
  show("in turn, long", run("/bin/sh", ["-c", "seq 100000"]).stdout.length);
  tryTo("in turn, absent", () => run("/absent/program", ["a"]));
  show("in turn, too much", run("/bin/sh", ["-c", "exec seq 100000000"], 1000).failure);
  show("in turn, of ours", run("/bin/sh", ["-c", "echo $SHOWN"]));
}
