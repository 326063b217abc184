import type { Invocation } from "../../command.ts";
import { openStore } from "../../image/store.ts";
import type { imageCollectOptions } from "../../options/image.ts";

/** Removes what nothing needs, and says what that was. */
export async function run({ options, print }: Invocation<typeof imageCollectOptions>): Promise<number> {
  const isDryRun = options["dry-run"];
  const store = await openStore(options);
  // What interrupted commands left of containers keeps layers that nobody needs.
  const { collectStore } = await import("@runlet/image");
  const result = await collectStore(store, { isDryRun });
  if (options.json) {
    print(JSON.stringify(result));
    return 0;
  }
  const { formatBytes } = await import("@runlet/image");
  const { blobs, layers, leftovers, freedBytes } = result;
  const removed = `${blobs.length} blobs, ${layers.length} unpacked layers and ${leftovers} leftovers`;
  print(`${isDryRun ? "would remove" : "removed"} ${removed}: ${formatBytes(freedBytes)}`);
  return 0;
}
