import { join } from "node:path";
import { type Descriptor, mediaTypes } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { buildLayer, buildLayout, LayoutBuilder, sha256 } from "../test/layout-builder.ts";
import { temporaryDirectory } from "../test/temporary.ts";
import { copyImage } from "./copy.ts";
import { LayoutSource } from "./layout/layout-source.ts";
import { LayoutTarget } from "./layout/layout-target.ts";
import { dockerMediaTypes } from "./media-types.ts";
import { formatManifest, toOciManifest } from "./oci-manifest.ts";

const none: ReadonlyMap<string, Descriptor> = new Map();

function describeContent(mediaType: string, content: string): Descriptor {
  return { mediaType, digest: sha256(content), size: content.length };
}

function read(content: { readonly bytes: Uint8Array }): unknown {
  return JSON.parse(Buffer.from(content.bytes).toString());
}

describe("of Docker's types", () => {
  test("an image keeps its content and whatever else it says", async () => {
    const layers = [
      describeContent(dockerMediaTypes.layerGzip, "a"),
      { ...describeContent(dockerMediaTypes.foreignLayerGzip, "b"), urls: ["https://example.com/b"] },
      describeContent("application/x-mine", "c"),
    ];
    const config = describeContent(dockerMediaTypes.imageConfig, "{}");
    const mediaType = dockerMediaTypes.manifest;
    const before = await formatManifest(mediaType, { schemaVersion: 2, mediaType, config, layers, extra: [1] });
    const after = await toOciManifest(before, none);
    expect(after.descriptor).toEqual({
      mediaType: mediaTypes.imageManifest,
      digest: sha256(after.bytes),
      size: after.bytes.length,
    });
    expect(read(after)).toEqual({
      schemaVersion: 2,
      mediaType: mediaTypes.imageManifest,
      config: { ...config, mediaType: mediaTypes.imageConfig },
      layers: [
        { ...layers[0], mediaType: mediaTypes.imageLayerGzip },
        { ...layers[1], mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" },
        layers[2],
      ],
      extra: [1],
    });
  });

  test("a list names what its images have become, and those that it does not know by their new type", async () => {
    const platform = { os: "linux", architecture: "amd64" };
    const data = Buffer.from("known").toString("base64");
    const known = { ...describeContent(dockerMediaTypes.manifest, "known"), platform, data };
    const other = describeContent(dockerMediaTypes.manifest, "other");
    const become = describeContent(mediaTypes.imageManifest, "become");
    const mediaType = dockerMediaTypes.manifestList;
    const before = await formatManifest(mediaType, { schemaVersion: 2, mediaType, manifests: [known, other] });
    const after = await toOciManifest(before, new Map([[known.digest, become]]));
    expect(read(after)).toEqual({
      schemaVersion: 2,
      mediaType: mediaTypes.imageIndex,
      manifests: [
        { ...become, platform },
        { ...other, mediaType: mediaTypes.imageManifest },
      ],
    });
  });
});

describe("of the image specification's types", () => {
  test("nothing changes, whatever it refers to", async () => {
    const config = describeContent(dockerMediaTypes.imageConfig, "{}");
    const image = await formatManifest(mediaTypes.imageManifest, { schemaVersion: 2, config, layers: [] });
    expect(await toOciManifest(image, none)).toBe(image);
    const index = await formatManifest(mediaTypes.imageIndex, { schemaVersion: 2, manifests: [image.descriptor] });
    expect(await toOciManifest(index, new Map([[image.descriptor.digest, image.descriptor]]))).toBe(index);
  });

  test("an index changes with what it lists", async () => {
    const listed = describeContent(dockerMediaTypes.manifest, "listed");
    const become = describeContent(mediaTypes.imageManifest, "become");
    const index = await formatManifest(mediaTypes.imageIndex, { schemaVersion: 2, manifests: [listed] });
    expect(read(await toOciManifest(index, new Map([[listed.digest, become]])))).toMatchObject({ manifests: [become] });
  });
});

describe("a copy into a layout", () => {
  /** A list of Docker's of two images. */
  function buildDockerImages(): { hostPath: string; list: Descriptor } {
    const builder = new LayoutBuilder(temporaryDirectory());
    const manifests = ["amd64", "arm64"].map((architecture) => {
      const platform = { os: "linux", architecture };
      const oci = builder.image({ platform, layers: [buildLayer({ path: architecture, content: "x" })] });
      const document = JSON.parse(builder.read(oci).toString());
      document.mediaType = dockerMediaTypes.manifest;
      document.config.mediaType = dockerMediaTypes.imageConfig;
      document.layers[0].mediaType = dockerMediaTypes.layerGzip;
      return { ...builder.blob(JSON.stringify(document), dockerMediaTypes.manifest), platform };
    });
    const mediaType = dockerMediaTypes.manifestList;
    const list = builder.blob(JSON.stringify({ schemaVersion: 2, mediaType, manifests }), mediaType);
    builder.list(list, "docker");
    return { hostPath: builder.hostPath, list };
  }

  test("of all platforms is whole: what it lists is there, by the digests that it has now", async () => {
    const { hostPath, list } = buildDockerImages();
    await using from = await LayoutSource.open(hostPath);
    const target = join(temporaryDirectory(), "new");
    await using to = await LayoutTarget.open(target);
    const copied = await copyImage({ from, to, platform: "all", targetReference: "all" });
    expect(copied.target.descriptor.digest).not.toBe(list.digest);
    expect(copied.manifests.map(({ descriptor }) => descriptor.mediaType)).toEqual(
      Array(2).fill(mediaTypes.imageManifest),
    );
    await using written = await LayoutSource.open(target);
    const index = await written.manifest("all");
    expect(index.descriptor).toEqual(copied.target.descriptor);
    const { manifests } = read(index) as { manifests: Descriptor[] };
    expect(manifests.map(({ digest }) => digest)).toEqual(copied.manifests.map(({ descriptor }) => descriptor.digest));
    for (const listed of manifests) {
      const { descriptor, bytes } = await written.manifest(listed.digest);
      expect(descriptor).toEqual({ mediaType: listed.mediaType, digest: sha256(bytes), size: listed.size });
      const { config, layers } = read({ bytes }) as { config: Descriptor; layers: Descriptor[] };
      for (const blob of [config, ...layers]) expect(await to.has(blob)).toBe(true);
    }
  });

  test("of one platform has the image's new digest; a second copy finds it there", async () => {
    const { hostPath } = buildDockerImages();
    await using from = await LayoutSource.open(hostPath);
    await using to = await LayoutTarget.open(join(temporaryDirectory(), "new"));
    const platform = { os: "linux", architecture: "arm64" };
    const first = await copyImage({ from, to, platform, targetReference: "a" });
    const second = await copyImage({ from, to, platform, targetReference: "b" });
    expect(first.target.descriptor.mediaType).toBe(mediaTypes.imageManifest);
    expect(second.target.descriptor).toEqual(first.target.descriptor);
  });

  test("of an image that is one of the specification keeps its digest", async () => {
    const { hostPath } = buildLayout(temporaryDirectory());
    await using from = await LayoutSource.open(hostPath);
    await using to = await LayoutTarget.open(join(temporaryDirectory(), "new"));
    const { target } = await copyImage({ from, to, targetReference: "a" });
    expect(target).toEqual(await from.manifest());
  });
});
