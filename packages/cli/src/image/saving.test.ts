import type { StoredImage, StoreUsage } from "@runlet/image";
import { expect, it } from "vitest";
import { measureSaving } from "./saving.ts";

function image(digest: string, ...chainIds: string[]): StoredImage {
  const descriptor = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 1 };
  const layers = chainIds.map((chainId) => ({ chainId, diffId: chainId, descriptor }));
  const configuration = { os: "linux", architecture: "amd64", rootfs: { type: "layers" as const, diff_ids: chainIds } };
  const manifest = { schemaVersion: 2 as const, config: descriptor, layers: [] };
  return { name: digest, target: descriptor, descriptor, manifest, configuration, layers };
}

function usage(sizes: Record<string, number>): StoreUsage {
  const layers = Object.entries(sizes).map(([chainId, diskBytes]) => ({
    chainId,
    diffId: chainId,
    parent: undefined,
    diskBytes,
    references: 1,
  }));
  return { blobs: [], layers, partialBytes: 0 };
}

it("counts a layer once in the store, and once for each image in bundles", () => {
  const images = [image("one", "base"), image("two", "base", "web"), image("three", "base", "api")];
  expect(measureSaving(usage({ base: 1000, web: 10, api: 1, unused: 5 }), images)).toEqual({
    images: 3,
    bundleBytes: 3011,
    sharedBytes: 1011,
    savedBytes: 2000,
  });
});

it("takes two names of an image for one, and leaves out what is not unpacked", () => {
  const images = [image("one", "base"), image("one", "base"), image("packed", "base", "absent")];
  expect(measureSaving(usage({ base: 1000 }), images)).toEqual({
    images: 1,
    bundleBytes: 1000,
    sharedBytes: 1000,
    savedBytes: 0,
  });
});
