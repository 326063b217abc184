import { cpSync, existsSync, mkdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { subject } from "./flow.ts";
import type { Scene } from "./scene.ts";

const repository = resolve(import.meta.dirname, "../../..");

/** The standalone executable: RUNTIME names another than that of the repository's dist. */
const executable = resolve(repository, process.env.RUNTIME ?? "dist/runlet");

/** Files that belong together: the executable looks for the others in its own directory. */
const companions = ["runlet-init", "runlet-bun", "runlet.node"] as const;

/** Copies the executable and what belongs to it into a directory, which is made. */
export function copyRunlet(directory: string): void {
  if (!existsSync(executable)) throw new Error(`${executable} is missing: node scripts/standalone.js makes it`);
  mkdirSync(directory, { recursive: true });
  cpSync(executable, join(directory, "runlet"));
  for (const name of companions) cpSync(join(dirname(executable), name), join(directory, name));
}

/**
 * Copies runlet, so that a build during the tests does not change it, and installs it in a scene.
 *
 * @param paths - of the executables in the scene. Engines take it for another runtime by another name.
 */
export async function installRunlet(scene: Scene, paths: readonly string[] = [subject.path]): Promise<void> {
  const copy = join(scene.directory, "installation");
  copyRunlet(copy);
  for (const path of paths) {
    await scene.showFile(join(copy, "runlet"), path);
    for (const name of companions) await scene.showFile(join(copy, name), join(dirname(path), basename(name)));
  }
}
