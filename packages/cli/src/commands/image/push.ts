import type { CopyResult } from "@runlet/image";
import type { Invocation } from "../../command.ts";
import { describeConversion } from "../../image/conversion.ts";
import { readPlatforms } from "../../image/platform-option.ts";
import { resolveIfHere } from "../../image/resolve-all.ts";
import { openStore } from "../../image/store.ts";
import { openTarget } from "../../image/target.ts";
import { openTransferDisplay } from "../../image/transfer-display.ts";
import type { pushOptions, pushPositionals } from "../../options/image.ts";

/** Copies an image out of the store. */
export async function run({
  options,
  positionals,
  print,
  log,
}: Invocation<typeof pushOptions, typeof pushPositionals>): Promise<number> {
  const platform = await readPlatforms(options);
  const { copyImage } = await import("@runlet/image");
  const store = await openStore(options);
  // All of an image need not have anything for this machine.
  const image =
    platform === "all"
      ? await resolveIfHere(store, positionals.image)
      : await store.resolve(positionals.image, { platform });
  const { descriptor: source } =
    image === undefined || platform === "all" ? await store.manifest(positionals.image) : image;
  const destination = positionals.destination ?? image?.name ?? positionals.image;
  await using opened = await openTarget(destination, { options, store, image });
  const { target, reference, name } = opened;
  const display = await openTransferDisplay({ isQuiet: options.quiet, isJson: options.json, print });
  let copied: CopyResult;
  try {
    copied = await copyImage({
      from: store,
      to: target,
      reference: source.digest,
      targetReference: reference,
      platform,
      // Out of the store, what is read is sent.
      step: "upload",
      onProgress: display.update,
    });
    await opened.finish();
  } finally {
    display.finish();
  }
  const conversion = describeConversion(name, source.digest, copied);
  if (conversion !== undefined) log.warn(conversion);
  const { digest } = copied.target.descriptor;
  print(options.json ? JSON.stringify({ step: "done", name, target: digest }) : `${name}@${digest}`);
  return 0;
}
