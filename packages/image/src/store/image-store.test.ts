import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildLayer, buildLayout, sha256, type TestImage } from "../../test/layout-builder.ts";
import { temporaryDirectory } from "../../test/temporary.ts";
import { LayoutSource } from "../layout/layout-source.ts";
import { ImageStore } from "./image-store.ts";

const base = buildLayer({ path: "./" }, { path: "etc/" }, { path: "etc/name", content: "base" });
const upper = buildLayer({ path: "etc/name", content: "upper" });
const two: TestImage = { layers: [base, upper], config: { Cmd: ["/bin/sh"] } };

async function openStore(): Promise<ImageStore> {
  return ImageStore.open({ hostPath: join(temporaryDirectory(), "store") });
}

async function pull(store: ImageStore, image: TestImage = two, name = "test") {
  const source = await LayoutSource.open(buildLayout(temporaryDirectory(), image).hostPath);
  try {
    return await store.pull({ source, name });
  } finally {
    await source[Symbol.asyncDispose]();
  }
}

test("an image is pulled, found by every name it has, and unpacked", async () => {
  const store = await openStore();
  const image = await pull(store);
  expect(image.name).toBe("docker.io/library/test:latest");
  expect(image.configuration.config?.Cmd).toEqual(["/bin/sh"]);
  expect(image.layers.map(({ diffId }) => diffId)).toEqual([sha256(base), sha256(upper)]);
  expect(image.layers[1]?.chainId).toBe(sha256(`${sha256(base)} ${sha256(upper)}`));
  expect(await store.list()).toEqual([{ name: "docker.io/library/test:latest", target: image.target }]);
  const { digest } = image.descriptor;
  const references = ["test", "test:latest", "docker.io/library/test", digest, digest.slice(7), digest.slice(7, 13)];
  for (const reference of [...references, image.manifest.config.digest, `test@${digest}`]) {
    expect((await store.resolve(reference)).descriptor, reference).toEqual(image.descriptor);
  }
  const layers = await store.unpack(image);
  expect(layers.map(({ hostPath }) => readFileSync(join(hostPath, "etc/name"), "utf8"))).toEqual(["base", "upper"]);
  expect(layers.every(({ chainId }) => store.isUnpacked(chainId))).toBe(true);
});
