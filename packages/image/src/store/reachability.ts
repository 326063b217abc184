import { isRunletError, quote, RunletError } from "@runlet/errors";
import type { Digest } from "@runlet/spec";
import { mediaTypes } from "@runlet/spec";
import { chainIdsOf } from "../layers/chain-id.ts";
import type { LayerDirectory } from "../layers/layer-directory.ts";
import { maxManifestBytes, type ParsedManifest, parseConfiguration, parseManifest } from "../manifest.ts";
import type { BlobDirectory } from "./blob-directory.ts";
import type { Lease } from "./stored-image.ts";

/** What something keeps, directly or not. */
export interface Reach {
  readonly blobs: ReadonlySet<Digest>;
  /** Chain ids. */
  readonly layers: ReadonlySet<Digest>;
}

/** Follows what refers to what in a store. Remembers what it has read: an instance is for one look. */
export class Reachability {
  readonly #blobs: BlobDirectory;
  readonly #layers: LayerDirectory;
  readonly #known = new Map<Digest, Promise<Reach>>();

  constructor(options: { blobs: BlobDirectory; layers: LayerDirectory }) {
    this.#blobs = options.blobs;
    this.#layers = options.layers;
  }

  /**
   * What a manifest or index keeps: itself, and of what it refers to that which is there. Any other content keeps itself.
   *
   * @throws RunletError `ERR_RUNLET_STORE` for a manifest that is damaged or of an unknown kind: nobody knows what it kept.
   */
  ofContent(digest: Digest): Promise<Reach> {
    let reach = this.#known.get(digest);
    if (reach === undefined) {
      // What refers to itself, which no digest can, would wait for ever.
      reach = this.#follow(digest);
      this.#known.set(digest, reach);
    }
    return reach;
  }

  /** What a lease keeps. @throws RunletError as {@link ofContent}. */
  async ofLease(lease: Lease): Promise<Reach> {
    const blobs = new Set<Digest>();
    const layers = new Set<Digest>();
    for (const digest of lease.blobs) {
      // A lease on an image keeps its archives; unpacked layers are kept by name.
      for (const blob of (await this.ofContent(digest)).blobs) blobs.add(blob);
    }
    for (const chainId of lease.layers) {
      for (let next: Digest | undefined = chainId; next !== undefined; next = this.#layers.record(next)?.parent)
        layers.add(next);
    }
    return { blobs, layers };
  }

  async #follow(digest: Digest): Promise<Reach> {
    const size = this.#blobs.sizeIfExists(digest);
    if (size === undefined) return { blobs: new Set(), layers: new Set() };
    const parsed = size > maxManifestBytes ? undefined : await this.#parse(digest, size);
    const blobs = new Set<Digest>([digest]);
    const layers = new Set<Digest>();
    if (parsed?.kind === "index") {
      for (const child of parsed.index.manifests) {
        const reach = await this.ofContent(child.digest);
        for (const blob of reach.blobs) blobs.add(blob);
        for (const layer of reach.layers) layers.add(layer);
      }
    }
    if (parsed?.kind === "manifest") {
      const { config, layers: archives } = parsed.manifest;
      for (const { digest: child } of [config, ...archives]) {
        if (this.#blobs.sizeIfExists(child) !== undefined) blobs.add(child);
      }
      for (const chainId of await this.#chainOf(parsed)) layers.add(chainId);
    }
    return { blobs, layers };
  }

  async #parse(digest: Digest, size: number): Promise<ParsedManifest | undefined> {
    const bytes = await this.#blobs.read(digest, maxManifestBytes);
    try {
      // A type that says nothing, so that the document's own counts.
      return parseManifest({ bytes, descriptor: { mediaType: mediaTypes.descriptor, digest, size } });
    } catch (error) {
      if (!isRunletError(error)) throw error;
      if (!looksLikeManifest(bytes)) return undefined;
      throw new RunletError("ERR_RUNLET_STORE", `nobody knows what ${quote(digest)} in the store keeps`, {
        explanation: error.message,
        hint: "take the image's name away with `runlet image rm`, or use the version of runlet that stored it",
        cause: error,
      });
    }
  }

  async #chainOf({ manifest }: Extract<ParsedManifest, { kind: "manifest" }>): Promise<Digest[]> {
    const { digest } = manifest.config;
    const size = this.#blobs.sizeIfExists(digest);
    if (size === undefined || size > maxManifestBytes) return [];
    const bytes = await this.#blobs.read(digest, maxManifestBytes);
    const configuration = attempt(() => parseConfiguration({ bytes, digest, manifest }));
    return configuration === undefined ? [] : chainIdsOf(configuration.rootfs.diff_ids);
  }
}

/** What is intact, but no manifest that this store would unpack, refers to nothing that it could hold. */
function attempt<Result>(parse: () => Result): Result | undefined {
  try {
    return parse();
  } catch (error) {
    if (isRunletError(error)) return undefined;
    throw error;
  }
}

/** Every manifest and index says which version of its format it is of; no configuration and no layer does. */
function looksLikeManifest(bytes: Buffer): boolean {
  try {
    const document: unknown = JSON.parse(bytes.toString());
    return typeof document === "object" && document !== null && "schemaVersion" in document;
  } catch {
    return false;
  }
}
