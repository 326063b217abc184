import { isRunletError } from "@runlet/errors";
import { type ImageManifest, mediaTypes } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { sha256 } from "../test/layout-builder.ts";
import { checkIsImage, maxManifestBytes, parseConfiguration, parseManifest } from "./manifest.ts";
import { dockerMediaTypes } from "./media-types.ts";

const descriptor = { mediaType: mediaTypes.imageLayerGzip, digest: sha256("x"), size: 1 };
const config = { ...descriptor, mediaType: mediaTypes.imageConfig };
const image = { schemaVersion: 2, mediaType: mediaTypes.imageManifest, config, layers: [descriptor] };
const index = { schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests: [descriptor] };

function parse(document: unknown, mediaType: string = mediaTypes.imageManifest) {
  const bytes = Buffer.from(typeof document === "string" ? document : JSON.stringify(document));
  return parseManifest({ bytes, descriptor: { mediaType, digest: sha256(bytes), size: bytes.length } });
}

function nest(depth: number): unknown {
  let value: unknown = 0;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isRunletError(error) && error.code === "ERR_RUNLET_IMAGE") return error.message;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("manifests", () => {
  test("of both formats, with and without their type", () => {
    expect(parse(image).kind).toBe("manifest");
    expect(parse({ ...image, mediaType: undefined }).kind).toBe("manifest");
    expect(parse({ ...image, mediaType: dockerMediaTypes.manifest }, dockerMediaTypes.manifest).kind).toBe("manifest");
    expect(parse(index, mediaTypes.imageIndex).kind).toBe("index");
    expect(parse({ ...index, mediaType: undefined }, "application/octet-stream").kind).toBe("index");
    const list = { ...index, mediaType: dockerMediaTypes.manifestList };
    expect(parse(list, dockerMediaTypes.manifestList)).toMatchObject({
      kind: "index",
      index: { manifests: [descriptor] },
    });
    expect(parse({ ...image, layers: null })).toMatchObject({ manifest: { layers: [] } });
  });

  test("that do not say their type, and were announced as of an unknown one, are refused", () => {
    const message = 'its type "application/vnd.example.v9+json" is not supported';
    expect(messageOf(() => parse({ ...image, mediaType: undefined }, "application/vnd.example.v9+json"))).toContain(
      message,
    );
    expect(parse({ ...image, mediaType: undefined }, mediaTypes.descriptor).kind).toBe("manifest");
  });

  test.each([
    ["schema 1", { schemaVersion: 1, fsLayers: [] }, "Docker's first image format"],
    [
      "schema 1, signed",
      { ...image, mediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws" },
      "first image",
    ],
    ["no version", { ...image, schemaVersion: undefined }, "its schemaVersion is missing"],
    ["a version to come", { ...image, schemaVersion: 3 }, 'its schemaVersion is "3", not 2'],
    ["another type than announced", index, "was announced as"],
    ["an unknown type", { ...image, mediaType: "application/vnd.oci.artifact.manifest.v1+json" }, "was announced as"],
    ["an image that lists manifests", { ...image, manifests: [] }, "lists manifests"],
    ["no config", { ...image, config: undefined }, "its config is no descriptor"],
    ["no layers", { ...image, layers: undefined }, "its layers are missing"],
    ["layers that are no list", { ...image, layers: {} }, "not a list"],
    [
      "a digest that is none",
      { ...image, config: { ...config, digest: "sha256:../../etc" } },
      "the digest of its config is",
    ],
    [
      "another algorithm",
      { ...image, config: { ...config, digest: "md5:d41d8cd98f00b204e9800998ecf8427e" } },
      "digest",
    ],
    ["a negative size", { ...image, layers: [{ ...descriptor, size: -1 }] }, "the size of its layers/0 is"],
    ["a size beyond", { ...image, layers: [{ ...descriptor, size: 2 ** 60 }] }, "the size of its layers/0 is"],
    ["a size in words", { ...image, layers: [{ ...descriptor, size: "1" }] }, "the size of its layers/0 is"],
    ["urls that are none", { ...image, layers: [{ ...descriptor, urls: [1] }] }, "the urls of its layers/0 are"],
    ["no type", { ...image, layers: [{ ...descriptor, mediaType: 1 }] }, "the mediaType of its layers/0 is"],
    ["a list", [], "it is no JSON object"],
    ["text", "not JSON", "it is no JSON"],
    ["bytes that are no UTF-8", '{"a":"\ud800"}', "schemaVersion"],
    ["brackets without end", `{"schemaVersion":2,"config":${"[".repeat(1_000_000)}`, "nested too deep"],
    [
      "a type that nests",
      { ...image, mediaType: undefined, config: { ...config, mediaType: nest(100) } },
      "nested too deep",
    ],
    ["too much", `{"a":"${"x".repeat(maxManifestBytes)}"}`, "more than 4194304"],
  ])("%s", (_name, document, message) => {
    expect(messageOf(() => parse(document))).toContain(message);
  });

  test.each([
    ["with layers of its own", { ...index, layers: [descriptor] }, "has layers of its own"],
    ["with a config", { ...index, config }, "has layers of its own"],
    ["without manifests", { ...index, manifests: undefined }, "its manifests are missing"],
    [
      "with a platform that is none",
      { ...index, manifests: [{ ...descriptor, platform: { os: 1 } }] },
      "the platform of its",
    ],
    [
      "with a variant that is none",
      { ...index, manifests: [{ ...descriptor, platform: { os: "linux", architecture: "arm", variant: 7 } }] },
      "the platform of its manifests/0",
    ],
  ])("an index %s (GHSA-77vh-xpmg-72qh)", (_name, document, message) => {
    expect(messageOf(() => parse(document, mediaTypes.imageIndex))).toContain(message);
  });
});

describe("what is no image that can be run", () => {
  const check = (manifest: Partial<ImageManifest>) =>
    messageOf(() => checkIsImage("sha256:x", { ...(image as ImageManifest), ...manifest }));

  test("artifacts", () => {
    const helm = { ...config, mediaType: "application/vnd.cncf.helm.config.v1+json" };
    expect(check({ config: helm })).toContain('an artifact of type "application/vnd.cncf.helm.config.v1+json"');
    const empty = { ...config, mediaType: mediaTypes.emptyJSON };
    expect(check({ config: empty, artifactType: "application/x" })).toContain('an artifact of type "application/x"');
  });

  test("layers of unknown types, encrypted ones, those that nobody may give away", () => {
    expect(check({ layers: [{ ...descriptor, mediaType: "application/vnd.in-toto+json" }] })).toContain("unknown type");
    expect(check({ layers: [{ ...descriptor, mediaType: `${mediaTypes.imageLayerGzip}+encrypted` }] })).toContain(
      "unknown type",
    );
    const foreign = { ...descriptor, mediaType: dockerMediaTypes.foreignLayerGzip };
    expect(check({ layers: [foreign] })).toContain("may not be distributed");
    checkIsImage("sha256:x", { ...(image as ImageManifest), layers: [{ ...foreign, urls: ["https://example.com"] }] });
  });

  test("more layers than overlayfs takes", () => {
    expect(check({ layers: Array(501).fill(descriptor) })).toContain("it has 501 layers, more than 500");
  });
});

describe("configurations", () => {
  const whole = { os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [sha256("x")] } };
  const read = (document: unknown) =>
    parseConfiguration({
      bytes: Buffer.from(JSON.stringify(document)),
      digest: "sha256:c",
      manifest: image as ImageManifest,
    });

  test("nulls, as Go writes them, are absent", () => {
    const document = { ...whole, config: { Cmd: null, Entrypoint: ["a"], Volumes: null }, author: null };
    expect(read(document)).toEqual({ ...whole, config: { Entrypoint: ["a"] } });
  });

  test.each([
    ["no os", { ...whole, os: undefined }, "its os is missing"],
    ["no architecture", { ...whole, architecture: 7 }, "its architecture is"],
    ["no rootfs", { ...whole, rootfs: undefined }, "it has no rootfs"],
    ["diff ids that are none", { ...whole, rootfs: { diff_ids: ["x"] } }, "its rootfs.diff_ids are no digests"],
    ["fewer layers", { ...whole, rootfs: { diff_ids: [] } }, "it has 0 layers, but the manifest 1"],
    ["author", { ...whole, author: {} }, "its author is no text"],
    ["created", { ...whole, created: 5 }, "its created is no text"],
    ["variant", { ...whole, variant: [] }, "its variant is no text"],
    ["os.version", { ...whole, "os.version": 1 }, "its os.version is no text"],
    ["os.features", { ...whole, "os.features": "win32k" }, "its os.features are no texts"],
    ["history", { ...whole, history: {} }, "its history is no list"],
    ["an entry of history", { ...whole, history: ["x"] }, "its history is no list"],
    ["config", { ...whole, config: [] }, "its config is no object"],
    ["Cmd", { ...whole, config: { Cmd: "sh" } }, "its config.Cmd is no list"],
    ["Env", { ...whole, config: { Env: [1] } }, "its config.Env is no list"],
    ["User", { ...whole, config: { User: 0 } }, "its config.User is no text"],
    ["Volumes", { ...whole, config: { Volumes: ["/a"] } }, "its config.Volumes is no object"],
    ["Labels", { ...whole, config: { Labels: { a: 1 } } }, "its config.Labels are no texts"],
  ])("%s", (_name, document, message) => {
    expect(messageOf(() => read(document))).toContain(message);
  });
});
