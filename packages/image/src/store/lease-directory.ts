import { mkdirSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import type { Digest } from "@runlet/spec";
import { isDigest, parseDigest } from "../digest.ts";
import { flushDirectory, replaceFile } from "./durable-file.ts";
import { hasCode, storeError } from "./store-error.ts";
import type { Lease } from "./stored-image.ts";

const idPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const suffix = ".json";

/** The leases of a store, a file each. */
export class LeaseDirectory {
  readonly #hostPath: string;

  constructor(hostPath: string) {
    this.#hostPath = hostPath;
  }

  /** @throws RunletError `ERR_RUNLET_USAGE` for an id or digest that is none; `ERR_RUNLET_STORE` */
  async write({ id, layers, blobs }: Lease): Promise<void> {
    const path = this.#pathOf(id);
    for (const digest of [...layers, ...blobs]) parseDigest(digest);
    try {
      mkdirSync(this.#hostPath, { recursive: true, mode: 0o700 });
      await replaceFile(path, `${JSON.stringify({ layers, blobs })}\n`);
    } catch (error) {
      throw storeError(`write the lease ${quote(id)}`, error);
    }
  }

  /** Removes a lease; none is fine. @throws RunletError `ERR_RUNLET_USAGE`, `ERR_RUNLET_STORE` */
  async remove(id: string): Promise<void> {
    try {
      unlinkSync(this.#pathOf(id));
      await flushDirectory(this.#hostPath);
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw storeError(`remove the lease ${quote(id)}`, error);
    }
  }

  /** All leases, in the order of their ids. @throws RunletError `ERR_RUNLET_STORE`, also for one that is damaged. */
  list(): Lease[] {
    let names: string[];
    try {
      names = readdirSync(this.#hostPath);
    } catch (error) {
      if (hasCode(error, "ENOENT")) return [];
      throw storeError("list the leases", error);
    }
    return names
      .filter((name) => name.endsWith(suffix) && idPattern.test(name.slice(0, -suffix.length)))
      .sort()
      .flatMap((name) => this.#read(name.slice(0, -suffix.length)));
  }

  #read(id: string): Lease[] {
    let text: string;
    try {
      text = readFileSync(this.#pathOf(id), "utf8");
    } catch (error) {
      if (hasCode(error, "ENOENT")) return [];
      throw storeError(`read the lease ${quote(id)}`, error);
    }
    try {
      const { layers, blobs } = JSON.parse(text) as Record<string, unknown>;
      if (areDigests(layers) && areDigests(blobs)) return [{ id, layers, blobs }];
    } catch {
      // Not JSON: as damaged as the wrong JSON.
    }
    throw new RunletError("ERR_RUNLET_STORE", `the lease ${quote(id)} in the store is damaged`, {
      hint: `remove what it belongs to, then the file ${quote(this.#pathOf(id))}`,
    });
  }

  #pathOf(id: string): string {
    if (idPattern.test(id)) return join(this.#hostPath, `${id}${suffix}`);
    throw new RunletError("ERR_RUNLET_USAGE", `${quote(id)} is no id of a lease`, {
      hint: "use up to 128 letters, digits, underscores, dots and dashes, and begin with neither dot nor dash",
    });
  }
}

function areDigests(value: unknown): value is Digest[] {
  return Array.isArray(value) && value.every(isDigest);
}
