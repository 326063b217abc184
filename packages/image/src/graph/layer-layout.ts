import type { LayerGraph, LayerNode } from "./layer-graph.ts";
import { nodeLabel } from "./node-label.ts";

/** A rectangle of a drawing, in pixels; the origin is at the top left. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A layer, or the name of an image, in its place. */
export interface PlacedNode extends Box {
  readonly kind: "layer" | "image";
  readonly lines: readonly string[];
  /** The whole text, for a tool tip. */
  readonly title: string;
  /** Whether several images have the layer. */
  readonly isShared: boolean;
}

/** A line between two boxes: from the one that lies below to the one on top of it. */
export interface PlacedEdge {
  /** Indexes of the nodes. */
  readonly from: number;
  readonly to: number;
}

/** A drawing without its ink. */
export interface GraphLayout {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly PlacedEdge[];
}

/** Measures of the drawing, in pixels. */
const margin = 16;
/** Wide enough for every layer: columns never meet. */
const layerWidth = 216;
const columnGap = 40;
const lineHeight = 16;
const padding = 8;
const rowGap = 12;
/** Width of a character of the monospaced face at 12 pixels. */
const characterWidth = 7.25;
/** Longer names of images are shortened in the middle. */
const nameLimit = 48;

/**
 * Places a graph of layers: a column for each depth, from the left; what lies on a layer is to the right of it, and names of
 * images to the right of their uppermost layer. Every node takes rows of its own in its column, so that none overlap; a
 * layer stands in the middle of what lies on it.
 */
export function layOutGraph(graph: LayerGraph): GraphLayout {
  const placer = new Placer();
  for (const root of graph.roots) placer.placeLayer(root, 0);
  for (const name of graph.bare) placer.placeImage(name, 0);
  return placer.finish();
}

class Placer {
  readonly #nodes: PlacedNode[] = [];
  readonly #edges: PlacedEdge[] = [];
  /** Where the next row begins. */
  #nextY = margin;

  /** @returns the node's index. */
  placeLayer(layer: LayerNode, depth: number): number {
    const { digest, size, uses } = nodeLabel(layer);
    const lines = [digest, uses === undefined ? size : `${size}, ${uses}`];
    const index = this.#nodes.length;
    const box = { x: columnX(depth), y: 0, width: layerWidth, height: heightOf(lines) };
    // Placed for good once it is known where its branches are.
    const node: PlacedNode = { ...box, kind: "layer", lines, title: layer.chainId, isShared: layer.uses > 1 };
    this.#nodes.push(node);
    const topY = this.#nextY;
    const branches = [
      ...layer.images.map((name) => this.placeImage(name, depth + 1)),
      ...layer.children.map((child) => this.placeLayer(child, depth + 1)),
    ];
    for (const to of branches) this.#edges.push({ from: index, to });
    const first = this.#nodes[branches[0] ?? -1];
    const last = this.#nodes[branches.at(-1) ?? -1];
    const middleY =
      first === undefined || last === undefined ? topY : (centerY(first) + centerY(last)) / 2 - node.height / 2;
    const y = Math.max(topY, middleY);
    this.#nodes[index] = { ...node, y };
    this.#nextY = Math.max(this.#nextY, y + node.height + rowGap);
    return index;
  }

  placeImage(name: string, depth: number): number {
    const text = name.length > nameLimit ? `${name.slice(0, nameLimit / 2)}…${name.slice(1 - nameLimit / 2)}` : name;
    const lines = [text];
    const box = { x: columnX(depth), y: this.#nextY, width: widthOf(lines), height: heightOf(lines) };
    this.#nodes.push({ ...box, kind: "image", lines, title: name, isShared: false });
    this.#nextY += box.height + rowGap;
    return this.#nodes.length - 1;
  }

  finish(): GraphLayout {
    const right = Math.max(margin, ...this.#nodes.map(({ x, width }) => x + width));
    const bottom = Math.max(margin, ...this.#nodes.map(({ y, height }) => y + height));
    return { width: right + margin, height: bottom + margin, nodes: this.#nodes, edges: this.#edges };
  }
}

function columnX(depth: number): number {
  return margin + depth * (layerWidth + columnGap);
}

function widthOf(lines: readonly string[]): number {
  const longest = Math.max(...lines.map((line) => [...line].length));
  return Math.ceil(longest * characterWidth) + 2 * padding;
}

function heightOf(lines: readonly string[]): number {
  return lines.length * lineHeight + 2 * padding;
}

function centerY({ y, height }: Box): number {
  return y + height / 2;
}
