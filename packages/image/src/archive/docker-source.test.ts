import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import { buildLayer, buildLayout, type LayerEntry, LayoutBuilder, sha256 } from "../../test/layout-builder.ts";
import { put, temporaryDirectory } from "../../test/temporary.ts";
import { copyImage } from "../copy.ts";
import { ArchiveTree } from "../layout/archive-tree.ts";
import { LayoutSource } from "../layout/layout-source.ts";
import { ImageStore } from "../store/image-store.ts";
import { ArchiveTarget } from "./archive-target.ts";
import { DockerArchiveSource } from "./docker-source.ts";
import { openImageFile } from "./open-source.ts";

const base = buildLayer({ path: "a", content: "base" });
const upper = buildLayer({ path: "b", content: "upper" });
const configuration = JSON.stringify({
  os: "linux",
  architecture: "amd64",
  config: { Cmd: ["/a"] },
  rootfs: { type: "layers", diff_ids: [sha256(base), sha256(upper)] },
});
const configName = `${sha256(configuration).slice(7)}.json`;

function write(...entries: LayerEntry[]): string {
  return put(temporaryDirectory(), "archive.tar", buildLayer(...entries));
}

async function pull(hostPath: string, reference?: string) {
  const store = await ImageStore.open({ hostPath: join(temporaryDirectory(), "store") });
  await using source = await openImageFile(hostPath);
  return { store, image: await store.pull({ source, reference, name: "test" }) };
}

const manifest = (...layers: string[]): LayerEntry => ({
  path: "manifest.json",
  content: JSON.stringify([{ Config: configName, RepoTags: ["docker.io/library/name:v1"], Layers: layers }]),
});
const config: LayerEntry = { path: configName, content: configuration };

describe("archives with manifest.json", () => {
  test("of layers as they are, found by their names", async () => {
    const archive = write(
      config,
      { path: "x/layer.tar", content: base },
      { path: "y.tar", content: upper },
      manifest("x/layer.tar", "y.tar"),
    );
    for (const reference of [undefined, "name:v1", "docker.io/library/name:v1"]) {
      const { image, store } = await pull(archive, reference);
      expect(image.manifest.config.digest).toBe(sha256(configuration));
      expect(image.layers.map(({ descriptor }) => descriptor.digest)).toEqual([sha256(base), sha256(upper)]);
      await store.unpack(image);
    }
    await using source = await DockerArchiveSource.open(archive);
    expect(source.references).toEqual(["docker.io/library/name:v1"]);
    const { descriptor } = await source.manifest();
    expect((await source.manifest(descriptor.digest)).descriptor).toEqual(descriptor);
  });

  test("of images that share layers: each is read once for all of them", async () => {
    const other = configuration.replace("/a", "/other");
    const layers = ["x/layer.tar", "y.tar"];
    const images = [
      { Config: configName, RepoTags: ["name:v1", "name:latest"], Layers: layers },
      { Config: "other.json", RepoTags: ["name:v2"], Layers: layers },
    ];
    const archive = write(
      config,
      { path: "other.json", content: other },
      { path: "x/layer.tar", content: base },
      { path: "y.tar", content: upper },
      { path: "manifest.json", content: JSON.stringify(images) },
    );
    const tree = await ArchiveTree.open(archive);
    const stream = vi.spyOn(tree, "stream");
    await using source = await DockerArchiveSource.fromTree(tree);
    const digests = new Set<string>();
    for (const reference of source.references) digests.add((await source.manifest(reference)).descriptor.digest);
    expect(digests.size).toBe(2);
    expect(stream.mock.calls.map(([path]) => path).filter((path) => layers.includes(path))).toEqual(layers);
  });

  test("of compressed layers, of layers that are links, of archives that are compressed", async () => {
    const archive = write(
      config,
      { path: "x/layer.tar", content: gzipSync(base) },
      { path: "y/layer.tar", type: "symbolic-link", linkTarget: "../z/layer.tar" },
      { path: "z/layer.tar", type: "hard-link", linkTarget: "w.tar" },
      { path: "./w.tar", content: upper },
      manifest("x/layer.tar", "y/layer.tar"),
    );
    const { image, store } = await pull(archive);
    expect(image.layers.map(({ descriptor }) => descriptor.mediaType)).toEqual([
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
      "application/vnd.docker.image.rootfs.diff.tar",
    ]);
    await store.unpack(image);
    writeFileSync(`${archive}.gz`, gzipSync(readFileSync(archive)));
    expect((await pull(`${archive}.gz`)).image.descriptor).toEqual(image.descriptor);
  });

  test.each<[string, LayerEntry[], string]>([
    ["without layers that it lists", [config, manifest("x.tar")], 'has no file "x.tar"'],
    ["without its configuration", [{ path: "x.tar", content: base }, manifest("x.tar")], "has no file"],
    [
      "with a link in a circle",
      [config, { path: "x.tar", type: "symbolic-link", linkTarget: "x.tar" }, manifest("x.tar")],
      "has no file",
    ],
    ["whose list is none", [{ path: "manifest.json", content: "{}" }], "its manifest.json is no list"],
    ["whose list has no Config", [{ path: "manifest.json", content: "[{}]" }], "has no Config"],
    ["whose list has no Layers", [{ path: "manifest.json", content: '[{"Config":"x"}]' }], "has no Layers"],
    [
      "whose tags are none",
      [{ path: "manifest.json", content: '[{"Config":"x","Layers":[],"RepoTags":1}]' }],
      "RepoTags",
    ],
    ["of no image", [{ path: "manifest.json", content: "[]" }], "holds no image"],
    ["that is none", [{ path: "readme", content: "" }], "is no docker archive"],
    ["whose names are none", [{ path: "repositories", content: "{}" }], "name no image"],
  ])("%s", async (_name, entries, message) => {
    await expect(pull(write(...entries))).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining(message),
    });
  });

  test("a link out of the archive leads nowhere", async () => {
    const outside = put(temporaryDirectory(), "secret", "secret");
    const link: LayerEntry = { path: "x.tar", type: "symbolic-link", linkTarget: `../../../../../..${outside}` };
    await expect(pull(write(config, link, manifest("x.tar", "x.tar")))).rejects.toMatchObject({
      message: expect.stringContaining("has no file"),
    });
    const directory = temporaryDirectory();
    put(directory, "manifest.json", JSON.stringify([{ Config: outside, Layers: [`../..${outside}`] }]));
    await expect(pull(directory)).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
  });

  test("a small one that would become a large one", async () => {
    // RFC 8878: a frame of unknown size, of blocks of 128 KiB of one byte each, four bytes long.
    const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]);
    const block = Buffer.from([0x02, 0x00, 0x10, 0x00]);
    const bomb = Buffer.concat([header, ...Array<Buffer>(150).fill(block)]);
    const hostile = { code: "ERR_RUNLET_IMAGE", message: expect.stringContaining("times larger by decompression") };
    await expect(pull(put(temporaryDirectory(), "bomb.tar", bomb))).rejects.toMatchObject(hostile);
    await expect(
      pull(write(config, { path: "x.tar", content: bomb }, manifest("x.tar", "x.tar"))),
    ).rejects.toMatchObject(hostile);
  });

  test("truncated, missing, or no archive", async () => {
    const archive = write(config, { path: "x.tar", content: base }, manifest("x.tar"));
    truncateSync(archive, 700);
    await expect(pull(archive)).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
    await expect(pull(`${archive}.missing`)).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE", errno: "ENOENT" });
    await expect(pull("/dev/null")).rejects.toMatchObject({ message: expect.stringContaining("no regular file") });
    writeFileSync(archive, "this is no archive".repeat(100));
    await expect(pull(archive)).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
  });
});

describe("archives of before Docker 1.10, with repositories alone", () => {
  const id = (digit: string) => digit.repeat(64);
  const layer = (digit: string, content: Uint8Array, more: object): LayerEntry[] => [
    { path: `${id(digit)}/json`, content: JSON.stringify({ id: id(digit), ...more }) },
    { path: `${id(digit)}/VERSION`, content: "1.0" },
    { path: `${id(digit)}/layer.tar`, content },
  ];
  const repositories: LayerEntry = { path: "repositories", content: JSON.stringify({ "my/name": { v1: id("b") } }) };
  const top = {
    parent: id("a"),
    os: "linux",
    architecture: "arm64",
    created: "2015-01-01T00:00:00Z",
    config: { Cmd: ["/b"] },
  };

  test("get a configuration from what their layers say", async () => {
    const { image, store } = await pull(
      write(...layer("a", base, {}), ...layer("b", upper, top), repositories),
      "my/name:v1",
    );
    expect(image.configuration).toEqual({
      os: "linux",
      architecture: "arm64",
      created: "2015-01-01T00:00:00Z",
      config: { Cmd: ["/b"] },
      rootfs: { type: "layers", diff_ids: [sha256(base), sha256(upper)] },
      history: [{}, { created: "2015-01-01T00:00:00Z" }],
    });
    await store.unpack(image);
  });

  test("whose layers go in a circle, or are missing", async () => {
    const circle = write(...layer("a", base, { parent: id("b") }), ...layer("b", upper, top), repositories);
    await expect(pull(circle)).rejects.toMatchObject({ message: expect.stringContaining("more than 500 layers") });
    await expect(pull(write(...layer("b", upper, top), repositories))).rejects.toMatchObject({
      message: expect.stringContaining(`has no file "${id("a")}/json"`),
    });
  });
});

describe("archives that are written", () => {
  test("are read back as both formats, and the same images give the same bytes", async () => {
    const directory = temporaryDirectory();
    await using from = await LayoutSource.open(buildLayout(temporaryDirectory(), { layers: [base, upper] }).hostPath);
    const written: Buffer[] = [];
    for (const hostPath of [join(directory, "1.tar"), join(directory, "2.tar")]) {
      await using to = await ArchiveTarget.create({ hostPath, format: "docker" });
      await copyImage({ from, to, targetReference: "docker.io/library/name:v1" });
      await to.finish();
      written.push(readFileSync(hostPath));
    }
    expect(written[0]?.equals(written[1] ?? Buffer.alloc(0))).toBe(true);
    const archive = join(directory, "1.tar");
    await using docker = await DockerArchiveSource.open(archive);
    expect(docker.references).toEqual(["name:v1"]);
    const { digest } = (await from.manifest()).descriptor;
    await using layout = await LayoutSource.open(archive);
    expect((await layout.manifest("docker.io/library/name:v1")).descriptor.digest).toBe(digest);
    expect((await pull(archive)).image.descriptor.digest).toBe(digest);
  });

  test("are not there if they are not finished, and replace nothing", async () => {
    const directory = temporaryDirectory();
    const hostPath = put(directory, "archive.tar", "before");
    await using from = await LayoutSource.open(buildLayout(temporaryDirectory(), { layers: [base] }).hostPath);
    {
      await using to = await ArchiveTarget.create({ hostPath, format: "oci" });
      await copyImage({ from, to });
    }
    expect(readdirSync(directory)).toEqual(["archive.tar"]);
    expect(readFileSync(hostPath, "utf8")).toBe("before");
    await expect(ArchiveTarget.create({ hostPath: join(hostPath, "below"), format: "oci" })).rejects.toMatchObject({
      code: "ERR_RUNLET_STORE",
      errno: "ENOTDIR",
    });
  });

  test("hold nothing of a blob that was wrong", async () => {
    const hostPath = join(temporaryDirectory(), "archive.tar");
    await using to = await ArchiveTarget.create({ hostPath, format: "oci" });
    const descriptor = { mediaType: "x/y", digest: sha256("right"), size: 5 };
    const content = (text: string) =>
      async function* () {
        yield Buffer.from(text);
      };
    for (const text of ["wrong", "longer than it", "less"])
      await expect(to.putBlob(descriptor, content(text))).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
    expect(await to.has(descriptor)).toBe(false);
    await to.putBlob(descriptor, content("right"));
    expect(await to.has(descriptor)).toBe(true);
    await to.finish();
    expect(readFileSync(hostPath).includes("wrong")).toBe(false);
  });

  test("of an index, Docker's list names the image", async () => {
    const builder = new LayoutBuilder(temporaryDirectory());
    const platforms = ["amd64", "arm64"].map((architecture) => ({ os: "linux", architecture }));
    const images = platforms.map((platform) => ({ ...builder.image({ layers: [base], platform }), platform }));
    builder.list(builder.index(images), "multi");
    await using from = await LayoutSource.open(builder.hostPath);
    const hostPath = join(temporaryDirectory(), "archive.tar");
    await using to = await ArchiveTarget.create({ hostPath, format: "docker" });
    await copyImage({ from, to, platform: "all", targetReference: "docker.io/a/b:c" });
    await to.finish();
    await using docker = await DockerArchiveSource.open(hostPath);
    expect(docker.references).toEqual(["a/b:c"]);
    await using layout = await LayoutSource.open(hostPath);
    expect((await layout.manifest()).descriptor.mediaType).toBe("application/vnd.oci.image.index.v1+json");
  });
});
