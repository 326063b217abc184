import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { temporaryDirectory } from "./temporary.ts";

/** Runs a tool; its failure shows what it said. */
export function run(command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`${command} ${args.join(" ")}: ${stderr ?? error}`);
  }
}

/** Copies an image between what skopeo knows: `oci:DIR:TAG`, `docker-archive:FILE:NAME`, … */
export function skopeoCopy(from: string, to: string, ...options: string[]): void {
  run("skopeo", "--insecure-policy", "copy", "--quiet", ...options, from, to);
}

/** buildah or podman with a storage of the running test's own, in the form that needs no mounts. */
export function storageTool(tool: "buildah" | "podman", storage = temporaryDirectory()): (...args: string[]) => string {
  const options = ["--root", join(storage, "root"), "--runroot", join(storage, "run"), "--storage-driver", "vfs"];
  return (...args) => run(tool, ...options, ...args).trim();
}
