import type { Progress } from "@runlet/image";
import type { Invocation } from "../../command.ts";
import { openStore } from "../../image/store.ts";
import { openTarget } from "../../image/target.ts";
import { openTransferDisplay } from "../../image/transfer-display.ts";
import type { pushOptions, pushPositionals } from "../../options/image.ts";

/** Copies an image out of the store. */
export async function run({
  options,
  positionals,
  print,
}: Invocation<typeof pushOptions, typeof pushPositionals>): Promise<number> {
  const { copyImage, parsePlatform } = await import("@runlet/image");
  const store = await openStore(options);
  const isWhole = options["all-platforms"];
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const image = await store.resolve(positionals.image, { platform });
  const destination = positionals.destination ?? image.name ?? positionals.image;
  await using opened = await openTarget(destination, { options, store, image });
  const { target, reference, name } = opened;
  const display = await openTransferDisplay({ isQuiet: options.quiet, isJson: options.json, print });
  const pushed = isWhole ? image.target : image.descriptor;
  try {
    await copyImage({
      from: store,
      to: target,
      reference: pushed.digest,
      targetReference: reference,
      platform: isWhole ? "all" : platform,
      onProgress: (progress) => display.update(asUpload(progress)),
    });
    await opened.finish();
  } finally {
    display.finish();
  }
  if (options.json) print(JSON.stringify({ step: "done", name, target: pushed.digest }));
  else print(`${name}@${pushed.digest}`);
  return 0;
}

/** Out of the store, what is read is sent. */
function asUpload(progress: Progress): Progress {
  return progress.step === "download" ? { ...progress, step: "upload" } : progress;
}
