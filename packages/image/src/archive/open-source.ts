import { LayoutSource, openFileTree } from "../layout/layout-source.ts";
import type { ImageSource } from "../transfer.ts";
import { DockerArchiveSource } from "./docker-source.ts";

/** A source that knows the names of what it holds. */
export interface FileSource extends ImageSource {
  /** Names that its images go by. */
  readonly references: readonly string[];
}

/**
 * Opens images in a file or directory, whichever they are: an image layout or a docker archive; of what is both, the image
 * layout counts, since it has the digests of what was built.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` if it is neither.
 */
export async function openImageFile(hostPath: string): Promise<FileSource> {
  const tree = await openFileTree(hostPath);
  try {
    return tree.sizeIfExists("oci-layout") === undefined
      ? await DockerArchiveSource.fromTree(tree)
      : await LayoutSource.fromTree(tree);
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
}
