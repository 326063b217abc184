import { quote } from "@runlet/errors";
import type { StoredImage } from "@runlet/image";
import type { Invocation } from "../../command.ts";
import { resolveIfHere } from "../../image/resolve-all.ts";
import { openStore } from "../../image/store.ts";
import type { imageListOptions } from "../../options/image.ts";
import { formatTable } from "../../text-table.ts";

/** Lists the images of the store. */
export async function run({ options, print }: Invocation<typeof imageListOptions>): Promise<number> {
  const store = await openStore(options);
  const named = await store.list();
  if (options.quiet) {
    if (named.length > 0) print(named.map(({ name }) => name).join("\n"));
    return 0;
  }
  const images = await Promise.all(
    named.map(async (image) => ({ ...image, stored: await resolveIfHere(store, image.name) })),
  );
  const { formatBytes, formatPlatform, parseReference, shortenReference } = await import("@runlet/image");
  const platformOf = (stored: StoredImage | undefined) => stored && formatPlatform(stored.configuration);
  if (options.json) {
    const list = images.map(({ name, target, stored }) => ({
      name,
      digest: target.digest,
      mediaType: target.mediaType,
      platform: platformOf(stored) ?? null,
      created: stored?.configuration.created ?? null,
      layers: stored?.layers.length ?? null,
      sizeBytes: stored === undefined ? null : packedBytes(stored),
    }));
    print(JSON.stringify(list));
    return 0;
  }
  const rows = images.map(({ name, target, stored }) => [
    shortenReference(parseReference(name)),
    target.digest.slice(target.digest.indexOf(":") + 1).slice(0, 12),
    // Words of the image's own, which are not to drive the terminal.
    quote(platformOf(stored) ?? "-").slice(1, -1),
    stored === undefined ? "-" : String(stored.layers.length),
    stored === undefined ? "-" : formatBytes(packedBytes(stored)),
  ]);
  print(formatTable([["NAME", "DIGEST", "PLATFORM", "LAYERS", "SIZE"], ...rows]));
  return 0;
}

/** Size of the layers as they are stored and transferred. */
function packedBytes({ layers }: StoredImage): number {
  return layers.reduce((sum, { descriptor }) => sum + Number(descriptor.size), 0);
}
