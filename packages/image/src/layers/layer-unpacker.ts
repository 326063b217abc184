import { isRunletError, quote, RunletError } from "@runlet/errors";
import { type LowerFiles, type UnpackResult, unpackArchive } from "@runlet/rootfs";
import type { BlobDirectory } from "../store/blob-directory.ts";
import { damagedBlob, missingBlob } from "../store/blob-directory.ts";
import { storeHints } from "../store/store-error.ts";
import { ownerPolicy } from "../store/store-privileges.ts";
import type { ImageLayer, UnpackImageOptions } from "../store/stored-image.ts";

const failuresOfTheHost = new Set(["ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE", "ENFILE", "ENOMEM"]);

/** Where and how a layer is unpacked. */
export interface UnpackLayerOptions extends Pick<UnpackImageOptions, "signal" | "limits"> {
  readonly layer: ImageLayer;
  readonly rootHostPath: string;
  /** `overlay`: into a directory of its own. `apply`: over what is there. */
  readonly whiteouts: "overlay" | "apply";
  /** The tree that the layer and those below it make together, if a hard link may name a file of those. */
  readonly lower?: LowerFiles | undefined;
  /** Told how many bytes of the archive were read so far. */
  readonly onRead: (doneBytes: number) => void;
}

/** What of a layer depends on those below it. */
export type IncompleteLayer = Pick<UnpackResult, "impliedDirectories" | "whiteouts">;

/** Unpacks the archives of layers as the store's owner can. */
export class LayerUnpacker {
  readonly #blobs: BlobDirectory;
  readonly #isPrivileged: boolean;

  /** @param options.isPrivileged - whether devices and `trusted` attributes can be made. */
  constructor(options: { blobs: BlobDirectory; isPrivileged: boolean }) {
    this.#blobs = options.blobs;
    this.#isPrivileged = options.isPrivileged;
  }

  /** The attribute that marks an opaque directory. */
  get opaqueXattr(): "trusted.overlay.opaque" | "user.overlay.opaque" {
    return this.#isPrivileged ? "trusted.overlay.opaque" : "user.overlay.opaque";
  }

  /**
   * Unpacks one layer.
   *
   * @throws RunletError `ERR_RUNLET_ARCHIVE`, which {@link explain} explains; `ERR_RUNLET_IMAGE` if the archive is not there.
   */
  async unpack(options: UnpackLayerOptions): Promise<IncompleteLayer> {
    const { layer, rootHostPath, whiteouts, lower, signal, limits, onRead } = options;
    const { descriptor, diffId } = layer;
    if (!this.#blobs.has(descriptor)) throw missingBlob(descriptor.digest);
    return await unpackArchive({
      rootHostPath,
      source: this.#blobs.pathOf(descriptor.digest),
      contentDigest: diffId,
      whiteouts,
      opaqueXattr: this.opaqueXattr,
      owner: ownerPolicy(),
      devices: this.#isPrivileged ? "create" : "skip",
      lower,
      signal,
      onRead,
      ...(limits === undefined ? {} : { limits }),
    });
  }

  /** Whose fault it is that a layer does not unpack: the host's, the store's, or the image's. */
  async explain(error: unknown, { descriptor, diffId }: ImageLayer): Promise<unknown> {
    if (!isRunletError(error) || error.code !== "ERR_RUNLET_ARCHIVE") return error;
    const { syscall, errno, explanation, hint, details } = error;
    if (errno !== undefined && failuresOfTheHost.has(errno))
      return new RunletError("ERR_RUNLET_STORE", `cannot unpack the layer ${diffId}: ${error.message}`, {
        syscall,
        errno,
        hint: storeHints[errno] ?? hint,
        cause: error,
      });
    if (!(await this.#blobs.isIntact(descriptor.digest))) {
      this.#blobs.remove(descriptor.digest);
      return damagedBlob(descriptor.digest, error);
    }
    return new RunletError("ERR_RUNLET_IMAGE", `layer ${quote(descriptor.digest)}: ${error.message}`, {
      syscall,
      errno,
      explanation,
      hint: hint ?? "the image itself is at fault: try another version of it",
      details,
      cause: error,
    });
  }
}

/** Whether a layer has a hard link to a file that it has not itself. */
export function lacksLinkTarget(error: unknown): boolean {
  return isRunletError(error) && error.code === "ERR_RUNLET_ARCHIVE" && error.details?.linkTarget !== undefined;
}
