import type { Invocation } from "../../command.ts";
import { resolveAll } from "../../image/resolve-all.ts";
import { measureSaving } from "../../image/saving.ts";
import { openStore } from "../../image/store.ts";
import type { imageUsageOptions } from "../../options/image.ts";

/** Says how much the store holds, and what it saves. */
export async function run({ options, print }: Invocation<typeof imageUsageOptions>): Promise<number> {
  const store = await openStore(options);
  const usage = await store.usage();
  const saving = measureSaving(usage, await resolveAll(store));
  const blobBytes = usage.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const layerBytes = usage.layers.reduce((sum, { diskBytes }) => sum + diskBytes, 0);
  const { partialBytes } = usage;
  if (options.json) {
    print(JSON.stringify({ blobBytes, layerBytes, partialBytes, ...saving, blobs: usage.blobs, layers: usage.layers }));
    return 0;
  }
  const { formatBytes } = await import("@runlet/image");
  const lines: readonly (readonly [string, number])[] = [
    [`${usage.blobs.length} blobs`, blobBytes],
    [`${usage.layers.length} unpacked layers`, layerBytes],
    ["downloads that broke off", partialBytes],
    [`${saving.images} images as bundles of their own`, saving.bundleBytes],
    ["the same in the store, unpacked", saving.sharedBytes],
    ["saved", saving.savedBytes],
  ];
  const width = Math.max(...lines.map(([what]) => what.length));
  const digits = Math.max(...lines.map(([, bytes]) => String(bytes).length));
  for (const [what, bytes] of lines) {
    print(`${what.padEnd(width)}  ${String(bytes).padStart(digits)} bytes  ${formatBytes(bytes)}`);
  }
  return 0;
}
