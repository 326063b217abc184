import type { Invocation } from "../../command.ts";
import { readPlatform } from "../../image/platform-option.ts";
import { openStore } from "../../image/store.ts";
import type { imageInspectOptions, imageInspectPositionals } from "../../options/image.ts";

/** Prints what is known of an image as JSON. */
export async function run({
  options,
  positionals,
  print,
}: Invocation<typeof imageInspectOptions, typeof imageInspectPositionals>): Promise<number> {
  const store = await openStore(options);
  const platform = await readPlatform(options);
  const image = await store.resolve(positionals.image, { platform });
  const { name, target, descriptor, manifest, configuration } = image;
  const layers = image.layers.map((layer) => ({ ...layer, isUnpacked: store.isUnpacked(layer.chainId) }));
  print(JSON.stringify({ name: name ?? null, target, descriptor, manifest, configuration, layers }, undefined, 2));
  return 0;
}
