import { quote, RunletError } from "@runlet/errors";
import type { ImageOverrides } from "../config/image-spec.ts";
import { parseReference, type Reference } from "../reference.ts";
import type { SnapshotStorage } from "../snapshot/snapshot.ts";
import { ImageStore } from "../store/image-store.ts";
import type { StoredImage } from "../store/stored-image.ts";
import type { ImageSource, Progress } from "../transfer.ts";
import { removeInstance, storePathIfInstance } from "./instance-directory.ts";
import { instantiate } from "./instantiate.ts";

/** When an image is fetched: if the store has it not, each time, or not at all. */
export type PullPolicy = "missing" | "always" | "never";

/** Options of {@link ImageBundles}. */
export interface ImageBundlesOptions {
  /** Default: the user's own, opened when it is needed. */
  readonly store?: ImageStore | undefined;
  /** Default `missing`. */
  readonly pull?: PullPolicy | undefined;
  /** Where images are fetched from. Default: the registry in their name. */
  readonly openSource?: ((reference: Reference) => ImageSource | Promise<ImageSource>) | undefined;
  /** Default `auto`: overlays wherever the store's file system allows. */
  readonly storage?: SnapshotStorage | "auto" | undefined;
  /** Told of fetching and unpacking. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Told what a user should know, in a sentence each. */
  readonly onNote?: ((note: string) => void) | undefined;
}

/** What {@link ImageBundles.instantiate} is asked for. */
export interface BundleRequest extends ImageOverrides {
  /** Name of an image as `parseReference` reads it, or a digest. */
  readonly reference: string;
  /** Id of the container. */
  readonly id: string;
  /** Directory that exists as long as the container does. */
  readonly stateHostPath: string;
  /** Whether what the container writes is of no use without it. Default false. */
  readonly ephemeral?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A bundle for one container. */
export interface RequestedBundle {
  /** Its directory. */
  readonly bundle: string;
  /** To be called when the container exists. */
  keep(): void;
  /** To be called instead when it could not be made. */
  remove(): Promise<void>;
}

/**
 * Images for a runtime: what `new Runtime({ images })` of `@runlet/lifecycle` asks for.
 *
 * @example
 * const runtime = new Runtime({ images: new ImageBundles() });
 * const { stdout } = await runtime.run({ image: "alpine", args: ["cat", "/etc/os-release"] });
 */
export class ImageBundles {
  readonly #options: ImageBundlesOptions;
  /** Image by name as long as it is being fetched, so that many containers fetch it once. */
  readonly #pulls = new Map<string, Promise<StoredImage>>();
  #store: Promise<ImageStore> | undefined;

  constructor(options: ImageBundlesOptions = {}) {
    this.#options = options;
  }

  /**
   * Makes a bundle of an image, fetching and unpacking what the store has not.
   *
   * @throws RunletError `ERR_RUNLET_IMAGE`, `ERR_RUNLET_REGISTRY`, `ERR_RUNLET_STORE`, `ERR_RUNLET_ABORTED`; nothing is left
   *   behind then, but for what was fetched.
   */
  async instantiate(request: BundleRequest): Promise<RequestedBundle> {
    const { reference, id, stateHostPath, ephemeral, signal, ...overrides } = request;
    const store = await this.#openStore();
    const image = await this.#image(store, reference, signal);
    const made = await instantiate({
      store,
      image,
      containerId: id,
      stateHostPath,
      overrides,
      storage: this.#options.storage,
      isEphemeral: ephemeral,
      signal,
      onProgress: this.#options.onProgress,
    });
    for (const note of made.notes) this.#options.onNote?.(note);
    return { bundle: made.bundleHostPath, keep: made.keep, remove: made.remove };
  }

  /**
   * Removes a bundle, of whichever store, and lets go of the image's layers. One that is gone is no error.
   *
   * @returns false, and does nothing, for a bundle that was not made of an image.
   * @throws RunletError `ERR_RUNLET_STORE`
   */
  async remove(bundleHostPath: string): Promise<boolean> {
    const hostPath = storePathIfInstance(bundleHostPath);
    if (hostPath === undefined) return false;
    const { store } = this.#options;
    await removeInstance(store?.hostPath === hostPath ? store : await ImageStore.open({ hostPath }), bundleHostPath);
    return true;
  }

  #openStore(): Promise<ImageStore> {
    this.#store ??= this.#options.store === undefined ? ImageStore.open() : Promise.resolve(this.#options.store);
    return this.#store;
  }

  async #image(store: ImageStore, reference: string, signal: AbortSignal | undefined): Promise<StoredImage> {
    const { pull = "missing" } = this.#options;
    if (pull !== "always") {
      const found = await findImage(store, reference);
      if (found !== undefined) return found;
    }
    if (pull === "never") {
      throw new RunletError("ERR_RUNLET_IMAGE", `there is no image ${quote(reference)} in the store`, {
        hint: `fetch it first: runlet image pull ${reference}`,
      });
    }
    for (let known = this.#pulls.get(reference); known !== undefined; known = this.#pulls.get(reference)) {
      try {
        return await known;
      } catch (error) {
        // Whoever fetched it gave up: that is no reason for others to.
        if (!isAborted(error) || signal?.aborted === true) throw error;
      }
    }
    const pulled = this.#pull(store, reference, signal).finally(() => this.#pulls.delete(reference));
    this.#pulls.set(reference, pulled);
    return await pulled;
  }

  async #pull(store: ImageStore, name: string, signal: AbortSignal | undefined): Promise<StoredImage> {
    const { openSource = openRegistry, onProgress } = this.#options;
    const reference = parseReference(name);
    await using source = await openSource(reference);
    return await store.pull({
      source,
      reference: reference.digest ?? reference.tag,
      name,
      signal,
      onProgress,
    });
  }
}

/** An image of the store; undefined for one that is not there and may be in a registry. */
async function findImage(store: ImageStore, reference: string): Promise<StoredImage | undefined> {
  try {
    await store.manifest(reference);
  } catch (error) {
    // What looks like digits of a digest is none of a registry's names.
    const mayBeFetched = error instanceof RunletError && error.code === "ERR_RUNLET_IMAGE" && !isDigestLike(reference);
    if (!mayBeFetched) throw error;
    return undefined;
  }
  return await store.resolve(reference);
}

function isAborted(error: unknown): boolean {
  return error instanceof RunletError && error.code === "ERR_RUNLET_ABORTED";
}

function isDigestLike(reference: string): boolean {
  return /^(?:sha\d+:)?[0-9a-f]{6,}$/.test(reference);
}

async function openRegistry({ registry: host, repository }: Reference): Promise<ImageSource> {
  const { openRegistrySource } = await import("../registry/registry-source.ts");
  return openRegistrySource({ host, repository });
}
