import { readFileSync } from "node:fs";
import { join } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import type { Digest, Spec } from "@runlet/spec";
import { type Change, type CompareOptions, listChanges } from "../diff/changes.ts";
import { writeLayer } from "../diff/layer.ts";
import { type SnapshotStorage, snapshotTree } from "../snapshot/snapshot.ts";
import type { ImageStore } from "../store/image-store.ts";
import { storeError } from "../store/store-error.ts";
import type { StoredImage } from "../store/stored-image.ts";
import { storePathOf } from "./instance-directory.ts";
import { readRecord } from "./instance-record.ts";

/** A container's share of an image: its bundle, with what it has changed. */
export interface Instance {
  readonly bundleHostPath: string;
  readonly store: ImageStore;
  readonly image: StoredImage;
  readonly storage: SnapshotStorage;
  /** The bundle's config.json. */
  readonly spec: Spec;
}

/**
 * Finds the instance in a bundle: `bundle` of a container's state.
 *
 * @param openStore - opens the store in a directory.
 * @throws RunletError `ERR_RUNLET_USAGE` for a bundle that was not made of an image, `ERR_RUNLET_IMAGE` where the image is
 *   gone, `ERR_RUNLET_STORE`
 */
export async function openInstance(
  bundleHostPath: string,
  openStore: (hostPath: string) => Promise<ImageStore>,
): Promise<Instance> {
  const storeHostPath = storePathOf(bundleHostPath);
  const record = readRecord(bundleHostPath);
  if (record === undefined) throw new RunletError("ERR_RUNLET_USAGE", `${quote(bundleHostPath)} holds no instance`);
  const store = await openStore(storeHostPath);
  const image = await store.resolve(record.image.digest);
  const { storage } = record;
  const { name } = record.image;
  return { bundleHostPath, store, image: { ...image, name }, storage, spec: readSpec(bundleHostPath) };
}

function readSpec(bundleHostPath: string): Spec {
  const hostPath = join(bundleHostPath, "config.json");
  try {
    return JSON.parse(readFileSync(hostPath, "utf8")) as Spec;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw storeError(`read ${quote(hostPath)}`, error);
    throw new RunletError("ERR_RUNLET_CONFIG_SYNTAX", `${quote(hostPath)} is no JSON`, { cause: error });
  }
}

/**
 * Lists what a container has changed of its image's files. What was made for mounts to lie on does not count.
 *
 * @throws RunletError `ERR_RUNLET_ROOTFS`, `ERR_RUNLET_STORE`, `ERR_RUNLET_IMAGE`
 */
export async function listInstanceChanges(instance: Instance): Promise<Change[]> {
  return await withComparison(instance, async (comparison) => listChanges(comparison));
}

/**
 * All files of a container as an archive, as the container sees them. What was made for mounts to lie on is left out.
 *
 * @throws RunletError `ERR_RUNLET_ROOTFS`, `ERR_RUNLET_STORE`, `ERR_RUNLET_ARCHIVE` for a file that changed meanwhile
 */
export async function* archiveInstance(instance: Instance): AsyncGenerator<Uint8Array, void, undefined> {
  const { store, image, storage, bundleHostPath: hostPath } = instance;
  using _hold = await store.hold();
  const layers = storage === "overlay" ? await store.unpack(image) : [];
  const to = snapshotTree({ hostPath, layerHostPaths: layers.map((layer) => layer.hostPath), storage });
  yield* writeLayer({ to, mountPoints: mountPointsOf(instance.spec) });
}

/**
 * Lends the two trees to be compared: the image, and the container. Of a copy nothing says how it was, so the image is
 * unpacked once more meanwhile.
 */
export async function withComparison<Result>(
  instance: Instance,
  use: (comparison: CompareOptions) => Promise<Result>,
): Promise<Result> {
  const { store, image, storage, bundleHostPath: hostPath } = instance;
  const mountPoints = mountPointsOf(instance.spec);
  using _hold = await store.hold();
  if (storage === "overlay") {
    const layers = await store.unpack(image);
    const layerHostPaths = layers.map((layer) => layer.hostPath);
    const to = snapshotTree({ hostPath, layerHostPaths, storage });
    return await use({ from: baseTree(hostPath, layerHostPaths), to, mountPoints });
  }
  const { makeTemporaryTree } = await import("./temporary-tree.ts");
  using base = makeTemporaryTree(hostPath);
  await store.unpackInto(image, base.hostPath);
  const to = snapshotTree({ hostPath, layerHostPaths: [], storage });
  const from = { layers: [base.hostPath], form: "plain" } as const;
  // A directory that no layer has an entry for is as old as its unpacking.
  return await use({ from, to, mountPoints, ignoresDirectoryTimes: true });
}

/** The layers of an image; for one that has none, the empty directory that the overlay lies over. */
function baseTree(hostPath: string, layerHostPaths: readonly string[]): CompareOptions["from"] {
  return { layers: layerHostPaths.length === 0 ? [join(hostPath, "rootfs")] : layerHostPaths, form: "overlay" };
}

function mountPointsOf({ mounts = [], linux }: Spec): string[] {
  const covered = mounts.map(({ destination }) => destination).filter((destination) => destination !== "/");
  const devices = (linux?.devices ?? []).map(({ path }) => path);
  return [...covered, ...devices, "/dev", "/proc", "/sys"];
}

/** Chain ids of an image's layers, the base first. */
export function chainIdsOf(image: StoredImage): readonly Digest[] {
  return image.layers.map(({ chainId }) => chainId);
}
