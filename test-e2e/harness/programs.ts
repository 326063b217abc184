import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";

const home = join(import.meta.dirname, "..");

/** Where the programs of the tests are compiled to. */
const buildDirectory = join(home, "build");

/** The static program that runs inside containers; `init/probe/probe.h` says how it is used. */
export const probePath = join(buildDirectory, "probe");

/** The person at a terminal; `init/terminal/terminal.c` says how it is used. */
export const terminalPath = join(buildDirectory, "terminal");

/** What answers the notifications of a seccomp filter; `init/agent/agent.c` says how it is used. */
export const agentPath = join(buildDirectory, "agent");

/** What swaps two paths all the while; `init/racer/racer.c` says how it is used. */
export const racerPath = join(buildDirectory, "racer");

const programs = [
  { path: probePath, sources: "init/probe", flags: ["-static", "-Os"] },
  { path: agentPath, sources: "init/agent", flags: ["-O1"] },
  { path: terminalPath, sources: "init/terminal", flags: ["-O1"] },
  { path: racerPath, sources: "init/racer", flags: ["-O1"] },
];

/** Compiles what is older than its sources. */
export function compilePrograms(): void {
  mkdirSync(buildDirectory, { recursive: true });
  for (const { path, sources, flags } of programs) {
    const directory = join(home, sources);
    const files = readdirSync(directory).map((name) => join(directory, name));
    const newest = Math.max(...files.map((file) => statSync(file).mtimeMs));
    if (existsSync(path) && statSync(path).mtimeMs >= newest) continue;
    const temporaryPath = `${path}.${process.pid}`;
    execFileSync(
      process.env.CC ?? "cc",
      [
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Werror",
        ...flags,
        "-o",
        temporaryPath,
        ...files.filter((file) => file.endsWith(".c")),
      ],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    renameSync(temporaryPath, path);
  }
}
