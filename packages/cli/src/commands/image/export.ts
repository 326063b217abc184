import type { Invocation } from "../../command.ts";
import { findCommand } from "../../commands.ts";
import { describeConversion } from "../../image/conversion.ts";
import { readPlatform } from "../../image/platform-option.ts";
import { openStore } from "../../image/store.ts";
import type { imageExportOptions, imageExportPositionals } from "../../options/image.ts";
import { UsageError } from "../../usage-error.ts";

/** Writes images of the store to one archive. */
export async function run({
  options,
  positionals,
  log,
}: Invocation<typeof imageExportOptions, typeof imageExportPositionals>): Promise<number> {
  const { output, format } = options;
  if (output === undefined || positionals.images.length === 0) {
    const problem =
      output === undefined ? "--output is missing: which file is to be written?" : "which image is to be exported?";
    throw new UsageError(problem, { command: findCommand("image export") });
  }
  const { ArchiveTarget, copyImage } = await import("@runlet/image");
  const platform = await readPlatform(options);
  const store = await openStore(options);
  const images = await Promise.all(positionals.images.map((reference) => store.resolve(reference, { platform })));
  await using target = await ArchiveTarget.create({ hostPath: output, format });
  for (const { name, descriptor } of images) {
    const { digest } = descriptor;
    const copied = await copyImage({ from: store, to: target, reference: digest, targetReference: name, platform });
    const conversion = describeConversion(name ?? digest, digest, copied);
    if (conversion !== undefined) log.warn(conversion);
  }
  await target.finish();
  return 0;
}
