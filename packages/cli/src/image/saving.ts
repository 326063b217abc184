import type { StoredImage, StoreUsage } from "@runlet/image";

/** What sharing layers saves. */
export interface Saving {
  /** Images of which every layer is unpacked; only these are counted. */
  readonly images: number;
  /** What they would take as bundles, each with a root file system of its own. */
  readonly bundleBytes: number;
  /** What their layers take in the store. */
  readonly sharedBytes: number;
  readonly savedBytes: number;
}

/**
 * Compares what unpacked images take with and without a store. An image by two names is one image.
 *
 * @param usage - with the bytes on disk of each layer, as du(1) counts.
 */
export function measureSaving(usage: StoreUsage, images: readonly StoredImage[]): Saving {
  const bytesOf = new Map(usage.layers.map(({ chainId, diskBytes }) => [chainId, diskBytes]));
  const unpacked = [...new Map(images.map((image) => [image.descriptor.digest, image])).values()].filter(({ layers }) =>
    layers.every(({ chainId }) => bytesOf.has(chainId)),
  );
  const sum = (chainIds: Iterable<string>) => {
    let bytes = 0;
    for (const chainId of chainIds) bytes += bytesOf.get(chainId) ?? 0;
    return bytes;
  };
  const used = unpacked.flatMap(({ layers }) => layers.map(({ chainId }) => chainId));
  const bundleBytes = sum(used);
  const sharedBytes = sum(new Set(used));
  return { images: unpacked.length, bundleBytes, sharedBytes, savedBytes: bundleBytes - sharedBytes };
}
