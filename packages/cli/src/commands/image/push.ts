import { RunletError } from "@runlet/errors";
import type { ImageStore, Progress, StoredImage } from "@runlet/image";
import { parseBytes } from "../../byte-size.ts";
import type { Invocation } from "../../command.ts";
import { registryAccess } from "../../image/registry-access.ts";
import { openStore } from "../../image/store.ts";
import { openTransferDisplay } from "../../image/transfer-display.ts";
import type { pushOptions, pushPositionals } from "../../options/image.ts";

/** Copies an image of the store to a registry. */
export async function run({
  options,
  positionals,
  print,
}: Invocation<typeof pushOptions, typeof pushPositionals>): Promise<number> {
  const { copyImage, formatReference, openRegistryTarget, parseImageLocation, parsePlatform } = await import(
    "@runlet/image"
  );
  const store = await openStore(options);
  const isWhole = options["all-platforms"];
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const image = await store.resolve(positionals.image, { platform });
  const location = parseImageLocation(positionals.destination ?? image.name ?? positionals.image);
  if (location.transport !== "docker") {
    throw new RunletError("ERR_RUNLET_UNSUPPORTED", `images are not pushed to ${location.transport}:`, {
      hint: "use runlet image export",
    });
  }
  const { registry, repository, tag, digest } = location.reference;
  if (digest !== undefined) {
    throw new RunletError("ERR_RUNLET_USAGE", "the digest of what is pushed is not for the pusher to choose", {
      hint: "name a tag",
    });
  }
  const { "chunk-size": chunkSize } = options;
  await using target = openRegistryTarget({
    host: registry,
    repository,
    mountFrom: await neighbours(store, registry, image),
    uploadChunkBytes: chunkSize === undefined ? undefined : parseBytes(chunkSize),
    ...(await registryAccess(options, registry)),
  });
  const display = await openTransferDisplay({ isQuiet: options.quiet, isJson: options.json, print });
  try {
    const pushed = isWhole ? image.target : image.descriptor;
    await copyImage({
      from: store,
      to: target,
      reference: pushed.digest,
      targetReference: tag,
      platform: isWhole ? "all" : platform,
      onProgress: (progress) => display.update(asUpload(progress)),
    });
    display.finish();
    const name = formatReference(location.reference);
    if (options.json) print(JSON.stringify({ step: "done", name, target: pushed.digest }));
    else print(`${name}@${pushed.digest}`);
    return 0;
  } catch (error) {
    display.finish();
    throw error;
  }
}

/** Out of the store, what is read is sent. */
function asUpload(progress: Progress): Progress {
  return progress.step === "download" ? { ...progress, step: "upload" } : progress;
}

/** Repositories of the registry that may have some of the layers, as the names of images in the store that share them say. */
async function neighbours(store: ImageStore, registry: string, image: StoredImage): Promise<string[]> {
  const { parseReference } = await import("@runlet/image");
  const { resolveAll } = await import("../../image/resolve-all.ts");
  const digests = new Set(image.layers.map(({ descriptor }) => descriptor.digest));
  const repositories = (await resolveAll(store)).flatMap(({ name, layers }) => {
    const reference = name === undefined ? undefined : parseReference(name);
    if (reference?.registry !== registry) return [];
    return layers.some(({ descriptor }) => digests.has(descriptor.digest)) ? [reference.repository] : [];
  });
  return [...new Set(repositories)];
}
