import { quote, RunletError } from "@runlet/errors";
import type { Invocation } from "../../command.ts";
import { nameWithDigest } from "../../image/name-with-digest.ts";
import { readPlatforms } from "../../image/platform-option.ts";
import { openSource } from "../../image/source.ts";
import { openStore } from "../../image/store.ts";
import { openTransferDisplay } from "../../image/transfer-display.ts";
import type { pullOptions, pullPositionals } from "../../options/image.ts";

/** Copies an image into the store and unpacks it. */
export async function run({
  options,
  positionals,
  print,
}: Invocation<typeof pullOptions, typeof pullPositionals>): Promise<number> {
  const platform = await readPlatforms(options);
  await using opened = await openSource(positionals.source, options);
  const { source, reference } = opened;
  const name = options.name ?? opened.name;
  if (name === undefined) {
    throw new RunletError("ERR_RUNLET_USAGE", `no name follows from ${quote(positionals.source)}`, {
      hint: "give one with --name",
    });
  }
  const store = await openStore(options);
  // What is pulled keeps its layers until it has its name and is unpacked.
  using _hold = await store.hold();
  const display = await openTransferDisplay({ isQuiet: options.quiet, isJson: options.json, print });
  const onProgress = display.update;
  try {
    const image = await store.pull({ source, reference, name, platform, onProgress });
    if (platform !== "all" && !options["no-unpack"]) await store.unpack(image, { onProgress });
    display.finish();
    const { descriptor, target } = image;
    if (options.json)
      print(JSON.stringify({ step: "done", name: image.name, target: target.digest, image: descriptor.digest }));
    else print(nameWithDigest(image.name ?? name, target.digest));
    return 0;
  } catch (error) {
    display.finish();
    throw error;
  }
}
