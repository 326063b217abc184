import type { LayerGraph } from "./layer-graph.ts";
import { type Box, type GraphLayout, layOutGraph, type PlacedNode } from "./layer-layout.ts";

/** Colours that are told apart without colour vision too: by their lightness, and layers from names by their shape. */
const style = [
  "rect{stroke:#334155;stroke-width:1}",
  ".layer{fill:#e2e8f0}",
  ".shared{fill:#bfdbfe;stroke-width:2}",
  ".image{fill:#fef9c3}",
  "path{fill:none;stroke:#64748b;stroke-width:1.5}",
  "text{font:12px ui-monospace,monospace;fill:#0f172a}",
].join("");

/**
 * Draws a graph of layers as an SVG document of its own: no script, no reference to anything outside. Text is escaped, so
 * that a name of an image is never markup.
 */
export function drawLayerSvg(graph: LayerGraph): string {
  const layout = layOutGraph(graph);
  const { width, height } = layout;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    "<title>Layers of images</title>",
    `<style>${style}</style>`,
    `<rect width="${width}" height="${height}" fill="#ffffff" stroke="none"/>`,
    ...drawEdges(layout),
    ...layout.nodes.map(drawNode),
    "</svg>",
    "",
  ].join("\n");
}

function drawEdges({ nodes, edges }: GraphLayout): string[] {
  return edges.map(({ from, to }) => {
    const start = nodes[from];
    const end = nodes[to];
    if (start === undefined || end === undefined) throw new Error("an edge of the layout has no node");
    return `<path d="${curve(start, end)}"/>`;
  });
}

/** From the middle of a box's right side to the middle of another's left side. */
function curve(start: Box, end: Box): string {
  const startX = start.x + start.width;
  const startY = start.y + start.height / 2;
  const endY = end.y + end.height / 2;
  const middleX = (startX + end.x) / 2;
  return `M${startX} ${startY}C${middleX} ${startY} ${middleX} ${endY} ${end.x} ${endY}`;
}

function drawNode(node: PlacedNode): string {
  const { x, y, width, height, lines, kind, title, isShared } = node;
  const corner = kind === "image" ? height / 2 : 3;
  const text = lines.map((line, index) => `<text x="${x + 8}" y="${y + 20 + index * 16}">${escapeText(line)}</text>`);
  return [
    `<g><title>${escapeText(title)}</title>`,
    `<rect class="${isShared ? "layer shared" : kind}" x="${x}" y="${y}" width="${width}" height="${height}" rx="${corner}"/>`,
    ...text,
    "</g>",
  ].join("");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escapes what is markup, and replaces what XML 1.0 does not allow. @see https://www.w3.org/TR/xml/#charsets */
function escapeText(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => entities[character] ?? "")
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\u{FFFD}");
}
