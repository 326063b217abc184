import { readFileSync } from "node:fs";
import type { Digest } from "@runlet/spec";
import { isDigest } from "../digest.ts";

/** What is written beside an unpacked layer. */
export interface LayerRecord {
  readonly diffId: Digest;
  /** Chain id of the layer below; undefined for a base. */
  readonly parent: Digest | undefined;
}

/** Formats a record. */
export function formatLayerRecord({ diffId, parent }: LayerRecord): string {
  return `${JSON.stringify({ diffId, ...(parent === undefined ? {} : { parent }) })}\n`;
}

/** Reads a record. @returns undefined if there is none that can be read. */
export function readLayerRecord(hostPath: string): LayerRecord | undefined {
  try {
    const { diffId, parent } = JSON.parse(readFileSync(hostPath, "utf8")) as Record<string, unknown>;
    return isDigest(diffId) && (parent === undefined || isDigest(parent)) ? { diffId, parent } : undefined;
  } catch {
    return undefined;
  }
}
