import type { ImageProvider } from "./image-provider.ts";

/**
 * Removes a bundle that belonged to a container, whatever its files are called. One that is gone is no error.
 *
 * @param images - whoever may have made the bundle; without it the files go, and what else was kept for them stays until the
 *   image store collects its garbage.
 */
export async function removeBundle(bundleHostPath: string, images: ImageProvider | undefined): Promise<void> {
  if (await images?.remove(bundleHostPath)) return;
  const [{ removeTree }, { atFlags }] = await Promise.all([import("@runlet/rootfs"), import("@runlet/syscall")]);
  removeTree({ dirFd: atFlags.AT_FDCWD, path: bundleHostPath });
}
