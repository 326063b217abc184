import type { Invocation } from "../../command.ts";
import { openStore } from "../../image/store.ts";
import type { imageTagOptions, imageTagPositionals } from "../../options/image.ts";

/** Gives an image another name. */
export async function run({
  options,
  positionals,
}: Invocation<typeof imageTagOptions, typeof imageTagPositionals>): Promise<number> {
  const store = await openStore(options);
  await store.tag(positionals.image, positionals.name);
  return 0;
}
