import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Descriptor } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { buildLayer, buildLayout, LayoutBuilder, sha256, type TestImage } from "../../test/layout-builder.ts";
import { put, temporaryDirectory } from "../../test/temporary.ts";
import { LayoutSource } from "../layout/layout-source.ts";
import type { ImageSource, OpenContent, Progress } from "../transfer.ts";
import { ImageStore } from "./image-store.ts";

const base = buildLayer({ path: "./" }, { path: "etc/" }, { path: "etc/name", content: "base" });
const upper = buildLayer({ path: "etc/name", content: "upper" });
const other = buildLayer({ path: "etc/other", content: "other" });
const two: TestImage = { layers: [base, upper], config: { Cmd: ["/bin/sh"] } };
const branch: TestImage = { layers: [base, other], config: { Cmd: ["/bin/other"] } };

const linux = { os: "linux", architecture: "amd64" };

async function openStore(hostPath = join(temporaryDirectory(), "store")): Promise<ImageStore> {
  return ImageStore.open({ hostPath });
}

function sourceOf(image: TestImage = two): Promise<LayoutSource> {
  return LayoutSource.open(buildLayout(temporaryDirectory(), image).hostPath);
}

async function pull(store: ImageStore, image: TestImage = two, name = "test") {
  await using source = await sourceOf(image);
  return await store.pull({ source, name });
}

/** A source whose blobs pass through a function, which sees the offset that was asked for. */
function altered(
  source: ImageSource,
  alter: (bytes: AsyncIterable<Uint8Array>, offsetBytes: number, descriptor: Descriptor) => AsyncIterable<Uint8Array>,
): ImageSource {
  return {
    name: source.name,
    manifest: (reference) => source.manifest(reference),
    blob: (descriptor, options) => alter(source.blob(descriptor, options), options?.offsetBytes ?? 0, descriptor),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function* firstBytes(source: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    yield chunk.subarray(0, count);
    throw new Error("the connection broke");
  }
}

const content = Buffer.from("some content that is stored");
const identity = { mediaType: "x/y", digest: sha256(content), size: content.length };
const opener = (bytes: Uint8Array): OpenContent =>
  async function* (offset) {
    yield bytes.subarray(offset);
  };

describe("images", () => {
  test("are pulled, found by every name they have, and unpacked", async () => {
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

  test("have no name with the digest of another one, whatever an archive calls them", async () => {
    const store = await openStore();
    const wrong = `example.com/x@${sha256("another")}`;
    await expect(store.pull({ source: await sourceOf(), name: wrong })).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining("is no name for an image of the digest"),
    });
    const { target } = await store.pull({ source: await sourceOf() });
    await expect(store.putManifest(await store.manifest(target.digest), wrong)).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
    });
    expect(await store.list()).toEqual([]);
    await store.pull({ source: await sourceOf(), name: `example.com/x@${target.digest}` });
    expect((await store.list()).map(({ name }) => name)).toEqual([`example.com/x@${target.digest}`]);
  });

  test("an unknown one, and an ambiguous beginning of a digest", async () => {
    const store = await openStore();
    const missing = { code: "ERR_RUNLET_IMAGE", message: expect.stringContaining("there is no image") };
    for (const reference of ["nothing", `sha256:${"0".repeat(64)}`, "abcdef0"])
      await expect(store.resolve(reference)).rejects.toMatchObject(missing);
    await expect(store.remove("nothing")).rejects.toMatchObject(missing);
    await expect(store.tag("nothing", "name")).rejects.toMatchObject(missing);
    await expect(store.tag("nothing", `name@${identity.digest}`)).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
    await expect(store.manifest()).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
  });

  test("a second pull asks for nothing but the manifest", async () => {
    const store = await openStore();
    await pull(store);
    const asked: string[] = [];
    const source = altered(await sourceOf(), (bytes, _offset, { digest }) => {
      asked.push(digest);
      return bytes;
    });
    const steps: string[] = [];
    await store.pull({ source, name: "again", onProgress: ({ step }) => steps.push(step) });
    expect(asked).toEqual([]);
    expect(steps).toEqual(["resolve", "present", "present", "present"]);
  });

  test("names come, move and go; content goes with the last that keeps it", async () => {
    const store = await openStore();
    const first = await pull(store, two, "a");
    await store.tag("a", "localhost:5000/b:v1");
    const second = await pull(store, branch, "a");
    expect((await store.resolve("a")).descriptor).toEqual(second.descriptor);
    expect((await store.resolve("localhost:5000/b:v1")).descriptor).toEqual(first.descriptor);
    await store.unpack(first);
    await store.unpack(second);
    expect(await store.gc()).toMatchObject({ blobs: [], layers: [], leftovers: 0, freedBytes: 0 });
    await store.remove("localhost:5000/b:v1");
    const dry = await store.gc({ isDryRun: true });
    const result = await store.gc();
    expect(result).toEqual(dry);
    // The manifest, its configuration and its own layer; the base is the other image's too.
    expect(result.blobs).toHaveLength(3);
    expect(result.layers).toEqual([first.layers[1]?.chainId]);
    expect(result.freedBytes).toBeGreaterThan(0);
    expect((await store.unpack(await store.resolve("a"))).map(({ hostPath }) => existsSync(hostPath))).toEqual([
      true,
      true,
    ]);
    await store.remove("a");
    await store.gc();
    expect(readdirSync(join(store.hostPath, "blobs/sha256"))).toEqual([]);
    expect(readdirSync(join(store.hostPath, "layers/sha256"))).toEqual([]);
  });

  test("progress goes up to the whole", async () => {
    const store = await openStore();
    const seen: Progress[] = [];
    const image = await store.pull({ source: await sourceOf(), onProgress: (step) => seen.push(step) });
    await store.unpack(image, { onProgress: (step) => seen.push(step) });
    for (const step of ["download", "unpack"] as const) {
      const last = new Map(seen.filter((one) => one.step === step).map((one) => [one.digest, one]));
      expect(last.size).toBe(step === "download" ? 3 : 2);
      for (const { doneBytes, totalBytes } of last.values()) expect(doneBytes).toBe(totalBytes);
    }
  });
});

describe("an index", () => {
  async function pullIndex(store: ImageStore, platform: "all" | undefined) {
    const builder = new LayoutBuilder(temporaryDirectory());
    const architectures = ["amd64", "arm64", "s390x"];
    const manifests = architectures.map((architecture) => {
      const platform = { os: "linux", architecture };
      return { ...builder.image({ ...two, platform, config: { Cmd: [architecture] } }), platform };
    });
    builder.list(builder.index(manifests), "multi");
    await using source = await LayoutSource.open(builder.hostPath);
    return await store.pull({ source, name: "multi", platform });
  }
  const other = process.arch === "s390x" ? "arm64" : "s390x";

  test("gives this machine's image, keeps its own digest", async () => {
    const store = await openStore();
    const image = await pullIndex(store, undefined);
    expect(image.target.mediaType).toBe("application/vnd.oci.image.index.v1+json");
    expect(image.configuration.architecture).toBe({ x64: "amd64" }[process.arch as string] ?? process.arch);
    expect((await store.resolve(image.target.digest)).descriptor).toEqual(image.descriptor);
    await expect(store.resolve("multi", { platform: { os: "linux", architecture: other } })).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining("was not pulled for"),
    });
    expect((await store.gc()).blobs).toEqual([]);
  });

  test("whole", async () => {
    const store = await openStore();
    await pullIndex(store, "all");
    const image = await store.resolve("multi", { platform: { os: "linux", architecture: other } });
    expect(image.configuration.config?.Cmd).toEqual([other]);
    expect((await store.gc()).blobs).toEqual([]);
  });

  test("without the platform", async () => {
    const builder = new LayoutBuilder(temporaryDirectory());
    const platform = { os: "plan9", architecture: "mips" };
    builder.list(builder.index([{ ...builder.image({ platform }), platform }]));
    const store = await openStore();
    await expect(store.pull({ source: await LayoutSource.open(builder.hostPath), name: "x" })).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      hint: expect.stringContaining("plan9/mips"),
    });
    expect(await store.list()).toEqual([]);
    expect(readdirSync(join(store.hostPath, "blobs"))).toEqual([]);
  });
});

describe("a transfer that fails", () => {
  test("goes on where it ended", async () => {
    const store = await openStore();
    const source = await sourceOf();
    const broken = altered(source, (bytes) => firstBytes(bytes, 10));
    await expect(store.pull({ source: broken, name: "test" })).rejects.toThrow("the connection broke");
    expect(await store.list()).toEqual([]);
    expect((await store.usage()).partialBytes).toBeGreaterThan(0);
    const offsets: number[] = [];
    const whole = altered(source, (bytes, offset) => {
      offsets.push(offset);
      return bytes;
    });
    await store.unpack(await store.pull({ source: whole, name: "test" }));
    expect(offsets).toContain(10);
    expect(await store.gc()).toMatchObject({ leftovers: 0 });
  });

  test("truncated content is told, and kept", async () => {
    const store = await openStore();
    await expect(store.putBlob(identity, opener(content.subarray(0, 7)))).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: `the content of ${identity.digest} ends after 7 of ${content.length} bytes`,
    });
    expect(await store.has(identity)).toBe(false);
    const offsets: number[] = [];
    await store.putBlob(identity, async function* (offset) {
      offsets.push(offset);
      yield content.subarray(offset);
    });
    expect(offsets).toEqual([7]);
    expect(await store.has(identity)).toBe(true);
  });

  test("a damaged beginning is dropped, and read again", async () => {
    const store = await openStore();
    await expect(store.putBlob(identity, opener(Buffer.from("wrong!")))).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
    });
    await store.putBlob(identity, opener(content));
    expect((await store.readBlob(identity.digest, 1000)).equals(content)).toBe(true);
  });

  test.each([
    ["of the same size", Buffer.from("some content that is stolen"), "has the digest"],
    ["that is longer", Buffer.concat([content, Buffer.from("!")]), "is longer than its"],
  ])("wrong content %s leaves nothing", async (_name, bytes, message) => {
    const store = await openStore();
    await expect(store.putBlob(identity, opener(bytes))).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining(message),
    });
    expect(await store.has(identity)).toBe(false);
    expect(statSync(join(store.hostPath, "partial", `sha256-${identity.digest.slice(7)}`)).size).toBe(0);
  });

  test("content that never ends is not taken beyond its size", async () => {
    const store = await openStore();
    let given = 0;
    const endless: OpenContent = async function* () {
      for (;;) {
        given += 1000;
        yield Buffer.alloc(1000);
      }
    };
    await expect(store.putBlob(identity, endless)).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
    expect(given).toBe(1000);
  });

  test("the signal ends a pull, which can go on", async () => {
    const store = await openStore();
    const abort = new AbortController();
    const source = altered(await sourceOf(), (bytes) => {
      abort.abort();
      return bytes;
    });
    await expect(store.pull({ source, name: "test", signal: abort.signal })).rejects.toMatchObject({
      code: "ERR_RUNLET_ABORTED",
    });
    expect(await store.list()).toEqual([]);
    await pull(store);
  });

  test("manifests that lie about their digest", async () => {
    const store = await openStore();
    const source = await sourceOf();
    const lying: ImageSource = {
      ...altered(source, (bytes) => bytes),
      manifest: async () => {
        const { bytes, descriptor } = await source.manifest();
        return {
          bytes: Buffer.concat([bytes, Buffer.from(" ")]),
          descriptor: { ...descriptor, size: bytes.length + 1 },
        };
      },
    };
    await expect(store.pull({ source: lying, name: "test" })).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
  });
});

describe("layers that do not unpack", () => {
  test("another diff id than the configuration says", async () => {
    const store = await openStore();
    const rootfs = { type: "layers" as const, diff_ids: [sha256(base), sha256("something else")] };
    const image = await pull(store, { ...two, configuration: { rootfs } });
    await expect(store.unpack(image)).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      details: { expected: sha256("something else"), actual: sha256(upper) },
    });
    expect(store.isUnpacked(image.layers[1]?.chainId ?? "")).toBe(false);
    expect(readdirSync(join(store.hostPath, "staging"))).toEqual([]);
  });

  test("damage in the store is found, and healed by another pull", async () => {
    const store = await openStore();
    const image = await pull(store);
    const { digest, size } = image.layers[0]?.descriptor ?? identity;
    const blob = join(store.hostPath, "blobs/sha256", digest.slice(7));
    const bytes = readFileSync(blob);
    bytes.writeUInt8(bytes.readUInt8(Number(size) - 20) ^ 255, Number(size) - 20);
    writeFileSync(blob, bytes);
    await expect(store.unpack(image)).rejects.toMatchObject({ code: "ERR_RUNLET_STORE", details: { digest } });
    await store.unpack(await pull(store));
  });

  test("limits hold for each layer", async () => {
    const store = await openStore();
    const image = await pull(store);
    await expect(store.unpack(image, { limits: { entries: 2 } })).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining("more than 2 entries"),
    });
    expect(store.isUnpacked(image.layers[0]?.chainId ?? "")).toBe(false);
  });

  test("an aborted unpacking leaves nothing", async () => {
    const store = await openStore();
    const image = await pull(store);
    await expect(store.unpack(image, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ERR_RUNLET_ABORTED",
    });
    expect((await store.usage()).layers).toEqual([]);
    await store.unpack(image);
  });

  test("a layer whose archive is gone", async () => {
    const store = await openStore();
    const image = await pull(store);
    const { digest } = image.layers[1]?.descriptor ?? identity;
    rmSync(join(store.hostPath, "blobs/sha256", digest.slice(7)));
    await expect(store.unpack(image)).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE", hint: "pull the image again" });
  });
});

describe("leases", () => {
  test("keep layers, with those below, and blobs", async () => {
    const store = await openStore();
    const image = await pull(store);
    await store.unpack(image);
    const top = image.layers[1]?.chainId ?? "";
    await store.lease({ id: "snapshot-1", layers: [top], blobs: [] });
    await store.remove("test");
    expect((await store.gc()).layers).toEqual([]);
    expect(store.isUnpacked(image.layers[0]?.chainId ?? "")).toBe(true);
    expect((await store.usage()).layers.map(({ references }) => references)).toEqual([1, 1]);
    await store.lease({ id: "snapshot-1", layers: [], blobs: [] });
    expect((await store.gc()).layers).toHaveLength(2);
    await store.release("snapshot-1");
    await store.release("snapshot-1");
    expect(await store.leases()).toEqual([]);
  });

  test("on a manifest keep all that it refers to", async () => {
    const store = await openStore();
    const image = await pull(store);
    await store.lease({ id: "keep", layers: [], blobs: [image.descriptor.digest] });
    await store.remove("test");
    expect((await store.gc()).blobs).toEqual([]);
    expect((await store.resolve(image.descriptor.digest)).descriptor).toEqual(image.descriptor);
  });

  test.each(["", ".", "../x", "a/b", "-a", "x".repeat(129)])("the id %j is refused", async (id) => {
    const store = await openStore();
    await expect(store.lease({ id, layers: [], blobs: [] })).rejects.toMatchObject({ code: "ERR_RUNLET_USAGE" });
    await expect(store.release(id)).rejects.toMatchObject({ code: "ERR_RUNLET_USAGE" });
  });

  test("a damaged one stops gc before anything is removed", async () => {
    const store = await openStore();
    await pull(store);
    await store.remove("test");
    put(store.hostPath, "leases/broken.json", "{");
    await expect(store.gc()).rejects.toMatchObject({ code: "ERR_RUNLET_STORE" });
    expect(readdirSync(join(store.hostPath, "blobs/sha256"))).toHaveLength(4);
  });
});

describe("gc", () => {
  test("waits for those who hold the store, and says so", async () => {
    const store = await openStore();
    const hold = await store.hold();
    const { digest } = await store.addBlob({ mediaType: "x/y", content: opener(content)(0) });
    await expect(store.gc({ timeoutMs: 20 })).rejects.toMatchObject({ code: "ERR_RUNLET_LOCKED" });
    const collected = store.gc();
    setTimeout(() => hold[Symbol.dispose](), 50);
    expect((await collected).blobs).toEqual([digest]);
  });

  test("keeps what a manifest without a type of its own refers to, directly or by an index", async () => {
    const store = await openStore();
    const builder = new LayoutBuilder(temporaryDirectory());
    const untyped = builder.image({
      layers: [buildLayer({ path: "a", content: "a" })],
      manifest: { mediaType: undefined } as never,
    });
    builder.list(builder.index([{ ...untyped, platform: { os: "linux", architecture: "amd64" } }]), "index");
    builder.list(untyped, "image");
    for (const name of ["index", "image"]) {
      await using source = await LayoutSource.open(builder.hostPath);
      await store.pull({ source, reference: name, name, platform: "all" });
      expect((await store.gc()).blobs).toEqual([]);
    }
    expect((await store.usage()).blobs.every(({ references }) => references > 0)).toBe(true);
  });

  test("a manifest of an unknown kind stops it, until its name is gone", async () => {
    const store = await openStore();
    await pull(store);
    const bytes = '{"schemaVersion":3,"layers":[]}';
    const { digest, size } = await store.addBlob({ mediaType: "x/y", content: [Buffer.from(bytes)] });
    await store.lease({ id: "of-another-tool", layers: [], blobs: [digest] });
    expect(size).toBe(bytes.length);
    await expect(store.gc()).rejects.toMatchObject({
      code: "ERR_RUNLET_STORE",
      message: `the lease "of-another-tool": nobody knows what "${digest}" in the store keeps`,
    });
    await store.release("of-another-tool");
    expect((await store.gc()).blobs).toEqual([digest]);
  });

  test("an index that lists what is no manifest stops it, and the error says by which name it is known", async () => {
    const store = await openStore();
    const builder = new LayoutBuilder(temporaryDirectory());
    const image = { ...builder.image({ configuration: { schemaVersion: 9 } as never }), platform: linux };
    const { config } = JSON.parse(builder.read(image).toString());
    builder.list(builder.index([image, { ...config, mediaType: image.mediaType }]), "1");
    await store.pull({ source: await LayoutSource.open(builder.hostPath), platform: linux, name: "odd" });
    await expect(store.gc()).rejects.toMatchObject({
      code: "ERR_RUNLET_STORE",
      message: `the image "docker.io/library/odd:latest": nobody knows what "${config.digest}" in the store keeps`,
      hint: expect.stringContaining("runlet image rm"),
    });
    await store.remove("odd");
    expect((await store.gc()).blobs).toHaveLength(3);
  });

  test("a damaged manifest stops it, as nobody knows what it kept", async () => {
    const store = await openStore();
    const image = await pull(store);
    appendFileSync(join(store.hostPath, "blobs/sha256", image.descriptor.digest.slice(7)), " ");
    await expect(store.gc()).rejects.toMatchObject({
      code: "ERR_RUNLET_STORE",
      message: `the image "docker.io/library/test:latest": the content of "${image.descriptor.digest}" in the store is damaged`,
    });
    await store.remove("test");
    expect((await store.gc()).blobs).toHaveLength(4);
  });

  test("removes what broke off, and nothing that is not the store's", async () => {
    const store = await openStore();
    const strange = ["blobs/sha256/notes.txt", "snapshots/one/file", "leases/README"];
    for (const path of strange) put(store.hostPath, path, "");
    for (const path of ["staging/sha256-x/tree/file", "partial/sha256-y", ".index.json.1-1.new"])
      put(store.hostPath, path, "");
    expect(await store.gc()).toMatchObject({ leftovers: 3 });
    for (const path of strange) expect(existsSync(join(store.hostPath, path)), path).toBe(true);
    expect(existsSync(join(store.hostPath, "staging"))).toBe(false);
  });
});

describe("at once", () => {
  test("two pulls of one image read each blob once", async () => {
    const hostPath = join(temporaryDirectory(), "store");
    const stores = await Promise.all([openStore(hostPath), openStore(hostPath), openStore(hostPath)]);
    const reads: string[] = [];
    const source = altered(await sourceOf(), (bytes, _offset, { digest }) => {
      reads.push(digest);
      return bytes;
    });
    await Promise.all(stores.map((store, index) => store.pull({ source, name: `name${index}` })));
    expect(new Set(reads).size).toBe(reads.length);
    expect((await stores[0]?.list())?.map(({ name }) => name)).toEqual(
      [0, 1, 2].map((index) => `docker.io/library/name${index}:latest`),
    );
    await Promise.all(stores.map(async (store, index) => store.unpack(await store.resolve(`name${index}`))));
    expect(readdirSync(join(hostPath, "staging"))).toEqual([]);
    expect(readdirSync(join(hostPath, "layers/sha256"))).toHaveLength(2);
  });

  test("many names", async () => {
    const store = await openStore();
    await pull(store);
    await Promise.all(Array.from({ length: 8 }, (_, index) => store.tag("test", `name:${index}`)));
    expect(await store.list()).toHaveLength(9);
  });
});

describe("the directory", () => {
  test("is an image layout, for its owner alone", async () => {
    const store = await openStore();
    await pull(store);
    expect(JSON.parse(readFileSync(join(store.hostPath, "oci-layout"), "utf8"))).toEqual({
      imageLayoutVersion: "1.0.0",
    });
    for (const name of ["blobs", "layers", "leases"])
      expect(statSync(join(store.hostPath, name)).mode & 0o077, name).toBe(0);
    const source = await LayoutSource.open(store.hostPath);
    expect(source.references).toEqual(["docker.io/library/test:latest"]);
  });

  test("of something else is not taken", async () => {
    const hostPath = temporaryDirectory();
    put(hostPath, "document.txt", "");
    await expect(openStore(hostPath)).rejects.toMatchObject({
      code: "ERR_RUNLET_STORE",
      message: expect.stringContaining("holds"),
    });
    expect(readdirSync(hostPath)).toEqual(["document.txt"]);
  });

  test.each([
    ["of an unknown version", '{"storeVersion":2,"overlayXattrs":"user"}'],
    ["with a damaged record", "{"],
    ["with another record", "[]"],
  ])("%s is not taken", async (_name, record) => {
    const hostPath = temporaryDirectory();
    put(hostPath, "store.json", record);
    await expect(openStore(hostPath)).rejects.toMatchObject({ code: "ERR_RUNLET_STORE" });
  });

  test("below a file cannot be", async () => {
    const file = put(temporaryDirectory(), "file", "");
    await expect(openStore(join(file, "store"))).rejects.toMatchObject({ code: "ERR_RUNLET_STORE", errno: "ENOTDIR" });
  });

  test("with a damaged list of names", async () => {
    const store = await openStore();
    await pull(store);
    truncateSync(join(store.hostPath, "index.json"), 20);
    await expect(store.list()).rejects.toMatchObject({ code: "ERR_RUNLET_STORE" });
    await expect(store.gc()).rejects.toMatchObject({ code: "ERR_RUNLET_STORE" });
  });

  test("usage counts what is there", async () => {
    const store = await openStore();
    const image = await pull(store);
    await store.tag("test", "more");
    await store.unpack(image);
    const { blobs, layers } = await store.usage();
    expect(blobs).toHaveLength(4);
    expect(blobs.every(({ references }) => references === 2)).toBe(true);
    const size = blobs.find(({ digest }) => digest === image.descriptor.digest)?.sizeBytes;
    expect(size).toBe(image.descriptor.size);
    expect(layers.map(({ parent }) => parent)).toContain(image.layers[0]?.chainId);
  });

  test("content by other digests", async () => {
    const store = await openStore();
    const digest = `sha512:${createHash("sha512").update(content).digest("hex")}`;
    await store.putBlob({ ...identity, digest }, opener(content));
    expect(existsSync(join(store.hostPath, "blobs/sha512", digest.slice(7)))).toBe(true);
    const bad = ["sha256:../../../../etc/passwd", "md5:00", `sha256:${"A".repeat(64)}`, "../../x", ""];
    for (const wrong of bad)
      await expect(store.putBlob({ ...identity, digest: wrong }, opener(content))).rejects.toMatchObject({
        code: "ERR_RUNLET_IMAGE",
      });
    mkdirSync(join(store.hostPath, "partial"), { recursive: true });
    expect(readdirSync(join(store.hostPath, "partial"))).toEqual([]);
  });
});
