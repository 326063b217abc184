import type { Mount } from "@runlet/spec";
import type { CreateOptions } from "./options.ts";

/** What a container of an image does otherwise than the image says. */
export interface ImageChanges {
  /** Arguments in place of the image's `Cmd`. */
  readonly args?: readonly string[];
  /** Program in place of the image's `Entrypoint`; an empty list for none. Without `args`, `Cmd` does not hold either. */
  readonly entrypoint?: readonly string[];
  /** `NAME=value` each; takes the place of the image's of the same name. */
  readonly env?: readonly string[];
  /** Working directory in the container. */
  readonly cwd?: string;
  /** As an image's `User`: name or number, with `:` and a group after it or not. */
  readonly user?: string;
  readonly hostname?: string;
  /** After the default ones. */
  readonly mounts?: readonly Mount[];
  readonly memoryLimitBytes?: number;
  /** Whether the process gets a terminal. */
  readonly terminal?: boolean;
  /** Whether the container cannot write to its root file system. Default false. */
  readonly readonly?: boolean;
}

/** What an {@link ImageProvider} is asked for. */
export interface ImageRequest extends ImageChanges {
  /** Name of the image, as the provider knows it. */
  readonly reference: string;
  /** Id of the container. */
  readonly id: string;
  /** Directory that exists as long as the container does. */
  readonly stateHostPath: string;
  /** Whether what the container writes is of no use without it. Default false. */
  readonly ephemeral?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A bundle for one container. */
export interface ImageBundle {
  /** Directory that holds config.json and the root file system. */
  readonly bundle: string;
  /** To be called when the container exists: from then on the bundle is the container's. */
  keep(): void;
  /** To be called instead when it could not be made. */
  remove(): Promise<void>;
}

/**
 * Where a runtime has images from. `ImageBundles` of `@runlet/image` is one; this package knows no images, so whoever wants
 * them brings them: `new Runtime({ images })`.
 */
export interface ImageProvider {
  /** Makes a bundle of an image, fetching that if it has to. */
  instantiate(request: ImageRequest): Promise<ImageBundle>;
  /**
   * Removes a bundle that was kept, and lets go of what was kept for it. One that is gone is no error.
   *
   * @returns false, and does nothing, for a bundle that is no such provider's.
   */
  remove(bundleHostPath: string): Promise<boolean>;
}

/** Options of `Runtime.create` for a container of an image. Its bundle is removed with it. */
export interface ImageCreateOptions extends Omit<CreateOptions, "bundle" | "config" | "configPath">, ImageChanges {
  /** Name of the image, as the runtime's `images` know it. */
  readonly image: string;
  /** Whether what the container writes need not survive a crash of the machine. Default false. */
  readonly ephemeral?: boolean;
}
