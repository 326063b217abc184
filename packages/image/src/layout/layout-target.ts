import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import type { Descriptor } from "@runlet/spec";
import { checkContent } from "../digest.ts";
import { BlobDirectory } from "../store/blob-directory.ts";
import { ensureDirectory, replaceFile } from "../store/durable-file.ts";
import { lockFile } from "../store/file-lock.ts";
import { hasCode, storeError } from "../store/store-error.ts";
import type { ImageTarget, ManifestContent, OpenContent, RequestOptions } from "../transfer.ts";
import {
  checkLayoutHeader,
  formatLayoutIndex,
  layoutHeader,
  namedDescriptor,
  namesOf,
  parseLayoutIndex,
} from "./layout-index.ts";

const lockTimeoutMs = 30_000;

/**
 * An OCI image layout in a directory as a target. Images are added to those that are there; one of the same name is
 * replaced. Blobs that this makes unused stay.
 */
export class LayoutTarget implements ImageTarget {
  readonly name: string;
  /** Other tools look at nothing else in a layout. */
  readonly isOciOnly = true;
  readonly #hostPath: string;
  readonly #partialHostPath: string;
  readonly #blobs: BlobDirectory;

  private constructor(hostPath: string) {
    this.name = hostPath;
    this.#hostPath = hostPath;
    this.#partialHostPath = join(hostPath, ".partial");
    this.#blobs = new BlobDirectory({
      blobsHostPath: join(hostPath, "blobs"),
      partialHostPath: this.#partialHostPath,
    });
  }

  /**
   * Opens a layout, making it if there is none.
   *
   * @throws RunletError `ERR_RUNLET_IMAGE` for a directory that holds something else; `ERR_RUNLET_STORE`
   */
  static async open(hostPath: string): Promise<LayoutTarget> {
    try {
      ensureDirectory(hostPath, 0o755);
      const header = join(hostPath, "oci-layout");
      if (existsSync(header)) checkLayoutHeader(hostPath, readFileSync(header));
      else if (readdirSync(hostPath).length > 0)
        throw new RunletError("ERR_RUNLET_IMAGE", `${quote(hostPath)} is neither empty nor an image layout`, {
          hint: "name another directory",
        });
      else await replaceFile(header, layoutHeader);
    } catch (error) {
      throw storeError(`write to the image layout ${quote(hostPath)}`, error);
    }
    return new LayoutTarget(hostPath);
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    return this.#blobs.has(descriptor);
  }

  async putBlob(descriptor: Descriptor, open: OpenContent, options?: RequestOptions): Promise<void> {
    await this.#blobs.put(descriptor, open, options);
  }

  async putManifest(manifest: ManifestContent, reference?: string): Promise<void> {
    const { descriptor, bytes } = manifest;
    await checkContent(descriptor, bytes);
    if (!this.#blobs.has(descriptor)) await this.#blobs.put(descriptor, (offset) => once(bytes, offset));
    if (reference === undefined) return;
    using _lock = await lockFile(join(this.#hostPath, "index.lock"), {
      subject: `the image layout ${quote(this.name)}`,
      timeoutMs: lockTimeoutMs,
    });
    try {
      const others = this.#listed().filter((listed) => !namesOf(listed).includes(reference));
      const named = namedDescriptor(descriptor, reference);
      await replaceFile(join(this.#hostPath, "index.json"), formatLayoutIndex([...others, named]));
    } catch (error) {
      throw storeError(`write to the image layout ${quote(this.name)}`, error);
    }
  }

  #listed(): readonly Descriptor[] {
    try {
      return parseLayoutIndex(this.name, readFileSync(join(this.#hostPath, "index.json"))).manifests;
    } catch (error) {
      if (hasCode(error, "ENOENT")) return [];
      throw error;
    }
  }

  /** Removes what is there only while something is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      rmdirSync(this.#partialHostPath);
    } catch {
      // Never made, or what broke off lies there, for the next attempt.
    }
  }
}

async function* once(bytes: Uint8Array, offsetBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes.subarray(offsetBytes);
}
