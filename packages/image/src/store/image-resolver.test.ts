import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { buildLayer, LayoutBuilder } from "../../test/layout-builder.ts";
import { temporaryDirectory } from "../../test/temporary.ts";
import { LayoutSource } from "../layout/layout-source.ts";
import { BlobDirectory } from "./blob-directory.ts";
import { ImageStore } from "./image-store.ts";

test("digits of a digest are looked for in each index once, however often another lists it", async () => {
  const platform = { os: "linux", architecture: "amd64" };
  const builder = new LayoutBuilder(temporaryDirectory());
  const image = builder.image({ platform, layers: [buildLayer({ path: "a", content: "a" })] });
  const many = (of: typeof image) => builder.index(Array.from({ length: 5 }, () => ({ ...of, platform })));
  builder.list(many(many(many(image))), "1");
  const store = await ImageStore.open({ hostPath: join(temporaryDirectory(), "store") });
  await using source = await LayoutSource.open(builder.hostPath);
  await store.pull({ source, platform, name: "test" });
  const read = vi.spyOn(BlobDirectory.prototype, "read");
  const { descriptor } = await store.manifest(image.digest.slice(7, 19));
  // Three indexes and the image; then what was found.
  expect(read).toHaveBeenCalledTimes(5);
  expect((await store.list()).map(({ target }) => target.digest)).toEqual([descriptor.digest]);
  read.mockRestore();
});
