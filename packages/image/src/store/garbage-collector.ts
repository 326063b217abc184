import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isRunletError, quote, RunletError } from "@runlet/errors";
import type { Descriptor, Digest } from "@runlet/spec";
import { isDigest } from "../digest.ts";
import { diskBytesOf, diskBytesWithin } from "../layers/disk-usage.ts";
import { type LayerDirectory, removeHostTree } from "../layers/layer-directory.ts";
import type { BlobDirectory } from "./blob-directory.ts";
import { isUnfinished } from "./durable-file.ts";
import { type Reach, Reachability } from "./reachability.ts";
import { hasCode, storeError } from "./store-error.ts";
import type { BlobUsage, CollectionResult, LayerUsage, Lease, StoreUsage } from "./stored-image.ts";

/** What a look at a store needs. */
export interface StoreContent {
  readonly blobs: BlobDirectory;
  readonly layers: LayerDirectory;
  readonly hostPaths: {
    readonly store: string;
    readonly blobs: string;
    readonly partial: string;
    readonly staging: string;
    readonly leases: string;
  };
  readonly targets: readonly { readonly name: string | undefined; readonly target: Descriptor }[];
  readonly leases: readonly Lease[];
}

/**
 * Removes what nothing keeps. The caller holds the store's lock alone.
 *
 * @throws RunletError `ERR_RUNLET_STORE`; before anything was removed if a manifest or lease is damaged.
 */
export async function collectGarbage(content: StoreContent, isDryRun: boolean): Promise<CollectionResult> {
  const reaches = await reachesOf(content);
  const { hostPaths, blobs, layers } = content;
  const doomedBlobs = blobDigests(hostPaths.blobs).filter(
    (digest) => !reaches.some((reach) => reach.blobs.has(digest)),
  );
  const doomedLayers = layers.list().filter((chainId) => !reaches.some((reach) => reach.layers.has(chainId)));
  const leftovers = [
    ...namesIn(hostPaths.partial).map((name) => join(hostPaths.partial, name)),
    ...namesIn(hostPaths.staging).map((name) => join(hostPaths.staging, name)),
    ...[hostPaths.store, hostPaths.leases].flatMap((directory) =>
      namesIn(directory)
        .filter(isUnfinished)
        .map((name) => join(directory, name)),
    ),
  ];
  const paths = [
    ...doomedBlobs.map((digest) => blobs.pathOf(digest)),
    ...doomedLayers.map((chainId) => layers.directoryOf(chainId)),
    ...leftovers,
  ];
  const freedBytes = paths.reduce((sum, hostPath) => sum + diskBytesOf(hostPath), 0);
  if (!isDryRun) {
    try {
      for (const hostPath of leftovers) removeHostTree(hostPath);
      for (const digest of doomedBlobs) blobs.remove(digest);
      for (const chainId of doomedLayers) layers.remove(chainId);
      for (const directory of [hostPaths.partial, hostPaths.staging])
        rmSync(directory, { recursive: true, force: true });
    } catch (error) {
      throw storeError("remove what nothing uses", error);
    }
  }
  return { blobs: doomedBlobs, layers: doomedLayers, leftovers: leftovers.length, freedBytes };
}

/** Counts what the store holds, and what keeps it. @throws RunletError `ERR_RUNLET_STORE` */
export async function measureUsage(content: StoreContent): Promise<StoreUsage> {
  const reaches = await reachesOf(content);
  const { blobs, layers, hostPaths } = content;
  const blobUsages = blobDigests(hostPaths.blobs).flatMap((digest): BlobUsage[] => {
    const sizeBytes = blobs.sizeIfExists(digest);
    const references = reaches.filter((reach) => reach.blobs.has(digest)).length;
    return sizeBytes === undefined ? [] : [{ digest, sizeBytes, references }];
  });
  const layerUsages = layers.list().flatMap((chainId): LayerUsage[] => {
    const record = layers.record(chainId);
    if (record === undefined) return [];
    const diskBytes = diskBytesOf(layers.treeOf(chainId));
    const references = reaches.filter((reach) => reach.layers.has(chainId)).length;
    return [{ chainId, ...record, diskBytes, references }];
  });
  return { blobs: blobUsages, layers: layerUsages, partialBytes: diskBytesWithin(hostPaths.partial) };
}

/** What each name and each lease keeps. */
async function reachesOf({ blobs, layers, targets, leases }: StoreContent): Promise<Reach[]> {
  const reachability = new Reachability({ blobs, layers });
  const reaches: Reach[] = [];
  for (const { name, target } of targets) {
    const keeper = name === undefined ? "a target without a name" : `the image ${quote(name)}`;
    reaches.push(await explained(keeper, reachability.ofContent(target.digest)));
  }
  for (const lease of leases)
    reaches.push(await explained(`the lease ${quote(lease.id)}`, reachability.ofLease(lease)));
  return reaches;
}

/** An error is about some content, which only an image can be held against: it says of which one it is. */
async function explained(keeper: string, reach: Promise<Reach>): Promise<Reach> {
  try {
    return await reach;
  } catch (error) {
    if (!isRunletError(error)) throw error;
    const { code, message, syscall, errno, explanation, hint, details } = error;
    throw new RunletError(code, `${keeper}: ${message}`, { syscall, errno, explanation, hint, details, cause: error });
  }
}

function blobDigests(hostPath: string): Digest[] {
  return namesIn(hostPath).flatMap((algorithm) =>
    namesIn(join(hostPath, algorithm))
      .map((hex) => `${algorithm}:${hex}`)
      // What is not ours to name is not ours to remove.
      .filter(isDigest),
  );
}

function namesIn(hostPath: string): string[] {
  try {
    return readdirSync(hostPath).sort();
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw storeError("list what the store holds", error);
  }
}
