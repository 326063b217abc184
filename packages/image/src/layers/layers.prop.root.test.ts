import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "@runlet/rootfs";
import { atFlags } from "@runlet/syscall";
import fc from "fast-check";
import { expect, test } from "vitest";
import { buildLayer, buildLayout, type LayerEntry } from "../../test/layout-builder.ts";
import { listTree, type TreeListing } from "../../test/tree-listing.ts";
import { mountLayers, pullFile, scratch } from "../../test/unpacked-image.ts";
import { ImageStore } from "../store/image-store.ts";

const name = fc.constantFrom("a", "b", "c");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
/** Mostly files that the base has. */
const target = fc.oneof({ weight: 4, arbitrary: fc.constantFrom("a/b/c", "b", "c/a") }, { weight: 1, arbitrary: path });
const directory = fc.array(name, { maxLength: 2 }).map((names) => names.map((part) => `${part}/`).join(""));
const entry: fc.Arbitrary<LayerEntry> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ path, content: fc.constantFrom("1", "22", "333") }) },
  { weight: 3, arbitrary: fc.record({ path: path.map((text) => `${text}/`), mode: fc.constantFrom(0o755, 0o700) }) },
  { weight: 3, arbitrary: fc.record({ path, linkTarget: target, type: fc.constant("hard-link" as const) }) },
  { weight: 2, arbitrary: fc.tuple(directory, name).map(([at, of]) => ({ path: `${at}.wh.${of}`, content: "" })) },
  { weight: 1, arbitrary: directory.map((at) => ({ path: `${at}.wh..wh..opq`, content: "" })) },
);
/**
 * A path has one entry of its own in a layer, and no hard link is to a directory that whiteouts lie in: what is a file below
 * cannot be both.
 */
const layer = fc
  .uniqueArray(entry, { maxLength: 5, selector: (one) => one.path.replace(/\/$/, "") })
  .filter((entries) => {
    const whiteouts = entries.filter((one) => one.path.includes(".wh."));
    return !entries.some(({ linkTarget }) => whiteouts.some((one) => one.path.startsWith(`${linkTarget}/`)));
  });

/**
 * Files as they are, and that a directory is one. Which names are one file may differ, as overlayfs copies each name of a lower
 * file by itself; what a directory without an entry carries depends on whether it was there before an opaque one above it.
 */
function comparable(listing: TreeListing): unknown {
  return Object.entries(listing).map(([at, line]) => [
    at,
    line.startsWith("mode=4") ? "directory" : line.replace(/ same=\S+/, ""),
  ]);
}

test("layers that lie apart make the tree that they make one over the other", { timeout: 300_000 }, async () => {
  const base = scratch();
  let round = 0;
  let compared = 0;
  const check = async (layers: LayerEntry[][]) => {
    const hostPath = join(base, String(++round));
    const applied = join(hostPath, "applied");
    mkdirSync(applied, { recursive: true });
    const store = await ImageStore.open({ hostPath: join(hostPath, "store") });
    const layout = buildLayout(join(hostPath, "layout"), {
      layers: [
        buildLayer(
          { path: "./" },
          { path: "a/" },
          { path: "a/b/", mode: 0o711 },
          { path: "a/b/c", content: "0" },
          { path: "b", content: "0" },
          { path: "c/a", content: "0" },
        ),
        ...layers.map((entries) => buildLayer(...entries)),
      ],
      compression: "none",
    });
    const image = await pullFile(store, layout.hostPath);
    try {
      // A file with entries below it, or a name of nothing: no layer that anybody makes.
      const isApplied = await store.unpackInto(image, applied).then(
        () => true,
        () => false,
      );
      if (!isApplied) return;
      compared++;
      const hostPaths = (await store.unpack(image)).map((unpacked) => unpacked.hostPath);
      const merged = mountLayers(hostPath, hostPaths);
      try {
        expect(comparable(listTree(merged))).toEqual(comparable(listTree(applied)));
      } finally {
        execFileSync("umount", [merged]);
      }
    } finally {
      removeTree({ dirFd: atFlags.AT_FDCWD, path: hostPath });
    }
  };
  await fc.assert(fc.asyncProperty(fc.array(layer, { minLength: 1, maxLength: 2 }), check), { numRuns: 150 });
  expect(compared).toBeGreaterThan(15);
});
