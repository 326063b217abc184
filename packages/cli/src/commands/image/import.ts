import { quote, RunletError } from "@runlet/errors";
import type { Invocation } from "../../command.ts";
import { nameWithDigest } from "../../image/name-with-digest.ts";
import { openStore } from "../../image/store.ts";
import { openTransferDisplay } from "../../image/transfer-display.ts";
import type { imageImportOptions, imageImportPositionals } from "../../options/image.ts";

/** Copies every image of a file into the store, by the names that they have there. */
export async function run({
  options,
  positionals,
  print,
}: Invocation<typeof imageImportOptions, typeof imageImportPositionals>): Promise<number> {
  const { defaultImageName, openImageFile } = await import("@runlet/image");
  const { file } = positionals;
  await using source = await openImageFile(file);
  const { references } = source;
  if (options.name !== undefined && references.length > 1) {
    throw new RunletError("ERR_RUNLET_USAGE", `${quote(file)} holds several images, and --name is one name`, {
      hint: "take one of them: runlet image pull --name NAME oci-archive:FILE:IMAGE",
    });
  }
  const store = await openStore(options);
  using _hold = await store.hold();
  const display = await openTransferDisplay({ isQuiet: options.quiet, isJson: options.json, print });
  const results: string[] = [];
  try {
    // Without a name of its own, an image is the only one.
    for (const reference of references.length === 0 ? [undefined] : references) {
      const name =
        options.name ?? defaultImageName({ transport: "oci-archive", hostPath: file, name: undefined }, reference);
      const image = await store.pull({ source, reference, name, onProgress: display.update });
      if (!options["no-unpack"]) await store.unpack(image, { onProgress: display.update });
      const { digest } = image.target;
      results.push(
        options.json
          ? JSON.stringify({ step: "done", name: image.name ?? null, target: digest })
          : image.name === undefined
            ? digest
            : nameWithDigest(image.name, digest),
      );
    }
  } finally {
    display.finish();
  }
  for (const result of results) print(result);
  return 0;
}
