import { quote } from "@runlet/errors";
import type { ImageStore, StoredImage, Tree } from "@runlet/image";
import type { Invocation } from "../../command.ts";
import { openStore } from "../../image/store.ts";
import type { imageDiffOptions, imageDiffPositionals } from "../../options/image.ts";

/** As docker's diff has it. */
const marks = { added: "A", modified: "C", deleted: "D" } as const;

/** Lists the files in which two images differ. */
export async function run({
  options,
  positionals,
  print,
}: Invocation<typeof imageDiffOptions, typeof imageDiffPositionals>): Promise<number> {
  const { listChanges, parsePlatform } = await import("@runlet/image");
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const store = await openStore(options);
  using _hold = await store.hold();
  const [before, after] = await Promise.all(
    [positionals.from, positionals.to].map((reference) => store.resolve(reference, { platform })),
  );
  const [from, to] = [await treeOf(store, before), await treeOf(store, after)];
  // An image without layers has no tree; everything else is new against it.
  const changes = to === undefined ? [] : listChanges({ from, to });
  const removed = to === undefined && from !== undefined ? listChanges({ to: from }) : [];
  const list = [...changes, ...removed.map((change) => ({ ...change, kind: "deleted" as const }))];
  if (options.json) {
    print(JSON.stringify(list.map(({ kind, containerPath }) => ({ kind, path: containerPath.toString() }))));
    return 0;
  }
  for (const { kind, containerPath } of list) print(`${marks[kind]} ${quote(containerPath.toString()).slice(1, -1)}`);
  return 0;
}

async function treeOf(store: ImageStore, image: StoredImage | undefined): Promise<Tree | undefined> {
  if (image === undefined || image.layers.length === 0) return undefined;
  const layers = await store.unpack(image);
  return { layers: layers.map(({ hostPath }) => hostPath), form: "overlay" };
}
