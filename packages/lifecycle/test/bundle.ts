import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSpec, type Spec } from "@runlet/spec";
import { temporaryDirectory } from "./criu-image.ts";

/** A static program of many names, which is a root file system's only one. */
export const busyboxHostPath = "/bin/busybox";

/** A bundle and a state root of its own; all goes when the test ends. */
export interface TestBundle {
  readonly bundle: string;
  /** The state root. */
  readonly root: string;
  /** Holds both. */
  readonly directory: string;
}

/** A bundle of a program that sleeps. */
export function makeBundle(edit: (spec: Spec) => void = () => {}): TestBundle {
  const directory = temporaryDirectory();
  const bundle = join(directory, "bundle");
  mkdirSync(join(bundle, "rootfs"), { recursive: true });
  copyFileSync(busyboxHostPath, join(bundle, "rootfs/busybox"));
  const spec = structuredClone(defaultSpec()) as Spec & { process: { terminal: boolean; args: string[] } };
  spec.process.terminal = false;
  spec.process.args = ["/busybox", "sleep", "1000"];
  edit(spec);
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  return { bundle, root: join(directory, "state"), directory };
}
