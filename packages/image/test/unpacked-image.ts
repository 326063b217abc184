import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { openImageFile } from "../src/archive/open-source.ts";
import { ImageStore } from "../src/store/image-store.ts";
import type { StoredImage } from "../src/store/stored-image.ts";
import { temporaryDirectory } from "./temporary.ts";
import { run } from "./tools.ts";
import { listTree, type TreeListing } from "./tree-listing.ts";

/** A directory on a file system that takes overlays and every attribute, whatever the machine's temporary directory is on. */
export function scratch(): string {
  const hostPath = temporaryDirectory();
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", hostPath]);
  onTestFinished(() => void execFileSync("umount", ["--recursive", hostPath]));
  return hostPath;
}

/** Pulls an image of a layout or an archive into a store. */
export async function pullFile(store: ImageStore, hostPath: string, reference?: string): Promise<StoredImage> {
  await using source = await openImageFile(hostPath);
  return await store.pull({ source, reference, name: "test" });
}

/** Pulls and unpacks an image, and lists it as a container would see it. */
export async function listImage(
  hostPath: string,
  reference?: string,
): Promise<{ image: StoredImage; listing: TreeListing }> {
  const base = scratch();
  const store = await ImageStore.open({ hostPath: join(base, "store") });
  const image = await pullFile(store, hostPath, reference);
  const layers = await store.unpack(image);
  const hostPaths = layers.map((layer) => layer.hostPath);
  return { image, listing: listTree(mountLayers(base, hostPaths)) };
}

/** Mounts unpacked layers, read-only. @returns where. */
export function mountLayers(base: string, hostPaths: readonly string[]): string {
  const merged = join(base, "merged");
  const empty = join(base, "empty");
  for (const directory of [merged, empty]) mkdirSync(directory);
  const lower = [...hostPaths.toReversed(), empty].join(":");
  execFileSync("mount", ["-t", "overlay", "overlay", "-o", `ro,lowerdir=${lower}`, merged]);
  return merged;
}

/** Lists what umoci makes of an image. */
export function listByUmoci(layout: string, tag: string): TreeListing {
  const bundle = join(temporaryDirectory(), "bundle");
  run("umoci", "unpack", "--image", `${layout}:${tag}`, bundle);
  return listTree(join(bundle, "rootfs"));
}
