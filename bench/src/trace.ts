/**
 * Shows that the bare program makes the library's system calls: prints, as JSON, how often each makes which one for one
 * container, as strace(1) sees them; null where the bare program does not know the host's control groups.
 *
 *   node bench/dist/trace.js
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bareCommand } from "./kernel-share.ts";
import { runInMountNamespace } from "./mount-namespace.ts";
import { makeScene } from "./scene.ts";

/** What Node does for itself, and what the bare program does in its place. */
const ofEngines =
  /^(futex|madvise|mprotect|mmap|munmap|mremap|brk|rt_sig\w+|epoll_\w+|poll|ppoll|clock_\w+|gettid|getrusage|sched_yield|restart_syscall)$/;

/** The same call by another name. */
const aliases: Readonly<Record<string, string>> = { clone3: "clone", dup3: "dup2", mkdirat: "mkdir" };

/** @returns null for a line that is no call, or none that counts. */
function nameOf(line: string): string | null {
  const [, name = "", rest = ""] = /^\d+ +(\w+)\((.*)$/.exec(line) ?? [];
  if (name === "" || ofEngines.test(name)) return null;
  // The counter by which a thread of the pool wakes the loop.
  if (/^(read|write)$/.test(name) && rest.includes(String.raw`"\1\0\0\0\0\0\0\0"`)) return null;
  // A look that finds nothing yet: how many there are is a matter of time.
  if (/ EAGAIN | EBUSY /.test(rest) || (name === "waitid" && rest.includes(", {}, "))) return null;
  if (name === "unlinkat") return rest.includes("AT_REMOVEDIR") ? "rmdir" : "unlink";
  return aliases[name] ?? name;
}

/** The lines of a log of `strace -f`, with those that it has cut apart made whole. */
function wholeLines(log: string): string[] {
  const lines: string[] = [];
  const begun = new Map<string, string>();
  for (const line of log.split("\n")) {
    const [, thread = "", text = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    const whole = resumed === null ? text : `${begun.get(thread) ?? ""}${resumed[1]}`;
    const cut = /^(.*) <unfinished \.\.\.>$/.exec(whole);
    if (cut === null) lines.push(`${thread} ${whole}`);
    else begun.set(thread, cut[1] ?? "");
  }
  return lines;
}

/** Counts what is done for the last container of a log: from the look at its config to the removal of its state. */
function countCalls(log: string, stateHostPath: string): Record<string, number> {
  const lines = wholeLines(log);
  const begin = lines.findLastIndex((line) => line.includes("/config.json"));
  const isRemoval = (line: string) => line.includes(`"${stateHostPath}`) && nameOf(line) === "rmdir";
  const end = lines.findLastIndex(isRemoval);
  if (begin < 0 || end < begin) throw new Error("strace has seen no container");
  const counts = new Map<string, number>();
  for (const line of lines.slice(begin, end + 1)) {
    const name = nameOf(line);
    if (name !== null) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function compare(): Promise<void> {
  const scene = makeScene();
  try {
    const bareRoot = join(scene.stateDirectory, "bare");
    const libraryRoot = join(scene.stateDirectory, "library");
    for (const root of [bareRoot, libraryRoot]) mkdirSync(root);
    const bare = await bareCommand(scene, bareRoot);
    const trace = (argv: readonly string[], input: string, stateHostPath: string) => {
      const log = join(scene.directory, "log");
      execFileSync("strace", ["-f", "-qq", "-s", "64", "-o", log, ...argv], {
        input,
        stdio: ["pipe", "ignore", "inherit"],
      });
      return countCalls(readFileSync(log, "utf8"), stateHostPath);
    };
    if (bare === undefined) {
      console.log("null");
    } else {
      // A config that was written a moment ago is read again each time.
      await sleep(6000);
      const library = [process.execPath, join(import.meta.dirname, "library-worker.js"), libraryRoot];
      console.log(
        JSON.stringify({
          library: trace(library, `run ${scene.bundle} 3 1\n`, libraryRoot),
          bare: trace(bare, "\n\n", bareRoot),
        }),
      );
    }
  } finally {
    execFileSync("umount", ["--lazy", scene.stateDirectory]);
    rmSync(scene.directory, { recursive: true, force: true });
  }
}

if (!runInMountNamespace()) await compare();
