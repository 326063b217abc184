import { writeFileSync } from "node:fs";
import { quote, RunletError } from "@runlet/errors";
import type { GraphImage, ImageStore, LayerNode } from "@runlet/image";
import type { Invocation } from "../../command.ts";
import { resolveAll } from "../../image/resolve-all.ts";
import { openStore } from "../../image/store.ts";
import type { imageTreeOptions, imageTreePositionals } from "../../options/image.ts";

/** Draws the layers that images share. */
export async function run({
  options,
  positionals,
  print,
}: Invocation<typeof imageTreeOptions, typeof imageTreePositionals>): Promise<number> {
  const store = await openStore(options);
  const { drawLayerSvg, drawLayerText, layerGraph } = await import("@runlet/image");
  const graph = layerGraph(await readImages(store, positionals.images));
  if (options.svg === "-") print(drawLayerSvg(graph).trimEnd());
  else if (options.svg !== undefined) writeDrawing(options.svg, drawLayerSvg(graph));
  else if (options.json) print(JSON.stringify({ roots: graph.roots.map(plain), bare: graph.bare }));
  else for (const line of drawLayerText(graph)) print(line);
  return 0;
}

/** The images of that names, or all that the store can show for this machine. */
async function readImages(store: ImageStore, references: readonly string[]): Promise<GraphImage[]> {
  const { parseReference, shortenReference } = await import("@runlet/image");
  const images =
    references.length > 0
      ? await Promise.all(references.map((reference) => store.resolve(reference)))
      : await resolveAll(store);
  return images.map(({ name, descriptor, layers }) => ({
    name: name === undefined ? descriptor.digest : shortenReference(parseReference(name)),
    layers: layers.map(({ chainId, descriptor: { size } }) => ({ chainId, sizeBytes: Number(size) })),
  }));
}

/** Fields in an order to be read. */
function plain({ chainId, sizeBytes, uses, images, children }: LayerNode): object {
  return { chainId, sizeBytes, uses, images, children: children.map(plain) };
}

function writeDrawing(hostPath: string, text: string): void {
  try {
    writeFileSync(hostPath, text);
  } catch (error) {
    throw new RunletError("ERR_RUNLET_USAGE", `cannot write the drawing to ${quote(hostPath)}`, {
      errno: (error as NodeJS.ErrnoException).code,
      cause: error,
    });
  }
}
