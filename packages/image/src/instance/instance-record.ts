import { readFileSync } from "node:fs";
import { join } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import type { Digest } from "@runlet/spec";
import { isDigest } from "../digest.ts";
import type { SnapshotStorage } from "../snapshot/snapshot.ts";
import { hasCode, storeError } from "../store/store-error.ts";

/** What is written beside the config.json of an instance. */
export interface InstanceRecord {
  readonly version: 1;
  /** Id of the container that it was made for. */
  readonly containerId: string;
  /** Directory that exists as long as that container does. */
  readonly stateHostPath: string;
  /** Name by which the image was found, and digest of its manifest. */
  readonly image: { readonly name?: string; readonly digest: Digest };
  /** Chain ids of the image's layers, the base first. */
  readonly layers: readonly Digest[];
  readonly storage: SnapshotStorage;
  /** Whether it is of no use without the container. */
  readonly isEphemeral: boolean;
  /** /proc/sys/kernel/random/boot_id of the time when it was made. */
  readonly bootId: string;
}

/** Name of the record in an instance. */
export const recordName = "instance.json";

/** This boot, to be told from earlier ones. */
export function currentBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/**
 * @param bundleHostPath - directory of the instance.
 * @returns undefined if there is no record.
 * @throws RunletError `ERR_RUNLET_STORE` for one that cannot be read.
 */
export function readRecord(bundleHostPath: string): InstanceRecord | undefined {
  let text: string;
  try {
    text = readFileSync(join(bundleHostPath, recordName), "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return undefined;
    throw storeError(`read ${quote(join(bundleHostPath, recordName))}`, error);
  }
  const record = parse(text);
  if (record !== undefined) return record;
  throw new RunletError("ERR_RUNLET_STORE", `${quote(join(bundleHostPath, recordName))} is damaged`, {
    hint: "delete the container; where there is none any more, look whether its files are needed and remove the directory",
  });
}

function parse(text: string): InstanceRecord | undefined {
  try {
    const value = JSON.parse(text) as Partial<InstanceRecord> | null;
    const isSound =
      value?.version === 1 &&
      typeof value.containerId === "string" &&
      typeof value.stateHostPath === "string" &&
      isDigest(value.image?.digest) &&
      Array.isArray(value.layers) &&
      value.layers.every(isDigest) &&
      (value.storage === "overlay" || value.storage === "copy");
    return isSound ? (value as InstanceRecord) : undefined;
  } catch {
    return undefined;
  }
}
