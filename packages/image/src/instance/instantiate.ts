import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { RootDirectory } from "@runlet/rootfs";
import type { Spec } from "@runlet/spec";
import { createImageSpec, filesOf, type ImageOverrides } from "../config/image-spec.ts";
import { MergedTree } from "../layers/merged-tree.ts";
import { createSnapshot, type SnapshotStorage } from "../snapshot/snapshot.ts";
import type { ImageStore } from "../store/image-store.ts";
import { storeError } from "../store/store-error.ts";
import type { StoredImage } from "../store/stored-image.ts";
import type { Progress } from "../transfer.ts";
import { chainIdsOf } from "./instance.ts";
import { leaseOf, makeInstance, nameInstance, removeInstance } from "./instance-directory.ts";
import { currentBootId, type InstanceRecord, recordName } from "./instance-record.ts";

/** What an instance is made of. */
export interface InstantiateOptions {
  readonly store: ImageStore;
  readonly image: StoredImage;
  /** Id of the container. */
  readonly containerId: string;
  /** Directory that exists as long as the container does: once it is gone, the instance may go. */
  readonly stateHostPath: string;
  /** What the container does otherwise than the image says. */
  readonly overrides?: ImageOverrides | undefined;
  /** Default `auto`: an overlay wherever the store's file system allows. */
  readonly storage?: SnapshotStorage | "auto" | undefined;
  /** Whether what the container writes is of no use without it, and need not survive a crash. Default false. */
  readonly isEphemeral?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of unpacking. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** An instance that has been made. */
export interface MadeInstance {
  /** Directory of its bundle. */
  readonly bundleHostPath: string;
  readonly storage: SnapshotStorage;
  /** What a user should know, one sentence each. */
  readonly notes: readonly string[];
  /** To be called once the container exists. Until then, or to the end of this process, nobody takes it for a leftover. */
  keep(): void;
  /** Removes it, with its lease. */
  remove(): Promise<void>;
}

/**
 * Makes a bundle of an image for one container: a snapshot of its layers, which are unpacked once for all, and a config.json.
 * Any number of containers may share the layers; each has an upper directory of its own.
 *
 * Nothing is mounted, and a lease of the store keeps the layers; whatever a crash leaves, `removeOrphanedInstances` finds.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE`, `ERR_RUNLET_STORE`, `ERR_RUNLET_ABORTED`; nothing is left behind then.
 */
export async function instantiate(options: InstantiateOptions): Promise<MadeInstance> {
  const { store, image, containerId, signal, onProgress } = options;
  using _hold = await store.hold();
  const name = nameInstance(containerId);
  const { bundleHostPath, unlock } = await makeInstance(store, name, signal);
  try {
    await store.lease({ id: leaseOf(name), layers: chainIdsOf(image), blobs: [image.descriptor.digest] });
    const layers = options.storage === "copy" ? [] : await store.unpack(image, { signal, onProgress });
    const layerHostPaths = layers.map(({ hostPath }) => hostPath);
    const snapshot = await createSnapshot({
      hostPath: bundleHostPath,
      layerHostPaths,
      xattrs: store.overlayXattrs,
      storage: options.storage,
      isVolatile: options.isEphemeral,
      unpackAll: (rootHostPath) => store.unpackInto(image, rootHostPath, { signal, onProgress }),
    });
    const { storage, rootMount, rootHostPath, notes } = snapshot;
    const files = openFiles(storage === "overlay" ? layerHostPaths : rootHostPath);
    const spec = composeSpec(options, files);
    writeJson(join(bundleHostPath, recordName), recordOf(options, storage));
    if (rootMount !== undefined) spec.mounts = [rootMount, ...(spec.mounts ?? [])];
    // The last file: without it an instance is none.
    writeJson(join(bundleHostPath, "config.json"), spec);
    const remove = async () => {
      unlock();
      await removeInstance(store, bundleHostPath);
    };
    return { bundleHostPath, storage, notes, keep: unlock, remove };
  } catch (error) {
    unlock();
    await removeInstance(store, bundleHostPath);
    throw storeError(`make a container of the image ${image.name ?? image.descriptor.digest}`, error);
  }
}

type OpenFiles = Parameters<typeof createImageSpec>[0]["files"] & Disposable;

/** The container's files, in which users are looked up. */
function openFiles(from: readonly string[] | string): OpenFiles {
  if (typeof from !== "string") return MergedTree.open(from);
  const root = RootDirectory.open(from);
  return { ...filesOf(root), [Symbol.dispose]: () => root.close() };
}

function composeSpec({ image, overrides }: InstantiateOptions, opened: OpenFiles): Spec {
  using files = opened;
  return createImageSpec({ configuration: image.configuration, files, overrides });
}

function recordOf(options: InstantiateOptions, storage: SnapshotStorage): InstanceRecord {
  const { image, containerId, stateHostPath, isEphemeral = false } = options;
  const { name } = image;
  return {
    version: 1,
    containerId,
    stateHostPath,
    image: { ...(name === undefined ? {} : { name }), digest: image.descriptor.digest },
    layers: chainIdsOf(image),
    storage,
    isEphemeral,
    bootId: currentBootId(),
  };
}

function writeJson(hostPath: string, value: unknown): void {
  writeFileSync(hostPath, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600, flag: "wx" });
}
