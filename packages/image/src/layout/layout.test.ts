import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { buildLayer, buildLayout, LayoutBuilder, sha256 } from "../../test/layout-builder.ts";
import { put, temporaryDirectory } from "../../test/temporary.ts";
import { openImageFile } from "../archive/open-source.ts";
import { copyImage } from "../copy.ts";
import { LayoutSource } from "./layout-source.ts";
import { LayoutTarget } from "./layout-target.ts";

const layer = buildLayer({ path: "a", content: "a" });

/** The layout as a tar archive. */
function archiveOf(layout: string): string {
  const files = [
    "oci-layout",
    "index.json",
    ...readdirSync(join(layout, "blobs/sha256")).map((hex) => `blobs/sha256/${hex}`),
  ];
  const entries = files.map((path) => ({ path, content: readFileSync(join(layout, path)) }));
  return put(temporaryDirectory(), "layout.tar", buildLayer(...entries));
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("a source", () => {
  test("is a directory or an archive; gives manifests by name, by digest, or the only one", async () => {
    const builder = buildLayout(temporaryDirectory(), { layers: [layer], compression: "none" });
    for (const hostPath of [builder.hostPath, archiveOf(builder.hostPath)]) {
      await using source = await LayoutSource.open(hostPath);
      expect(source.references).toEqual(["latest"]);
      const { descriptor, bytes } = await source.manifest();
      expect(sha256(bytes)).toBe(descriptor.digest);
      for (const reference of ["latest", descriptor.digest])
        expect((await source.manifest(reference)).descriptor).toEqual(descriptor);
      const blob = { mediaType: "", digest: sha256(layer), size: layer.length };
      expect((await collect(source.blob(blob, { offsetBytes: 100 }))).equals(layer.subarray(100))).toBe(true);
      expect((await collect(source.blob(blob, { offsetBytes: layer.length }))).length).toBe(0);
    }
  });

  test("a manifest that only an index lists is found by its digest", async () => {
    const builder = new LayoutBuilder(temporaryDirectory());
    const image = builder.image({ layers: [layer] });
    builder.list(builder.index([image]), "latest");
    await using source = await LayoutSource.open(builder.hostPath);
    expect((await source.manifest(image.digest)).descriptor).toEqual(image);
  });

  test.each<[string, (layout: string) => void, string]>([
    ["no oci-layout", (layout) => rmSync(join(layout, "oci-layout")), "is no docker archive"],
    ["a damaged oci-layout", (layout) => writeFileSync(join(layout, "oci-layout"), "{"), "is no JSON"],
    [
      "a version to come",
      (layout) => writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}'),
      '"2.0.0',
    ],
    ["no version", (layout) => writeFileSync(join(layout, "oci-layout"), "null"), "not 1.0.0"],
    ["no index.json", (layout) => rmSync(join(layout, "index.json")), 'has no file "index.json"'],
    ["an index.json that is none", (layout) => writeFileSync(join(layout, "index.json"), "[]"), "is no image layout"],
    [
      "an index.json that is a manifest",
      (layout) =>
        writeFileSync(
          join(layout, "index.json"),
          '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}',
        ),
      "was announced as",
    ],
  ])("%s", async (_name, damage, message) => {
    const { hostPath } = buildLayout(temporaryDirectory());
    damage(hostPath);
    await expect(openImageFile(hostPath)).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining(message),
    });
  });

  test("several images need a name, which must be there", async () => {
    const builder = new LayoutBuilder(temporaryDirectory());
    builder.list(builder.image({ config: { Cmd: ["a"] } }), "a").list(builder.image({ config: { Cmd: ["b"] } }), "b");
    await using source = await LayoutSource.open(builder.hostPath);
    await expect(source.manifest()).rejects.toMatchObject({ hint: 'it has "a", "b"' });
    await expect(source.manifest("c")).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE", hint: 'it has "a", "b"' });
    await expect(source.manifest(sha256("nothing"))).rejects.toMatchObject({
      message: expect.stringContaining("lacks"),
    });
  });

  test("links lead nowhere out of it, directories and FIFOs are no blobs", async () => {
    const { hostPath } = buildLayout(temporaryDirectory(), { layers: [layer] });
    await using source = await LayoutSource.open(hostPath);
    const digest = sha256("secret");
    const blob = join(hostPath, "blobs/sha256", digest.slice(7));
    symlinkSync(put(temporaryDirectory(), "secret", "secret"), blob);
    const read = () => collect(source.blob({ mediaType: "", digest, size: 6 }));
    await expect(read()).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
    for (const make of [mkdirSync, (hostPath: string) => execFileSync("mkfifo", [hostPath])]) {
      rmSync(blob, { recursive: true });
      make(blob);
      await expect(read()).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
    }
    await expect(source.manifest("sha256:../../etc/passwd")).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
  });

  test("is compressed, if it is an archive", async () => {
    const archive = archiveOf(buildLayout(temporaryDirectory(), { layers: [layer] }).hostPath);
    writeFileSync(archive, gzipSync(readFileSync(archive)));
    await using source = await openImageFile(archive);
    expect(source.references).toEqual(["latest"]);
    writeFileSync(archive, readFileSync(archive).subarray(0, 60));
    await expect(openImageFile(archive)).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
  });

  test("is compressed, and there is no place to decompress it: nobody takes the archive for missing", async () => {
    const archive = archiveOf(buildLayout(temporaryDirectory(), { layers: [layer] }).hostPath);
    writeFileSync(archive, gzipSync(readFileSync(archive)));
    vi.stubEnv("TMPDIR", "/nonexistent");
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(openImageFile(archive)).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: 'cannot decompress the archive into a file in "/nonexistent"',
      errno: "ENOENT",
      hint: "name another directory in TMPDIR",
    });
  });
});

describe("a target", () => {
  test("takes images beside those that are there, and replaces one of the same name", async () => {
    const hostPath = join(temporaryDirectory(), "new");
    const first = await LayoutSource.open(buildLayout(temporaryDirectory(), { config: { Cmd: ["1"] } }).hostPath);
    const second = await LayoutSource.open(buildLayout(temporaryDirectory(), { config: { Cmd: ["2"] } }).hostPath);
    {
      await using to = await LayoutTarget.open(hostPath);
      await copyImage({ from: first, to, targetReference: "a" });
      await copyImage({ from: first, to, targetReference: "b" });
      await copyImage({ from: second, to, targetReference: "a" });
    }
    await using written = await LayoutSource.open(hostPath);
    expect([...written.references].sort()).toEqual(["a", "b"]);
    expect((await written.manifest("a")).descriptor).toEqual((await second.manifest()).descriptor);
    expect((await written.manifest("b")).descriptor).toEqual((await first.manifest()).descriptor);
    expect(existsSync(join(hostPath, ".partial"))).toBe(false);
  });

  test("of a chosen platform gets the image, of all of them the index", async () => {
    const builder = new LayoutBuilder(temporaryDirectory());
    const platforms = ["amd64", "arm64"].map((architecture) => ({ os: "linux", architecture }));
    const images = platforms.map((platform) => ({ ...builder.image({ platform, layers: [layer] }), platform }));
    const index = builder.index(images);
    builder.list(index, "multi");
    await using from = await LayoutSource.open(builder.hostPath);
    await using to = await LayoutTarget.open(join(temporaryDirectory(), "new"));
    const one = await copyImage({ from, to, platform: { os: "linux", architecture: "arm64" }, targetReference: "one" });
    expect(one.target.descriptor.digest).toBe(images[1]?.digest);
    expect(await to.has(index)).toBe(false);
    const all = await copyImage({ from, to, platform: "all", targetReference: "all" });
    expect(all.target.descriptor.digest).toBe(index.digest);
    expect(all.manifests).toHaveLength(2);
    expect(await to.has(index)).toBe(true);
  });

  test("is no directory of other things", async () => {
    const hostPath = temporaryDirectory();
    put(hostPath, "file", "");
    await expect(LayoutTarget.open(hostPath)).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
    await expect(LayoutTarget.open(join(hostPath, "file"))).rejects.toMatchObject({ code: "ERR_RUNLET_STORE" });
    expect(readdirSync(hostPath)).toEqual(["file"]);
  });

  test("indexes in indexes are followed, but not for ever", async () => {
    const builder = new LayoutBuilder(temporaryDirectory());
    const platform = { os: "linux", architecture: "amd64" };
    let descriptor = { ...builder.image({ platform }), platform };
    for (let depth = 0; depth < 6; depth++) {
      descriptor = { ...builder.index([descriptor]), platform };
      builder.list(descriptor, `depth-${depth}`);
    }
    await using from = await LayoutSource.open(builder.hostPath);
    await using to = await LayoutTarget.open(join(temporaryDirectory(), "new"));
    for (const chosen of [platform, "all"] as const) {
      await copyImage({ from, to, reference: "depth-3", platform: chosen });
      await expect(copyImage({ from, to, reference: "depth-5", platform: chosen })).rejects.toMatchObject({
        message: "an index lists indexes too deep",
      });
    }
  });
});
