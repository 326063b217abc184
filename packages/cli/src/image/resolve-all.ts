import { isRunletError } from "@runlet/errors";
import type { ImageStore, StoredImage } from "@runlet/image";

/** A name of the store and its image for this machine; undefined where it stands for images of other platforms only. */
export async function resolveIfHere(store: ImageStore, name: string): Promise<StoredImage | undefined> {
  try {
    return await store.resolve(name);
  } catch (error) {
    if (isRunletError(error) && error.code === "ERR_RUNLET_IMAGE") return undefined;
    throw error;
  }
}

/** The images of all names that have one for this machine, in the order of the names. */
export async function resolveAll(store: ImageStore): Promise<StoredImage[]> {
  const named = await store.list();
  const images = await Promise.all(named.map(({ name }) => resolveIfHere(store, name)));
  return images.filter((image) => image !== undefined);
}
