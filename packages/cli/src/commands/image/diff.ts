import { quote } from "@runlet/errors";
import type { Change, ImageStore, StoredImage, Tree } from "@runlet/image";
import type { Invocation } from "../../command.ts";
import { commands } from "../../commands.ts";
import { openContainerInstance } from "../../container-instance.ts";
import { containerOf } from "../../container-source.ts";
import { readPlatform } from "../../image/platform-option.ts";
import { openStore } from "../../image/store.ts";
import type { imageDiffOptions, imageDiffPositionals } from "../../options/image.ts";
import { UsageError } from "../../usage-error.ts";

/** As docker's diff has it. */
const marks = { added: "A", modified: "C", deleted: "D" } as const;

/** Lists the files in which two images differ, or a container from its image. */
export async function run(
  invocation: Invocation<typeof imageDiffOptions, typeof imageDiffPositionals>,
): Promise<number> {
  const { options, print } = invocation;
  const list = await listDifferences(invocation);
  if (options.json) {
    print(JSON.stringify(list.map(({ kind, containerPath }) => ({ kind, path: containerPath.toString() }))));
    return 0;
  }
  for (const { kind, containerPath } of list) print(`${marks[kind]} ${quote(containerPath.toString()).slice(1, -1)}`);
  return 0;
}

async function listDifferences(
  invocation: Invocation<typeof imageDiffOptions, typeof imageDiffPositionals>,
): Promise<readonly Change[]> {
  const { options, positionals } = invocation;
  const { listChanges, listInstanceChanges } = await import("@runlet/image");
  const id = containerOf(positionals.from);
  if ((id === undefined) === (positionals.to === undefined)) {
    const problem = id === undefined ? "two images are compared" : "a container is compared with its own image";
    throw new UsageError(problem, { command: commands.find(({ name }) => name === "image diff") });
  }
  if (id !== undefined) return await listInstanceChanges(await openContainerInstance(invocation, id));
  const platform = await readPlatform(options);
  const store = await openStore(options);
  using _hold = await store.hold();
  const [before, after] = await Promise.all(
    [positionals.from, positionals.to ?? ""].map((reference) => store.resolve(reference, { platform })),
  );
  const [from, to] = [await treeOf(store, before), await treeOf(store, after)];
  // An image without layers has no tree; everything else is new against it.
  const changes = to === undefined ? [] : listChanges({ from, to });
  const removed = to === undefined && from !== undefined ? listChanges({ to: from }) : [];
  return [...changes, ...removed.map((change) => ({ ...change, kind: "deleted" as const }))];
}

async function treeOf(store: ImageStore, image: StoredImage | undefined): Promise<Tree | undefined> {
  if (image === undefined || image.layers.length === 0) return undefined;
  const layers = await store.unpack(image);
  return { layers: layers.map(({ hostPath }) => hostPath), form: "overlay" };
}
