import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { removeTree } from "@runlet/rootfs";
import type { Digest } from "@runlet/spec";
import { atFlags, readDirectory, syncfs } from "@runlet/syscall";
import { isDigest, parseDigest, sizeOf } from "../digest.ts";
import type { BlobDirectory } from "../store/blob-directory.ts";
import { flushDirectory, replaceFile } from "../store/durable-file.ts";
import { lockPath } from "../store/file-lock.ts";
import { hasCode, storeError } from "../store/store-error.ts";
import type { ImageLayer, UnpackedLayer, UnpackImageOptions } from "../store/stored-image.ts";
import { completeLayer } from "./layer-completion.ts";
import { formatLayerRecord, type LayerRecord, readLayerRecord } from "./layer-record.ts";
import { type IncompleteLayer, LayerUnpacker, lacksLinkTarget } from "./layer-unpacker.ts";
import { MergedTree } from "./merged-tree.ts";
import { hideBelowOpaqueRoot } from "./opaque-root.ts";
import { Slots } from "./slots.ts";

/** Decompression runs on threads of the pool, making files on one for each layer; reading archives on the caller's. */
const parallelUnpacks = 3;
const treeName = "tree";
const recordName = "layer.json";

interface Batch {
  readonly options: UnpackImageOptions;
  readonly signal: AbortSignal;
  readonly slots: Slots;
}

interface TreeJob {
  readonly layer: ImageLayer;
  readonly stagingFd: number;
  /** Where the tree is made. */
  readonly tree: string;
  /** Trees of the layers below, the base first: there once `below` is settled. */
  readonly lowerHostPaths: readonly string[];
  readonly below: Promise<void>;
}

/**
 * Layers as directories in overlayfs's form, each below the chain id of it and those under it. A layer gets its place when it
 * is whole; before, it lies in a directory of its own, which is also the lock that keeps two unpackings of it apart.
 */
export class LayerDirectory {
  readonly #layersHostPath: string;
  readonly #stagingHostPath: string;
  readonly #unpacker: LayerUnpacker;

  /** @param options.isPrivileged - whether devices and `trusted` attributes can be made. */
  constructor(options: {
    layersHostPath: string;
    stagingHostPath: string;
    blobs: BlobDirectory;
    isPrivileged: boolean;
  }) {
    this.#layersHostPath = options.layersHostPath;
    this.#stagingHostPath = options.stagingHostPath;
    this.#unpacker = new LayerUnpacker(options);
  }

  #pathOf(chainId: Digest): string {
    const { algorithm, hex } = parseDigest(chainId);
    return join(this.#layersHostPath, algorithm, hex);
  }

  /** Where the tree of an unpacked layer lies, or would lie. */
  treeOf(chainId: Digest): string {
    return join(this.#pathOf(chainId), treeName);
  }

  /** Whether a layer is unpacked. */
  has(chainId: Digest): boolean {
    return existsSync(this.#pathOf(chainId));
  }

  /** Chain ids of all unpacked layers. @throws RunletError `ERR_RUNLET_STORE` */
  list(): Digest[] {
    return namesIn(this.#layersHostPath).flatMap((algorithm) =>
      namesIn(join(this.#layersHostPath, algorithm))
        .map((hex) => `${algorithm}:${hex}`)
        // What is not ours to name is not ours to remove.
        .filter(isDigest),
    );
  }

  /** What is known of an unpacked layer; undefined if there is none. */
  record(chainId: Digest): LayerRecord | undefined {
    return readLayerRecord(join(this.#pathOf(chainId), recordName));
  }

  /** The directory of a layer with all that belongs to it. */
  directoryOf(chainId: Digest): string {
    return this.#pathOf(chainId);
  }

  /**
   * Removes a layer; none is fine. It leaves its place in one step.
   *
   * @throws RunletError `ERR_RUNLET_STORE`
   */
  remove(chainId: Digest): void {
    const { algorithm, hex } = parseDigest(chainId);
    const doomed = join(this.#stagingHostPath, `removed-${algorithm}-${hex}`);
    try {
      mkdirSync(this.#stagingHostPath, { recursive: true, mode: 0o700 });
      removeHostTree(doomed);
      renameSync(this.#pathOf(chainId), doomed);
      removeHostTree(doomed);
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw storeError(`remove the layer ${chainId}`, error);
    }
  }

  /**
   * Unpacks what is not unpacked yet, several layers at once.
   *
   * @param layers - of one image, the base first.
   * @throws RunletError `ERR_RUNLET_IMAGE` for a layer that is damaged, hostile or not what the configuration says;
   *   `ERR_RUNLET_STORE`; `ERR_RUNLET_ABORTED`.
   */
  async unpack(layers: readonly ImageLayer[], options: UnpackImageOptions): Promise<UnpackedLayer[]> {
    const abort = new AbortController();
    const forward = () => abort.abort(options.signal?.reason);
    if (options.signal?.aborted === true) forward();
    options.signal?.addEventListener("abort", forward, { once: true });
    const batch: Batch = { options, signal: abort.signal, slots: new Slots(parallelUnpacks) };
    const failures: unknown[] = [];
    let below = Promise.resolve();
    const all = layers.map((layer, index) => {
      below = this.#unpackLayer(batch, { layer, under: layers.slice(0, index), below }).catch((error: unknown) => {
        failures.push(error);
        abort.abort(error);
        throw error;
      });
      return below;
    });
    await Promise.allSettled(all);
    options.signal?.removeEventListener("abort", forward);
    if (failures.length > 0) throw failures[0];
    return layers.map((layer) => ({ ...layer, hostPath: this.treeOf(layer.chainId) }));
  }

  async #unpackLayer(
    batch: Batch,
    job: { layer: ImageLayer; under: readonly ImageLayer[]; below: Promise<void> },
  ): Promise<void> {
    const { layer, under, below } = job;
    const { chainId, descriptor, diffId } = layer;
    const { signal } = batch;
    const size = sizeOf(descriptor);
    const present = () =>
      batch.options.onProgress?.({ step: "present", digest: chainId, doneBytes: size, totalBytes: size });
    if (this.has(chainId)) {
      present();
      return below;
    }
    const { algorithm, hex } = parseDigest(chainId);
    const staging = join(this.#stagingHostPath, `${algorithm}-${hex}`);
    const fd = await this.#lockStaging(staging, chainId, signal);
    try {
      if (this.has(chainId)) {
        rmdirSync(staging);
        present();
        return await below;
      }
      clearDirectory(fd);
      const tree = join(staging, treeName);
      const lowerHostPaths = under.map((lower) => this.treeOf(lower.chainId));
      const made = await this.#makeTree(batch, { layer, stagingFd: fd, tree, lowerHostPaths, below });
      // What lies below may still be on its way, here or in another process.
      await below;
      completeLayer({ treeHostPath: tree, lowerHostPaths, ...made });
      hideBelowOpaqueRoot({ treeHostPath: tree, lowerHostPaths, opaqueXattr: this.#unpacker.opaqueXattr });
      // A layer that has its place is taken for whole ever after: it must not lose files with the machine's power. One call
      // for all of them, as waiting for each file takes many times longer. `fd` was opened before anything was written, so a
      // failure of writing it back is told here.
      await syncfs(fd);
      await replaceFile(join(staging, recordName), formatLayerRecord({ diffId, parent: under.at(-1)?.chainId }));
      const target = this.#pathOf(chainId);
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
      renameSync(staging, target);
      await flushDirectory(dirname(target));
    } catch (error) {
      removeHostTree(staging);
      throw storeError(`unpack the layer ${diffId}`, error);
    } finally {
      closeSync(fd);
    }
  }

  #lockStaging(staging: string, chainId: Digest, signal: AbortSignal): Promise<number> {
    const open = () => {
      try {
        mkdirSync(staging, { recursive: true, mode: 0o700 });
        return openSync(staging, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      } catch (error) {
        throw storeError(`unpack the layer ${chainId}`, error);
      }
    };
    return lockPath(staging, open, { subject: `the layer ${chainId}`, signal });
  }

  /**
   * Unpacks a layer as soon as there is a slot for it. One that has a hard link to a file of the layers below begins again
   * when those are there: few layers have, and the others need not wait.
   *
   * @returns what depends on the layers below.
   */
  async #makeTree(batch: Batch, job: TreeJob): Promise<IncompleteLayer> {
    const { layer, stagingFd, tree, lowerHostPaths, below } = job;
    const totalBytes = sizeOf(layer.descriptor);
    let toldBytes = -1;
    const onRead = (doneBytes: number) => {
      if (doneBytes <= toldBytes) return;
      toldBytes = doneBytes;
      batch.options.onProgress?.({ step: "unpack", digest: layer.chainId, doneBytes, totalBytes });
    };
    const attempt = (belowHostPaths?: readonly string[]) =>
      batch.slots.run(async () => {
        removeTree({ dirFd: stagingFd, path: treeName });
        mkdirSync(tree, { mode: 0o755 });
        using lower = belowHostPaths === undefined ? undefined : MergedTree.open([...belowHostPaths, tree]);
        const { limits } = batch.options;
        const { signal } = batch;
        const whiteouts = "overlay";
        return await this.#unpacker.unpack({ layer, rootHostPath: tree, whiteouts, lower, signal, limits, onRead });
      });
    try {
      return await attempt();
    } catch (error) {
      if (lowerHostPaths.length === 0 || !lacksLinkTarget(error)) throw await this.#unpacker.explain(error, layer);
    }
    await below;
    try {
      return await attempt(lowerHostPaths);
    } catch (error) {
      throw await this.#unpacker.explain(error, layer);
    }
  }

  /**
   * Unpacks layers one over the other into a directory of its own, outside the store's layers.
   *
   * @throws RunletError as {@link unpack}.
   */
  async unpackInto(
    rootHostPath: string,
    options: UnpackImageOptions & { readonly layers: readonly ImageLayer[] },
  ): Promise<void> {
    const { layers, signal, limits, onProgress } = options;
    for (const layer of layers) {
      const { chainId: digest, descriptor } = layer;
      const totalBytes = sizeOf(descriptor);
      const onRead = (doneBytes: number) => onProgress?.({ step: "unpack", digest, doneBytes, totalBytes });
      try {
        await this.#unpacker.unpack({ layer, rootHostPath, whiteouts: "apply", signal, limits, onRead });
      } catch (error) {
        throw await this.#unpacker.explain(error, layer);
      }
    }
  }
}

/** Removes a tree of the store, whatever its files are called. None is fine. */
export function removeHostTree(hostPath: string): void {
  removeTree({ dirFd: atFlags.AT_FDCWD, path: hostPath });
}

function clearDirectory(fd: number): void {
  for (const { name } of readDirectory(fd)) removeTree({ dirFd: fd, path: name });
}

function namesIn(hostPath: string): string[] {
  try {
    return readdirSync(hostPath);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw storeError("list the store's layers", error);
  }
}
