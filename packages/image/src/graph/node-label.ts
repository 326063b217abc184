import type { LayerNode } from "./layer-graph.ts";

/** How a layer is written in a drawing. */
export interface NodeLabel {
  /** Twelve digits, which tell layers of one machine apart. */
  readonly digest: string;
  readonly size: string;
  /** How many images share the layer; undefined where only one has it. */
  readonly uses: string | undefined;
}

export function nodeLabel({ chainId, sizeBytes, uses }: LayerNode): NodeLabel {
  return {
    digest: chainId.slice(chainId.indexOf(":") + 1).slice(0, 12),
    size: formatBytes(sizeBytes),
    uses: uses > 1 ? `in ${uses} images` : undefined,
  };
}

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A number of bytes for people, with three digits or so: `3.52 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What would be rounded to 1024 of a unit is one of the next.
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}
