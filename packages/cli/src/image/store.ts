import type { ImageStore } from "@runlet/image";

/** Opens the store that `--store` names. Imports the image package, so only for commands that need it. */
export async function openStore(options: { readonly store: string | undefined }): Promise<ImageStore> {
  const { ImageStore } = await import("@runlet/image");
  return ImageStore.open(options.store === undefined ? {} : { hostPath: options.store });
}
