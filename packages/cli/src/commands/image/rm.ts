import type { Invocation } from "../../command.ts";
import { findCommand } from "../../commands.ts";
import { openStore } from "../../image/store.ts";
import type { imageRemoveOptions, imageRemovePositionals } from "../../options/image.ts";
import { UsageError } from "../../usage-error.ts";

/** Takes names away. The first that does not exist ends it. */
export async function run({
  options,
  positionals,
}: Invocation<typeof imageRemoveOptions, typeof imageRemovePositionals>): Promise<number> {
  if (positionals.images.length === 0) {
    throw new UsageError("which image is to be removed?", { command: findCommand("image rm") });
  }
  const store = await openStore(options);
  for (const name of positionals.images) await store.remove(name);
  return 0;
}
