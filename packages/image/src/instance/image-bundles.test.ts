import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spec } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { buildLayer, LayoutBuilder } from "../../test/layout-builder.ts";
import { temporaryDirectory } from "../../test/temporary.ts";
import { LayoutSource } from "../layout/layout-source.ts";
import { ImageStore } from "../store/image-store.ts";
import { ImageBundles, type ImageBundlesOptions } from "./image-bundles.ts";
import { openInstance } from "./instance.ts";

const name = "example.org/app:1";
const platform = { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch };

interface Scene {
  readonly store: ImageStore;
  readonly images: ImageBundles;
  /** How often the source was opened. */
  readonly pulls: () => number;
  readonly request: { readonly reference: string; readonly id: string; readonly stateHostPath: string };
}

async function makeScene(options: Partial<ImageBundlesOptions> = {}): Promise<Scene> {
  const directory = temporaryDirectory();
  const layout = new LayoutBuilder(join(directory, "layout"));
  const base = buildLayer({ path: "etc/" }, { path: "etc/a", content: "1" });
  const manifest = layout.image({
    layers: [base, buildLayer({ path: "b", content: "2" })],
    config: { Cmd: ["/bin/app"], Env: ["A=1"] },
    platform,
  });
  layout.list(manifest, "1");
  const store = await ImageStore.open({ hostPath: join(directory, "store") });
  let pulls = 0;
  const openSource = () => {
    pulls++;
    return LayoutSource.open(join(directory, "layout"));
  };
  const images = new ImageBundles({ store, openSource, ...options });
  return {
    store,
    images,
    pulls: () => pulls,
    request: { reference: name, id: "web", stateHostPath: join(directory, "state/web") },
  };
}

function readSpec(bundle: string): Spec {
  return JSON.parse(readFileSync(join(bundle, "config.json"), "utf8")) as Spec;
}

describe("a bundle of an image", () => {
  test("is an overlay over the store's layers, with what the image and the request say", async () => {
    const { store, images, request } = await makeScene();
    const made = await images.instantiate({ ...request, args: ["/bin/other"], hostname: "box" });
    const spec = readSpec(made.bundle);
    expect(spec.root).toEqual({ path: "rootfs", readonly: false });
    expect(spec.hostname).toBe("box");
    expect(spec.process).toMatchObject({ args: ["/bin/other"], env: expect.arrayContaining(["A=1"]) });
    const [root] = spec.mounts ?? [];
    expect(root).toMatchObject({ destination: "/", type: "overlay" });
    const layers = await store.unpack(await store.resolve(name));
    expect(root?.options?.[0]).toBe(`lowerdir=${layers[1]?.hostPath}:${layers[0]?.hostPath}`);
    expect(readdirSync(join(made.bundle, "upper"))).toEqual([]);
    expect(statSync(made.bundle).mode & 0o777).toBe(0o700);
    expect((await store.leases()).map((lease) => lease.layers.length)).toEqual([2]);
    made.keep();
    expect(await images.remove(made.bundle)).toBe(true);
    expect(await images.remove(made.bundle)).toBe(true);
    expect(existsSync(made.bundle)).toBe(false);
    expect(await store.leases()).toEqual([]);
  });

  test("that is not wanted after all leaves nothing", async () => {
    const { store, images, request } = await makeScene();
    const made = await images.instantiate(request);
    await made.remove();
    expect(readdirSync(join(store.hostPath, "instances"))).toEqual([]);
    expect(await store.leases()).toEqual([]);
  });

  test("that cannot be made leaves nothing either", async () => {
    const { store, images, request } = await makeScene();
    await expect(images.instantiate({ ...request, user: "nobody" })).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
    });
    expect(readdirSync(join(store.hostPath, "instances"))).toEqual([]);
    expect(await store.leases()).toEqual([]);
  });

  test("gets a name that no other has, whatever the container is called", async () => {
    const { images, request } = await makeScene();
    const ids = ["a+b", ".hidden", "-x", "x".repeat(200)];
    const bundles = await Promise.all(ids.map((id) => images.instantiate({ ...request, id })));
    const more = await images.instantiate({ ...request, id: "a+b" });
    expect(new Set([...bundles, more].map(({ bundle }) => bundle)).size).toBe(5);
    for (const { remove } of [...bundles, more]) await remove();
  });

  test("is a copy where that is asked for", async () => {
    const notes: string[] = [];
    const { images, request } = await makeScene({ storage: "copy", onNote: (note) => notes.push(note) });
    const made = await images.instantiate(request);
    expect(readFileSync(join(made.bundle, "rootfs/etc/a"), "utf8")).toBe("1");
    expect(readFileSync(join(made.bundle, "rootfs/b"), "utf8")).toBe("2");
    expect(readSpec(made.bundle).mounts?.[0]?.destination).not.toBe("/");
    expect(notes).toEqual([]);
    await made.remove();
  });

  test("is no copy of a layer that is damaged, or of one that nobody waits for", async () => {
    const { images, request, store } = await makeScene({ storage: "copy" });
    await expect(images.instantiate({ ...request, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ERR_RUNLET_ABORTED",
    });
    await (await images.instantiate(request)).remove();
    const { layers } = await store.resolve(name);
    const { digest = "" } = layers[1]?.descriptor ?? {};
    const hostPath = join(store.hostPath, "blobs/sha256", digest.slice(7));
    writeFileSync(hostPath, Buffer.alloc(statSync(hostPath).size));
    await expect(images.instantiate(request)).rejects.toMatchObject({
      code: "ERR_RUNLET_STORE",
      message: `the content of "${digest}" in the store is damaged`,
    });
    expect(readdirSync(join(store.hostPath, "instances"))).toEqual([]);
    expect(await store.leases()).toEqual([]);
  });

  test("of another kind is left alone", async () => {
    const { images, store } = await makeScene();
    const other = temporaryDirectory();
    expect(await images.remove(other)).toBe(false);
    expect(existsSync(other)).toBe(true);
    const inside = join(other, "instances/x");
    mkdirSync(inside, { recursive: true });
    expect(await images.remove(inside)).toBe(false);
    const open = () => Promise.resolve(store);
    await expect(openInstance(other, open)).rejects.toMatchObject({ code: "ERR_RUNLET_USAGE" });
  });

  test("whose record is damaged says so", async () => {
    const { images, request, store } = await makeScene();
    const made = await images.instantiate(request);
    writeFileSync(join(made.bundle, "instance.json"), "{}");
    const opened = openInstance(made.bundle, () => Promise.resolve(store));
    await expect(opened).rejects.toMatchObject({
      code: "ERR_RUNLET_STORE",
      message: expect.stringContaining("damaged"),
    });
    await made.remove();
  });
});

describe("an image", () => {
  test("is fetched once, however many containers ask for it at the same time", async () => {
    const { images, request, pulls } = await makeScene();
    const ids = ["a", "b", "c", "d"];
    const bundles = await Promise.all(ids.map((id) => images.instantiate({ ...request, id })));
    expect(pulls()).toBe(1);
    for (const { remove } of bundles) await remove();
  });

  test("is fetched for the others if the one who fetches it gives up", async () => {
    const abort = new AbortController();
    let sources = 0;
    const directory = temporaryDirectory();
    const layout = new LayoutBuilder(directory);
    layout.list(layout.image({ platform, config: { Cmd: ["/bin/app"] } }), "1");
    const { images, request } = await makeScene({
      openSource: async () => {
        if (++sources === 1) abort.abort();
        return await LayoutSource.open(directory);
      },
    });
    const first = images.instantiate({ ...request, id: "first", signal: abort.signal });
    const second = images.instantiate({ ...request, id: "second" });
    await expect(first).rejects.toMatchObject({ code: "ERR_RUNLET_ABORTED" });
    await (await second).remove();
    expect(sources).toBe(2);
  });

  test("is fetched each time where that is wanted", async () => {
    const { images, request, pulls } = await makeScene({ pull: "always" });
    for (let count = 1; count <= 2; count++) {
      await (await images.instantiate(request)).remove();
      expect(pulls()).toBe(count);
    }
  });

  test("that may not be fetched, or has no name that a registry knows, must be there", async () => {
    const { images, request, pulls } = await makeScene({ pull: "never" });
    const failure = { code: "ERR_RUNLET_IMAGE", message: expect.stringContaining("there is no image") };
    await expect(images.instantiate(request)).rejects.toMatchObject(failure);
    const missing = await makeScene();
    await expect(missing.images.instantiate({ ...request, reference: "0123456789ab" })).rejects.toMatchObject(failure);
    expect(pulls() + missing.pulls()).toBe(0);
  });
});
