import { quote } from "@runlet/errors";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type GraphImage, type LayerGraph, type LayerNode, layerGraph } from "./layer-graph.ts";
import { type Box, layOutGraph } from "./layer-layout.ts";
import { drawLayerSvg } from "./svg-drawing.ts";
import { drawLayerText } from "./text-drawing.ts";

/** Images whose layers are drawn from few, so that many are shared. A chain id stands for all layers below. */
const images: fc.Arbitrary<GraphImage[]> = fc
  .uniqueArray(
    fc.record({
      name: fc.string({ unit: "binary", minLength: 1, maxLength: 60 }),
      path: fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 6 }),
    }),
    { maxLength: 12, selector: ({ name }) => name },
  )
  .map((list) =>
    list.map(({ name, path }) => ({
      name,
      layers: path.map((_, index) => ({
        chainId: `sha256:${path.slice(0, index + 1).join("")}`.padEnd(71, "f"),
        sizeBytes: 10 ** index * (path[index] ?? 0),
      })),
    })),
  );

function nodesOf({ roots }: LayerGraph): LayerNode[] {
  const below = (node: LayerNode): LayerNode[] => [node, ...node.children.flatMap(below)];
  return roots.flatMap(below);
}

function overlaps(left: Box, right: Box): boolean {
  const isBeside = left.x + left.width <= right.x || right.x + right.width <= left.x;
  const isBelow = left.y + left.height <= right.y || right.y + right.height <= left.y;
  return !isBeside && !isBelow;
}

describe("the graph", () => {
  test("has every layer once, and tells how many images have it", () => {
    fc.assert(
      fc.property(images, (list) => {
        const nodes = nodesOf(layerGraph(list));
        const expected = new Map<string, number>();
        for (const { layers } of list) {
          for (const { chainId } of layers) expected.set(chainId, (expected.get(chainId) ?? 0) + 1);
        }
        expect(new Map(nodes.map(({ chainId, uses }) => [chainId, uses]))).toEqual(expected);
        expect(nodes.length).toBe(expected.size);
      }),
    );
  });

  test("has every image once, at its uppermost layer", () => {
    fc.assert(
      fc.property(images, (list) => {
        const graph = layerGraph(list);
        const found = nodesOf(graph).flatMap(({ chainId, images: names }) => names.map((name) => [name, chainId]));
        const expected = list.flatMap(({ name, layers }) =>
          layers.length === 0 ? [] : [[name, layers.at(-1)?.chainId]],
        );
        expect(new Map(found as [string, string][])).toEqual(new Map(expected as [string, string][]));
        expect([...graph.bare].sort()).toEqual(
          list.flatMap((image) => (image.layers.length === 0 ? image.name : [])).sort(),
        );
      }),
    );
  });
});

describe("the layout", () => {
  test("lets no two nodes overlap, and keeps all on the sheet", () => {
    fc.assert(
      fc.property(images, (list) => {
        const { nodes, width, height } = layOutGraph(layerGraph(list));
        for (const [index, node] of nodes.entries()) {
          expect(node.x >= 0 && node.y >= 0 && node.x + node.width <= width && node.y + node.height <= height).toBe(
            true,
          );
          for (const other of nodes.slice(index + 1)) expect(overlaps(node, other)).toBe(false);
        }
      }),
    );
  });

  test("has an edge from each layer to what lies on it, to the right", () => {
    fc.assert(
      fc.property(images, (list) => {
        const graph = layerGraph(list);
        const { nodes, edges } = layOutGraph(graph);
        const drawn = edges.map(({ from, to }) => [nodes[from]?.title, nodes[to]?.title].join(" > "));
        const expected = nodesOf(graph).flatMap((node) =>
          [...node.images, ...node.children.map(({ chainId }) => chainId)].map((to) => [node.chainId, to].join(" > ")),
        );
        expect(drawn.sort()).toEqual(expected.sort());
        for (const { from, to } of edges) {
          const [start, end] = [nodes[from] as Box, nodes[to] as Box];
          expect(start.x + start.width).toBeLessThan(end.x);
        }
      }),
    );
  });
});

describe("the SVG", () => {
  test("draws every node and every edge, and is well-formed whatever names images have", () => {
    fc.assert(
      fc.property(images, (list) => {
        const { nodes, edges } = layOutGraph(layerGraph(list));
        const svg = drawLayerSvg(layerGraph(list));
        expect([...svg.matchAll(/<path /g)].length).toBe(edges.length);
        expect([...svg.matchAll(/<g>/g)].length).toBe(nodes.length);
        // Nothing but the elements and entities that the drawing itself writes.
        expect(svg.replace(/<\/?(svg|title|style|rect|path|text|g)\b[^<>]*>/g, "")).not.toMatch(/[<>]/);
        expect(svg.replace(/&(amp|lt|gt|quot|#39);/g, "")).not.toContain("&");
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
        expect(svg).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/);
        expect(Buffer.from(svg).toString()).toBe(svg);
      }),
    );
  });

  test("joins the sides of the boxes", () => {
    const svg = drawLayerSvg(layerGraph([{ name: "a", layers: [{ chainId: "sha256:1", sizeBytes: 0 }] }]));
    const [, x, y, width, height] = /class="layer" x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"/.exec(svg) ?? [];
    expect(svg).toContain(`<path d="M${Number(x) + Number(width)} ${Number(y) + Number(height) / 2}C`);
  });

  test("a name is no markup", () => {
    const svg = drawLayerSvg(layerGraph([{ name: `<script>alert("1")</script>&'`, layers: [] }]));
    expect(svg).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;");
    expect(svg).not.toContain("<script");
  });
});

describe("the drawing of a terminal", () => {
  const base = { chainId: `sha256:${"a".repeat(64)}`, sizeBytes: 3_500_000 };
  const layer = (letter: string, sizeBytes: number) => ({ chainId: `sha256:${letter.repeat(64)}`, sizeBytes });

  test("shows where branches part", () => {
    const drawing = drawLayerText(
      layerGraph([
        { name: "alpine", layers: [base] },
        { name: "web", layers: [base, layer("b", 1024), layer("c", 10)] },
        { name: "api", layers: [base, layer("d", 1_073_741_823)] },
        { name: "api:2", layers: [base, layer("d", 1_073_741_823)] },
        { name: "scratch", layers: [] },
        { name: "other", layers: [layer("e", 0)] },
      ]),
    );
    expect(drawing).toEqual([
      "● aaaaaaaaaaaa  3.34 MiB  in 4 images  ◂ alpine",
      "├─ ○ bbbbbbbbbbbb  1.00 KiB",
      "│  ● cccccccccccc  10 B  ◂ web",
      "└─ ● dddddddddddd  1.00 GiB  in 2 images  ◂ api, api:2",
      "● eeeeeeeeeeee  0 B  ◂ other",
      "(no layers) scratch",
    ]);
  });

  test("has a line for every layer, and every name", () => {
    fc.assert(
      fc.property(images, (list) => {
        const graph = layerGraph(list);
        const lines = drawLayerText(graph);
        expect(lines.length).toBe(nodesOf(graph).length + graph.bare.length);
        for (const { name } of list) expect(lines.some((line) => line.includes(quote(name).slice(1, -1)))).toBe(true);
      }),
    );
  });
});
