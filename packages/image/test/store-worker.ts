// What the crash test kills: a store is made, filled, unpacked, changed and collected. With "share" the images stay, as others
// do the same at the same time.
import { LayoutSource } from "../src/layout/layout-source.ts";
import { ImageStore } from "../src/store/image-store.ts";

const [storeHostPath, firstLayout, secondLayout, mode] = process.argv.slice(2);
if (firstLayout === undefined || secondLayout === undefined)
  throw new Error("store-worker STORE LAYOUT LAYOUT [share]");

const store = await ImageStore.open({ hostPath: storeHostPath });
for (const [name, layout] of [
  ["first", firstLayout],
  ["second", secondLayout],
] as const) {
  await using source = await LayoutSource.open(layout);
  const image = await store.pull({ source, name });
  using _hold = await store.hold();
  const layers = await store.unpack(image);
  await store.lease({ id: name, layers: [layers.at(-1)?.chainId ?? ""], blobs: [] });
}
if (mode !== "share") {
  await store.tag("first", "moved");
  await store.remove("first");
  await store.remove("second");
  await store.release("second");
}
await store.gc({ timeoutMs: 60_000 });
