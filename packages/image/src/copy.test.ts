import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { buildLayer, buildLayout } from "../test/layout-builder.ts";
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
