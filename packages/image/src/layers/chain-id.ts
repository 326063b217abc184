import type { Descriptor, Digest } from "@runlet/spec";
import { digestOf } from "../digest.ts";
import type { ImageLayer } from "../store/stored-image.ts";

/**
 * The chain ids of layers: each names a layer together with all that lie below it.
 *
 * @param diffIds - digests of the uncompressed layers, the base first.
 * @see OCI image specification, config.md#layer-chainid
 */
export async function chainIdsOf(diffIds: readonly Digest[]): Promise<Digest[]> {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : await digestOf(`${below} ${diffId}`));
  }
  return chain;
}

/** The layers of a manifest with what its configuration says of them. Both lists have the same length. */
export async function layersOf(
  descriptors: readonly Descriptor[],
  diffIds: readonly Digest[],
): Promise<readonly ImageLayer[]> {
  const chain = await chainIdsOf(diffIds);
  return descriptors.map((descriptor, index) => {
    const diffId = diffIds[index];
    const chainId = chain[index];
    if (diffId === undefined || chainId === undefined) throw new Error("a layer without a diff id");
    return { descriptor, diffId, chainId };
  });
}
