import { quote, RunletError } from "@runlet/errors";
import type { Descriptor, Digest, Platform } from "@runlet/spec";
import { mediaTypes } from "@runlet/spec";
import { isDigest, sizeOf } from "../digest.ts";
import { layersOf } from "../layers/chain-id.ts";
import { checkIsImage, maxManifestBytes, type ParsedManifest, parseConfiguration, parseManifest } from "../manifest.ts";
import { choosePlatform, hostPlatform } from "../platform.ts";
import { formatReference, parseReference } from "../reference.ts";
import type { ManifestContent } from "../transfer.ts";
import type { BlobDirectory } from "./blob-directory.ts";
import type { NameIndex } from "./name-index.ts";
import type { StoredImage } from "./stored-image.ts";

/** Where a reference led. */
interface Located {
  readonly name: string | undefined;
  readonly target: Descriptor;
}

const digestPrefix = /^(?:sha256:|sha512:)?([0-9a-f]{6,128})$/;
const maxIndexDepth = 4;

/** Finds images in a store by whatever they are called. */
export class ImageResolver {
  readonly #blobs: BlobDirectory;
  readonly #names: NameIndex;

  constructor(options: { blobs: BlobDirectory; names: NameIndex }) {
    this.#blobs = options.blobs;
    this.#names = options.names;
  }

  /**
   * What a name or digest stands for: a manifest or an index.
   *
   * @param reference - a name as `parseReference` reads it, a digest of a manifest or of a named image's configuration, or
   *   at least six digits of one.
   * @throws RunletError `ERR_RUNLET_IMAGE` if there is none, or if digits begin several.
   */
  async locate(reference: string): Promise<Located> {
    const prefix = digestPrefix.exec(reference)?.[1];
    if (isDigest(reference)) {
      const size = this.#blobs.sizeIfExists(reference);
      if (size !== undefined && (await this.#isManifest(reference, size)))
        return { name: undefined, target: await this.#describe(reference, size) };
    } else if (prefix === undefined || prefix.length < 64) {
      const found = this.#locateName(reference);
      if (found !== undefined) return found;
      const { digest } = prefix === undefined ? parseReference(reference) : { digest: undefined };
      if (digest !== undefined) {
        const size = this.#blobs.sizeIfExists(digest);
        if (size !== undefined) return { name: undefined, target: await this.#describe(digest, size) };
      }
    }
    const found = prefix === undefined ? [] : await this.#locatePrefix(prefix);
    const targets = new Set(found.map(({ target }) => target.digest));
    if (found[0] !== undefined && targets.size === 1) return found[0];
    if (targets.size > 1)
      throw new RunletError("ERR_RUNLET_IMAGE", `${quote(reference)} begins the digests of ${targets.size} images`, {
        hint: "write more digits, or a name",
      });
    throw new RunletError("ERR_RUNLET_IMAGE", `there is no image ${quote(reference)} in the store`, {
      hint: `pull it first: runlet image pull ${reference}`,
    });
  }

  #locateName(reference: string): Located | undefined {
    const name = formatReference(parseReference(reference));
    const target = this.#names.find(name);
    return target === undefined ? undefined : { name, target };
  }

  async #locatePrefix(prefix: string): Promise<Located[]> {
    const found: Located[] = [];
    const matches = (digest: Digest) => digest.slice(digest.indexOf(":") + 1).startsWith(prefix);
    for (const { name, target } of this.#names.list()) {
      const digests = await this.#imagesBelow(target, new Set());
      if ([target.digest, ...digests].some(matches)) found.push({ name, target });
    }
    return found;
  }

  /**
   * Digests of manifests and configurations that are there.
   *
   * @param seen - what was read, which is not read again however often it is listed.
   */
  async #imagesBelow(
    target: Pick<Descriptor, "digest" | "size">,
    seen: Set<Digest>,
    depth = 0,
  ): Promise<readonly Digest[]> {
    if (!this.#blobs.has(target) || depth > maxIndexDepth || seen.has(target.digest)) return [];
    seen.add(target.digest);
    const parsed = await this.#parse(target.digest, sizeOf(target));
    if (parsed.kind === "manifest") return [target.digest, parsed.manifest.config.digest];
    const digests: Digest[] = [];
    for (const child of parsed.index.manifests) digests.push(...(await this.#imagesBelow(child, seen, depth + 1)));
    return digests;
  }

  async #isManifest(digest: Digest, size: number): Promise<boolean> {
    if (size > maxManifestBytes) return false;
    try {
      await this.#parse(digest, size);
      return true;
    } catch {
      return false;
    }
  }

  async #describe(digest: Digest, size: number): Promise<Descriptor> {
    const { mediaType } = await this.#parse(digest, size);
    return { mediaType, digest, size };
  }

  async #parse(digest: Digest, size: number): Promise<ParsedManifest> {
    const bytes = await this.#blobs.read(digest, maxManifestBytes);
    // A type that says nothing, so that the document's own counts.
    return parseManifest({ bytes, descriptor: { mediaType: mediaTypes.descriptor, digest, size } });
  }

  /** Reads a manifest or index. @throws RunletError as `BlobDirectory.read`. */
  async content(target: Descriptor): Promise<ManifestContent> {
    return { descriptor: target, bytes: await this.#blobs.read(target.digest, maxManifestBytes) };
  }

  /**
   * Loads an image: the one for the platform, where the target is an index.
   *
   * @throws RunletError `ERR_RUNLET_IMAGE` if it is no image, not for the platform, or incomplete.
   */
  async load(located: Located, platform: Platform | undefined): Promise<StoredImage> {
    const { name, target } = located;
    let descriptor = target;
    for (let depth = 0; ; depth++) {
      const parsed = parseManifest(await this.content(descriptor));
      if (parsed.kind === "manifest") return await this.#loadImage({ name, target, descriptor, parsed });
      if (depth >= maxIndexDepth) throw new RunletError("ERR_RUNLET_IMAGE", "an index lists indexes too deep");
      const chosen = choosePlatform({
        manifests: parsed.index.manifests,
        platform: platform ?? hostPlatform(),
        name: name ?? target.digest,
      });
      if (!this.#blobs.has(chosen))
        throw new RunletError(
          "ERR_RUNLET_IMAGE",
          `${quote(name ?? target.digest)} was not pulled for ${chosen.platform?.os}/${chosen.platform?.architecture}`,
          { hint: "pull it again with --platform" },
        );
      const { mediaType, digest, size } = chosen;
      descriptor = { mediaType, digest, size };
    }
  }

  async #loadImage(options: {
    name: string | undefined;
    target: Descriptor;
    descriptor: Descriptor;
    parsed: Extract<ParsedManifest, { kind: "manifest" }>;
  }): Promise<StoredImage> {
    const { name, target, descriptor, parsed } = options;
    const { manifest } = parsed;
    checkIsImage(descriptor.digest, manifest);
    const { digest } = manifest.config;
    const bytes = await this.#blobs.read(digest, maxManifestBytes);
    const configuration = parseConfiguration({ bytes, digest, manifest });
    const layers = await layersOf(manifest.layers, configuration.rootfs.diff_ids);
    return { name, target, descriptor, manifest, configuration, layers };
  }
}
