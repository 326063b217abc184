import { statSync } from "node:fs";
import { quote, RunletError } from "@runlet/errors";
import type { Descriptor, ImageIndex } from "@runlet/spec";
import { isDigest, parseDigest } from "../digest.ts";
import { maxManifestBytes, parseManifest } from "../manifest.ts";
import type { ImageSource, ManifestContent, ReadOptions } from "../transfer.ts";
import { ArchiveTree } from "./archive-tree.ts";
import { DirectoryTree, type FileTree, missingFile, readError, readIfExists } from "./file-tree.ts";
import { checkLayoutHeader, findInLayout, namesOf, parseLayoutIndex, withoutNames } from "./layout-index.ts";

/**
 * An OCI image layout as a source: a directory, or a tar archive of one.
 *
 * @see OCI image specification, image-layout.md
 */
export class LayoutSource implements ImageSource {
  readonly name: string;
  readonly #tree: FileTree;
  readonly #index: ImageIndex;

  private constructor(tree: FileTree, index: ImageIndex) {
    this.name = tree.name;
    this.#tree = tree;
    this.#index = index;
  }

  /** @throws RunletError `ERR_RUNLET_IMAGE` if there is no image layout. */
  static async open(hostPath: string): Promise<LayoutSource> {
    const tree = await openFileTree(hostPath);
    try {
      return await LayoutSource.fromTree(tree);
    } catch (error) {
      await tree[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @param tree - becomes the source's. @throws RunletError `ERR_RUNLET_IMAGE` */
  static async fromTree(tree: FileTree): Promise<LayoutSource> {
    checkLayoutHeader(tree.name, await readIfExists(tree, "oci-layout", maxManifestBytes));
    const bytes = await readIfExists(tree, "index.json", maxManifestBytes);
    if (bytes === undefined) throw missingFile(tree.name, "index.json");
    return new LayoutSource(tree, parseLayoutIndex(tree.name, bytes));
  }

  /** Names that images of the layout go by, in its order. */
  get references(): readonly string[] {
    return [...new Set(this.#index.manifests.flatMap(namesOf))];
  }

  async manifest(reference?: string): Promise<ManifestContent> {
    const listed = this.#index.manifests.some(({ digest }) => digest === reference);
    // A digest may be that of a manifest which only another one refers to.
    const descriptor: Pick<Descriptor, "mediaType" | "digest"> =
      isDigest(reference) && !listed
        ? { mediaType: "", digest: reference }
        : findInLayout({ name: this.name, index: this.#index, reference });
    const bytes = await readIfExists(this.#tree, blobPath(descriptor.digest), maxManifestBytes);
    if (bytes === undefined)
      throw new RunletError("ERR_RUNLET_IMAGE", `${quote(this.name)} lacks the manifest ${descriptor.digest}`, {
        hint: "the layout is incomplete: copy it again",
      });
    const content = { bytes, descriptor: withoutNames({ ...descriptor, size: bytes.length }) };
    if (descriptor.mediaType !== "") return content;
    return { bytes, descriptor: { ...content.descriptor, mediaType: parseManifest(content).mediaType } };
  }

  blob(descriptor: Descriptor, options?: ReadOptions): AsyncIterable<Uint8Array> {
    return this.#tree.stream(blobPath(descriptor.digest), options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tree[Symbol.asyncDispose]();
  }
}

/** Where a layout has a blob. @throws RunletError `ERR_RUNLET_IMAGE` for what is no digest. */
export function blobPath(digest: string): string {
  const { algorithm, hex } = parseDigest(digest);
  return `blobs/${algorithm}/${hex}`;
}

/** Opens a directory, or a tar archive, by what is there. @throws RunletError `ERR_RUNLET_IMAGE` */
export async function openFileTree(hostPath: string): Promise<FileTree> {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(hostPath).isDirectory();
  } catch (error) {
    throw readError(hostPath, error);
  }
  return isDirectory ? DirectoryTree.open(hostPath) : await ArchiveTree.open(hostPath);
}
