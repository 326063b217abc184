import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { defaultSpec } from "@runlet/spec";

const home = resolve(import.meta.dirname, "..");

/** Where a run takes place: programs compiled for it, and one bundle for all contestants. */
export interface Scene {
  readonly directory: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly barePath: string;
  readonly fewestPath: string;
  readonly stopwatchPath: string;
  /** A tmpfs for the contestants' state roots. */
  readonly stateDirectory: string;
}

/** Makes a scene in a new temporary directory, which the caller removes, after it has unmounted the state directory. */
export function makeScene(): Scene {
  const directory = mkdtempSync(join(tmpdir(), "runlet-bench-"));
  const bundle = join(directory, "bundle");
  const rootfs = join(bundle, "rootfs");
  mkdirSync(join(rootfs, "bin"), { recursive: true });
  const compile = (source: string, output: string) =>
    execFileSync("cc", ["-std=gnu11", "-O2", "-static", "-o", output, source], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  const trueSource = join(directory, "true.c");
  writeFileSync(trueSource, "int main(void) { return 0; }\n");
  compile(trueSource, join(rootfs, "bin/true"));
  const barePath = join(directory, "bare");
  const stopwatchPath = join(directory, "stopwatch");
  const fewestPath = join(directory, "fewest");
  compile(join(home, "native/bare.c"), barePath);
  compile(join(home, "native/fewest.c"), fewestPath);
  compile(join(home, "native/stopwatch.c"), stopwatchPath);

  const stateDirectory = join(directory, "state");
  mkdirSync(stateDirectory);
  execFileSync("mount", ["-t", "tmpfs", "-o", "mode=700", "tmpfs", stateDirectory]);

  const spec = defaultSpec({ cgroupNamespace: true });
  if (spec.process === undefined) throw new Error("the default config has no process");
  spec.process.terminal = false;
  spec.process.args = ["/bin/true"];
  // The releases of the peers that distributions have know no later version.
  spec.ociVersion = "1.0.2";
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  return { directory, bundle, rootfs, barePath, fewestPath, stopwatchPath, stateDirectory };
}
