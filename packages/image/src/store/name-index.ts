import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isRunletError, quote, RunletError } from "@runlet/errors";
import type { Descriptor } from "@runlet/spec";
import {
  formatLayoutIndex,
  namedDescriptor,
  parseLayoutIndex,
  refNameAnnotation,
  withoutNames,
} from "../layout/layout-index.ts";
import { parseReference } from "../reference.ts";
import { replaceFile } from "./durable-file.ts";
import { lockFile } from "./file-lock.ts";
import { hasCode, storeError } from "./store-error.ts";
import type { NamedImage } from "./stored-image.ts";

const lockTimeoutMs = 30_000;

/** The names of the store: the `index.json` of its image layout. */
export class NameIndex {
  readonly #indexHostPath: string;
  readonly #lockHostPath: string;

  /** @param storeHostPath - the store's directory. */
  constructor(storeHostPath: string) {
    this.#indexHostPath = join(storeHostPath, "index.json");
    this.#lockHostPath = join(storeHostPath, "index.lock");
  }

  /**
   * All names, in their order. What another tool has written without a name is left out.
   *
   * @throws RunletError `ERR_RUNLET_STORE`
   */
  list(): NamedImage[] {
    return this.targets()
      .flatMap(({ name, target }) => (name === undefined ? [] : [{ name, target }]))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  /** Everything that the index refers to, named or not. @throws RunletError `ERR_RUNLET_STORE` */
  targets(): { name: string | undefined; target: Descriptor }[] {
    return this.#read().map((descriptor) => ({
      name: descriptor.annotations?.[refNameAnnotation],
      target: withoutNames(descriptor),
    }));
  }

  /** What a name stands for; undefined if there is none. @throws RunletError `ERR_RUNLET_STORE` */
  find(name: string): Descriptor | undefined {
    return this.list().find((named) => named.name === name)?.target;
  }

  /**
   * Makes a name stand for something, whatever it stood for.
   *
   * @throws RunletError `ERR_RUNLET_IMAGE` for a name with another digest than the target's: whoever asks by digest trusts it;
   *   `ERR_RUNLET_STORE`, `ERR_RUNLET_LOCKED`
   */
  async set(name: string, target: Descriptor): Promise<void> {
    const { digest } = parseReference(name);
    if (digest !== undefined && digest !== target.digest)
      throw new RunletError(
        "ERR_RUNLET_IMAGE",
        `${quote(name)} is no name for an image of the digest ${target.digest}`,
        {
          hint: "give a name without a digest",
        },
      );
    await this.#change((manifests) => [...without(manifests, name), namedDescriptor(target, name)]);
  }

  /** Takes a name away. @returns false if there was none. @throws RunletError `ERR_RUNLET_STORE`, `ERR_RUNLET_LOCKED` */
  async remove(name: string): Promise<boolean> {
    let isFound = false;
    await this.#change((manifests) => {
      const rest = without(manifests, name);
      isFound = rest.length < manifests.length;
      return rest;
    });
    return isFound;
  }

  async #change(edit: (manifests: readonly Descriptor[]) => readonly Descriptor[]): Promise<void> {
    using _lock = await lockFile(this.#lockHostPath, { subject: "the list of images", timeoutMs: lockTimeoutMs });
    try {
      await replaceFile(this.#indexHostPath, formatLayoutIndex(edit(this.#read())));
    } catch (error) {
      throw storeError("write the list of images", error);
    }
  }

  #read(): readonly Descriptor[] {
    try {
      return parseLayoutIndex(this.#indexHostPath, readFileSync(this.#indexHostPath)).manifests;
    } catch (error) {
      if (hasCode(error, "ENOENT")) return [];
      if (!isRunletError(error)) throw storeError("read the list of images", error);
      throw new RunletError("ERR_RUNLET_STORE", "the list of images in the store is damaged", {
        hint: "remove index.json from the store and pull the images again: what they consist of is still there",
        cause: error,
      });
    }
  }
}

function without(manifests: readonly Descriptor[], name: string): readonly Descriptor[] {
  return manifests.filter((descriptor) => descriptor.annotations?.[refNameAnnotation] !== name);
}
