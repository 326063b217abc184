import type { Descriptor, Digest } from "@runlet/spec";
import { checkContent, createHasher, parseDigest, sizeOf, wrongDigest, wrongSize } from "../digest.ts";
import { formatLayoutIndex, layoutHeader, namedDescriptor } from "../layout/layout-index.ts";
import { blobPath } from "../layout/layout-source.ts";
import { parseManifest } from "../manifest.ts";
import { parseReference, shortenReference } from "../reference.ts";
import type { ImageTarget, ManifestContent, OpenContent } from "../transfer.ts";
import { ArchiveWriter } from "./archive-writer.ts";
import type { ArchivedImage } from "./docker-manifest.ts";

/** What an archive is read as. */
export type ArchiveFormat =
  /** A tar archive of an image layout. */
  | "oci"
  /** The same with `manifest.json` and `repositories`, as `docker save` writes since version 25: for `docker load` of any version. */
  | "docker";

/**
 * An archive as a target. It appears under its name when it is finished: what is disposed of before leaves nothing behind.
 */
export class ArchiveTarget implements ImageTarget {
  readonly name: string;
  /** An image layout, which other tools look at nothing else in; what reads Docker's format takes Docker's types too. */
  readonly isOciOnly: boolean;
  readonly #format: ArchiveFormat;
  readonly #writer: ArchiveWriter;
  readonly #stored = new Map<Digest, Promise<void>>();
  readonly #listed: Descriptor[] = [];
  readonly #images: { readonly content: ManifestContent; name: string | undefined }[] = [];

  private constructor(options: { name: string; format: ArchiveFormat; writer: ArchiveWriter }) {
    this.name = options.name;
    this.isOciOnly = options.format === "oci";
    this.#format = options.format;
    this.#writer = options.writer;
  }

  /** @param options.hostPath - of the archive; what is there is replaced at the end. @throws RunletError `ERR_RUNLET_STORE` */
  static async create(options: { hostPath: string; format: ArchiveFormat }): Promise<ArchiveTarget> {
    const { hostPath: name, format } = options;
    return new ArchiveTarget({ name, format, writer: await ArchiveWriter.create(name) });
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    const stored = this.#stored.get(descriptor.digest);
    await stored;
    return stored !== undefined;
  }

  async putBlob(descriptor: Descriptor, open: OpenContent): Promise<void> {
    const { digest } = descriptor;
    const present = this.#stored.get(digest);
    if (present !== undefined) return present;
    const added = this.#writer.add(blobPath(digest), sizeOf(descriptor), verified(descriptor, open(0)));
    this.#stored.set(digest, added);
    try {
      await added;
    } catch (error) {
      this.#stored.delete(digest);
      throw error;
    }
  }

  async putManifest(manifest: ManifestContent, reference?: string): Promise<void> {
    const { descriptor, bytes } = manifest;
    await checkContent(descriptor, bytes);
    await this.putBlob(descriptor, () => single(bytes));
    const parsed = parseManifest(manifest);
    if (parsed.kind === "manifest") this.#images.push({ content: manifest, name: reference });
    else {
      // Docker's list has no indexes: the first image of one goes by its name.
      const children = new Set(parsed.index.manifests.map((child) => child.digest));
      const first = this.#images.find(({ content }) => children.has(content.descriptor.digest));
      if (first !== undefined) first.name ??= reference;
    }
    if (reference !== undefined) this.#listed.push(namedDescriptor(descriptor, reference));
  }

  /**
   * Completes the archive and gives it its name.
   *
   * @throws RunletError `ERR_RUNLET_STORE`
   */
  async finish(): Promise<void> {
    if (this.#format === "docker") await this.#addDockerFiles();
    await this.#writer.addBytes("oci-layout", layoutHeader);
    const unnamed = this.#images.at(-1)?.content.descriptor;
    const listed = this.#listed.length === 0 && unnamed !== undefined ? [unnamed] : this.#listed;
    await this.#writer.addBytes("index.json", formatLayoutIndex(listed));
    await this.#writer.finish();
  }

  async #addDockerFiles(): Promise<void> {
    const images: ArchivedImage[] = [];
    const repositories: Record<string, Record<string, string>> = {};
    for (const { content, name } of this.#images) {
      const parsed = parseManifest(content);
      if (parsed.kind !== "manifest") continue;
      const { config, layers } = parsed.manifest;
      const tag = name === undefined ? undefined : dockerTag(name);
      images.push({
        Config: blobPath(config.digest),
        RepoTags: tag === undefined ? [] : [`${tag.repository}:${tag.tag}`],
        Layers: layers.map((layer) => blobPath(layer.digest)),
      });
      const top = layers.at(-1);
      if (tag === undefined || top === undefined) continue;
      const tags = repositories[tag.repository] ?? {};
      tags[tag.tag] = parseDigest(top.digest).hex;
      repositories[tag.repository] = tags;
    }
    await this.#writer.addBytes("manifest.json", `${JSON.stringify(images)}\n`);
    await this.#writer.addBytes("repositories", `${JSON.stringify(repositories)}\n`);
  }

  /** Drops an archive that was not finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.discard();
  }
}

/** `alpine:3.20` of `docker.io/library/alpine:3.20`; nothing of a name that has no tag. */
function dockerTag(name: string): { repository: string; tag: string } | undefined {
  const reference = parseReference(name);
  const { tag, registry, repository } = reference;
  return tag === undefined ? undefined : { repository: shortenReference({ registry, repository }), tag };
}

async function* verified(
  descriptor: Descriptor,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { digest } = descriptor;
  const expected = sizeOf(descriptor);
  const hasher = await createHasher(parseDigest(digest).algorithm);
  let done = 0;
  for await (const chunk of content) {
    done += chunk.length;
    if (done > expected) break;
    hasher.update(chunk);
    yield chunk;
  }
  if (done !== expected) throw wrongSize(digest, { expected, actual: done });
  const actual = hasher.digest();
  if (actual !== digest) throw wrongDigest(digest, actual);
}

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
