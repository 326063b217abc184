import { join } from "node:path";
import type { Descriptor } from "@runlet/spec";
import { expect, test, vi } from "vitest";
import { buildLayer, buildLayout, LayoutBuilder } from "../test/layout-builder.ts";
import { temporaryDirectory } from "../test/temporary.ts";
import { copyImage } from "./copy.ts";
import { LayoutSource } from "./layout/layout-source.ts";
import { LayoutTarget } from "./layout/layout-target.ts";

const layers = [buildLayer({ path: "a", content: "a" })];

test("a copy that is aborted before its first blob reads none", async () => {
  await using from = await LayoutSource.open(buildLayout(temporaryDirectory(), { layers }).hostPath);
  await using to = await LayoutTarget.open(join(temporaryDirectory(), "new"));
  const abort = new AbortController();
  const read = vi.spyOn(from, "blob");
  const copying = copyImage({ from, to, signal: abort.signal, onManifest: () => abort.abort() });
  await expect(copying).rejects.toMatchObject({ code: "ERR_RUNLET_ABORTED" });
  expect(read).not.toHaveBeenCalled();
});

test("what indexes list many times is copied once", async () => {
  const builder = new LayoutBuilder(temporaryDirectory());
  const twice = (descriptor: Descriptor) => builder.index([descriptor, { ...descriptor, annotations: { other: "" } }]);
  const image = { ...builder.image({ layers }), platform: { os: "linux", architecture: "amd64" } };
  const outermost = twice(twice(twice(image)));
  builder.list(outermost, "latest");
  await using from = await LayoutSource.open(builder.hostPath);
  await using to = await LayoutTarget.open(join(temporaryDirectory(), "new"));
  const [read, written] = [vi.spyOn(from, "manifest"), vi.spyOn(to, "putManifest")];
  const { target, manifests } = await copyImage({ from, to, platform: "all", targetReference: "new" });
  expect(target.descriptor.digest).toBe(outermost.digest);
  expect(manifests.map(({ descriptor }) => descriptor.digest)).toEqual([image.digest]);
  expect(read).toHaveBeenCalledTimes(4);
  expect(written).toHaveBeenCalledTimes(4);
});
