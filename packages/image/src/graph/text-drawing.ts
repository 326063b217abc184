import { quote } from "@runlet/errors";
import type { LayerGraph, LayerNode } from "./layer-graph.ts";
import { nodeLabel } from "./node-label.ts";

/**
 * Draws a graph of layers with the characters of a terminal: a layer a line, those that lie on it below and to the right,
 * the names of images behind their uppermost layer. A chain that does not branch goes straight down.
 *
 * @returns lines without line ends.
 */
export function drawLayerText(graph: LayerGraph): string[] {
  return [
    ...graph.roots.flatMap((root) => drawNode(root, "", "")),
    ...graph.bare.map((name) => `(no layers) ${printable(name)}`),
  ];
}

/**
 * @param first - stands before the node's own line.
 * @param rest - stands before the lines of what lies on it.
 */
function drawNode(start: LayerNode, first: string, rest: string): string[] {
  const lines: string[] = [];
  let node = start;
  let prefix = first;
  for (;;) {
    lines.push(`${prefix}${nodeLine(node)}`);
    const [only, ...others] = node.children;
    if (only === undefined) return lines;
    if (others.length > 0) break;
    // Below it in the same column: a branch of one is no branch.
    prefix = rest;
    node = only;
  }
  const last = node.children.length - 1;
  for (const [index, child] of node.children.entries()) {
    const isLast = index === last;
    lines.push(...drawNode(child, `${rest}${isLast ? "└─ " : "├─ "}`, `${rest}${isLast ? "   " : "│  "}`));
  }
  return lines;
}

function nodeLine(node: LayerNode): string {
  const { digest, size, uses } = nodeLabel(node);
  const names = node.images.length === 0 ? "" : `  ◂ ${node.images.map(printable).join(", ")}`;
  return `${node.images.length === 0 ? "○" : "●"} ${digest}  ${size}${uses === undefined ? "" : `  ${uses}`}${names}`;
}

/** A name that cannot drive the terminal. */
function printable(name: string): string {
  return quote(name).slice(1, -1);
}
