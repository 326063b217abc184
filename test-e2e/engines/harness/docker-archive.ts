import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeImageArchive } from "./image.ts";

/** Name of the image in a {@link makeDockerArchive}. */
export const image = "localhost/machine:latest";

/**
 * Writes the image of {@link makeImageArchive} with its configuration, as `docker save` would: containerd and Docker load it.
 * What it runs by itself waits, so that it serves as the image of a pod's own container too.
 *
 * @param directory - where it is made; must exist.
 * @returns path of the archive.
 */
export function makeDockerArchive(directory: string): string {
  const content = join(directory, "docker-archive");
  mkdirSync(content);
  const layer = join(content, "layer.tar");
  renameSync(makeImageArchive(directory), layer);
  const config = {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin"], Cmd: ["sleep", "1000000"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${createHash("sha256").update(readFileSync(layer)).digest("hex")}`] },
    history: [{ created_by: "the tests" }],
  };
  writeFileSync(join(content, "config.json"), JSON.stringify(config));
  const manifest = [{ Config: "config.json", RepoTags: [image], Layers: ["layer.tar"] }];
  writeFileSync(join(content, "manifest.json"), JSON.stringify(manifest));
  const archive = join(directory, "docker-archive.tar");
  execFileSync("tar", [
    "--directory",
    content,
    "--create",
    "--file",
    archive,
    "manifest.json",
    "config.json",
    "layer.tar",
  ]);
  return archive;
}
