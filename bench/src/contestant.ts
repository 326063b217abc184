import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { bareCommand } from "./kernel-share.ts";
import type { Scene } from "./scene.ts";
import { Worker } from "./worker.ts";

const repository = resolve(import.meta.dirname, "../..");

/** What one measurement found. */
export interface Sample {
  readonly nanoseconds: number;
  /** Highest resident set of a process of the contestant's; null where it has none of its own to speak of. */
  readonly peakKiB: number | null;
}

/** The things that are measured. */
export const cases = ["run", "cycle", "inARow", "atATime"] as const;

/** A thing that is measured. */
export type Case = (typeof cases)[number];

/** The program that makes the library's system calls. */
export const kernelShare = "the kernel's own share (bare C)";

/** Somebody who runs containers. */
export interface Contestant {
  readonly name: string;
  /** What it does in a case, or undefined when it cannot. */
  measure(what: Case, size: Sizes): Promise<Sample> | undefined;
  /** Called once, before anything is measured. */
  warmUp?(): Promise<void>;
  close(): void;
}

/** How many containers the two cases of many have. */
export interface Sizes {
  readonly inARow: number;
  readonly atATime: number;
}

/**
 * Those who are here, and who is not with the reason.
 *
 * @param only - words, separated by commas, of which a name must have one; empty for all.
 */
export async function findContestants(
  scene: Scene,
  only: string,
): Promise<{ contestants: Contestant[]; absent: string[] }> {
  const contestants: Contestant[] = [];
  const absent: string[] = [];
  const bare = await bareCommand(scene, makeStateRoot(scene, "bare"));
  if (bare === undefined) absent.push(`${kernelShare}: it makes control groups of v1 alone`);
  else contestants.push(inC(kernelShare, bare));
  contestants.push(inC("the fewest calls that do it (bare C)", [scene.fewestPath, scene.rootfs, "/bin/true"]));
  const add = (name: string, reason: string | undefined, make: () => Contestant) => {
    if (!only.split(",").some((word) => name.includes(word))) return;
    if (reason === undefined) contestants.push(make());
    else absent.push(`${name}: ${reason}`);
  };
  const missing = (path: string) => (existsSync(path) ? undefined : `${path} is not there; build first`);

  const library = join(import.meta.dirname, "library-worker.js");
  const lifecycle = missing(join(repository, "packages/lifecycle/dist/index.js"));
  add("runlet, in process, Node", lifecycle, () =>
    inProcess("runlet, in process, Node", [process.execPath, library], scene),
  );
  const bun = findProgram("bun") ?? join(repository, "node_modules/@oven/bun-linux-x64/bin/bun");
  add("runlet, in process, Bun", lifecycle ?? missing(bun), () =>
    inProcess("runlet, in process, Bun", [bun, library], scene),
  );

  const standalone = join(repository, "dist/runlet");
  add("runlet, standalone", missing(standalone), () => command("runlet, standalone", [standalone], scene));
  const npm = join(repository, "packages/cli/dist/bin/runlet.js");
  add("runlet, npm", missing(npm), () => command("runlet, npm", [process.execPath, npm], scene));
  for (const peer of ["crun", "runc"]) {
    add(peer, findProgram(peer) === undefined ? "not on the PATH" : undefined, () => command(peer, [peer], scene));
  }
  add("bwrap", findProgram("bwrap") === undefined ? "not on the PATH" : undefined, () => bubblewrap(scene));
  return { contestants, absent };
}

function findProgram(name: string): string | undefined {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
}

async function readSample(answer: Promise<string>, name: string): Promise<Sample> {
  const [nanoseconds, peakKiB, failed] = (await answer).split(" ").map(Number);
  if (nanoseconds === undefined || Number.isNaN(nanoseconds))
    throw new Error(`${name} answered ${JSON.stringify(await answer)}`);
  if (failed !== undefined && failed > 0)
    throw new Error(`${name}: ${failed} of its runs failed; run it by hand to see why`);
  return { nanoseconds, peakKiB: peakKiB ?? null };
}

function inC(name: string, argv: readonly string[]): Contestant {
  const worker = new Worker(argv);
  const one = () => readSample(worker.ask(""), name);
  return {
    name,
    measure(what, size) {
      if (what === "run") return one();
      if (what !== "inARow") return undefined;
      return (async () => {
        let nanoseconds = 0;
        for (let index = 0; index < size.inARow; index++) nanoseconds += (await one()).nanoseconds;
        return { nanoseconds, peakKiB: null };
      })();
    },
    close: () => worker.close(),
  };
}

/**
 * How many containers a program of the library's has run before it is measured. The JIT compiles what is called a few times
 * for each container at last: after 1000 Node takes a tenth longer, and after 150 another tenth.
 */
export const warmUpCount = 10_000;

function inProcess(name: string, argv: readonly string[], scene: Scene): Contestant {
  const root = makeStateRoot(scene, name);
  const worker = new Worker([...argv, root]);
  const ask = (count: number, atATime: number) =>
    readSample(worker.ask(`run ${scene.bundle} ${count} ${atATime}`), name);
  return {
    name,
    measure(what, size) {
      // In process a run is create, start, wait and delete: the two cases are one.
      if (what === "run" || what === "cycle") return ask(1, 1);
      return what === "inARow" ? ask(size.inARow, 1) : ask(size.atATime, size.atATime);
    },
    // What a program that starts containers has behind it soon: its code is compiled.
    warmUp: async () => void (await ask(warmUpCount, 1)),
    close: () => worker.close(),
  };
}

function command(name: string, argv: readonly string[], scene: Scene): Contestant {
  const root = makeStateRoot(scene, name);
  const stopwatch = new Worker([scene.stopwatchPath]);
  const call = (...words: string[]) => [...argv, "--root", root, ...words];
  const run = call("run", "--bundle", scene.bundle, "bench-#");
  const ask = (words: readonly string[]) => readSample(stopwatch.ask(words.join("\t")), name);
  return {
    name,
    measure(what, size) {
      switch (what) {
        case "run":
          return ask(run);
        case "cycle":
          return ask([
            ...call("create", "--bundle", scene.bundle, "bench-#"),
            ";",
            ...call("start", "bench-#"),
            ";",
            ...call("delete", "--force", "bench-#"),
          ]);
        case "inARow":
          return ask([String(size.inARow), "*", ...run]);
        case "atATime":
          return ask([String(size.atATime), "@", ...run]);
      }
    },
    close: () => stopwatch.close(),
  };
}

function bubblewrap(scene: Scene): Contestant {
  const stopwatch = new Worker([scene.stopwatchPath]);
  const run = [
    "bwrap",
    "--unshare-all",
    "--ro-bind",
    scene.rootfs,
    "/",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "/bin/true",
  ];
  execFileSync("mkdir", ["-p", join(scene.rootfs, "proc"), join(scene.rootfs, "dev"), join(scene.rootfs, "sys")]);
  const ask = (words: readonly string[]) => readSample(stopwatch.ask(words.join("\t")), "bwrap");
  return {
    name: "bwrap (no cgroup, fewer mounts)",
    measure(what, size) {
      if (what === "run") return ask(run);
      return what === "atATime" ? ask([String(size.atATime), "@", ...run]) : undefined;
    },
    close: () => stopwatch.close(),
  };
}

function makeStateRoot(scene: Scene, name: string): string {
  const root = join(scene.stateDirectory, name.replaceAll(/[^a-z]+/gi, "-"));
  mkdirSync(root, { recursive: true });
  return root;
}
