import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultSpec, type Linux, type Mount, type Process, type Root, type Spec } from "@runlet/spec";
import { target } from "./command.ts";
import { probePath } from "./programs.ts";

/** The default config, in which these parts are always there. */
export type Config = Spec & {
  process: Process & { args: string[]; env: string[] };
  root: Root;
  mounts: Mount[];
  linux: Linux;
};

/** What is made in a rootfs beside the probe: content by path; a path that ends in `/` is a directory. */
export type Tree = Readonly<Record<string, string>>;

/** A bundle in a directory of its own: the default config, made to run the probe without a terminal. */
export class Bundle {
  /** Directory that holds config.json. */
  readonly hostPath: string;
  /** Root filesystem. */
  readonly rootfs: string;
  readonly config: Config;

  /** @param hostPath - directory to make. */
  constructor(hostPath: string) {
    this.hostPath = hostPath;
    this.rootfs = join(hostPath, "rootfs");
    mkdirSync(this.rootfs, { recursive: true });
    copyFileSync(probePath, join(this.rootfs, "probe"));
    const spec = structuredClone(defaultSpec()) as Config;
    // The releases of the peers that distributions have know no later version.
    if (target.name !== "runlet") spec.ociVersion = "1.0.2";
    spec.process.terminal = false;
    spec.process.args = ["/probe"];
    this.config = spec;
  }

  /** Adds to the rootfs. */
  add(tree: Tree): this {
    for (const [path, content] of Object.entries(tree)) {
      const hostPath = join(this.rootfs, path);
      mkdirSync(path.endsWith("/") ? hostPath : dirname(hostPath), { recursive: true });
      if (!path.endsWith("/")) writeFileSync(hostPath, content);
    }
    return this;
  }

  /** Writes config.json. */
  write(text = JSON.stringify(this.config, null, 2)): this {
    writeFileSync(join(this.hostPath, "config.json"), text);
    return this;
  }

  /** Writes config.json so that the container runs the probe with these verbs. */
  probing(...verbs: readonly string[]): this {
    this.config.process.args = ["/probe", ...verbs];
    return this.write();
  }
}
