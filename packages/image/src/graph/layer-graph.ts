import type { Digest } from "@runlet/spec";

/** An image as the graph sees it. */
export interface GraphImage {
  readonly name: string;
  /** The layers, the base first. */
  readonly layers: readonly GraphLayer[];
}

/** A layer of an image. */
export interface GraphLayer {
  /** Digest of the layer on top of those below: what makes it one node with that of another image. */
  readonly chainId: Digest;
  /** Size in bytes, of whatever the graph is to show. */
  readonly sizeBytes: number;
}

/** A layer in its place, once for all images that have it there. */
export interface LayerNode extends GraphLayer {
  /** Names of images of which this is the uppermost layer. */
  readonly images: readonly string[];
  /** How many images have the layer. */
  readonly uses: number;
  readonly children: readonly LayerNode[];
}

/** Layers of images: each lies on one other, several may lie on the same. */
export interface LayerGraph {
  /** Layers that lie on none. */
  readonly roots: readonly LayerNode[];
  /** Images without layers. */
  readonly bare: readonly string[];
}

interface GrowingNode extends GraphLayer {
  readonly images: string[];
  uses: number;
  readonly children: Map<Digest, GrowingNode>;
}

/**
 * Finds out what layers images share. Nodes and names keep the order in which they come first.
 *
 * @param images - each name once; several may have the same layers.
 */
export function layerGraph(images: readonly GraphImage[]): LayerGraph {
  const roots = new Map<Digest, GrowingNode>();
  const bare: string[] = [];
  for (const { name, layers } of images) {
    let siblings = roots;
    let top: GrowingNode | undefined;
    for (const layer of layers) {
      top = siblings.get(layer.chainId) ?? { ...layer, images: [], uses: 0, children: new Map() };
      siblings.set(layer.chainId, top);
      top.uses++;
      siblings = top.children;
    }
    (top?.images ?? bare).push(name);
  }
  return { roots: [...roots.values()].map(freeze), bare };
}

function freeze({ chainId, sizeBytes, images, uses, children }: GrowingNode): LayerNode {
  return { chainId, sizeBytes, images, uses, children: [...children.values()].map(freeze) };
}
