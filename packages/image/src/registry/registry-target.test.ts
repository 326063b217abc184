import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf, FakeRegistry } from "../../test/fake-registry.ts";
import type { ImageTarget, OpenContent } from "../transfer.ts";
import { openRegistryTarget, type RegistryTargetOptions } from "./registry-target.ts";

let registry: FakeRegistry;
beforeEach(async () => {
  registry = await FakeRegistry.start();
});
afterEach(() => registry[Symbol.asyncDispose]());

function open(options: Partial<RegistryTargetOptions> = {}): ImageTarget {
  return openRegistryTarget({
    host: registry.host,
    repository: "a/b",
    credentials: () => Promise.resolve(undefined),
    retry: { attempts: 3, baseDelayMs: 1, maximumDelayMs: 50 },
    ...options,
  });
}

/** A content in pieces of 1000 bytes, and the offsets it was opened at. */
function contentOf(bytes: Buffer): { open: OpenContent; offsets: number[] } {
  const offsets: number[] = [];
  return {
    offsets,
    async *open(offsetBytes) {
      offsets.push(offsetBytes);
      for (let start = offsetBytes; start < bytes.length; start += 1000) yield bytes.subarray(start, start + 1000);
    },
  };
}

function describeBlob(bytes: Buffer) {
  return { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: digestOf(bytes), size: bytes.length };
}

const bytes = Buffer.from(Uint32Array.from({ length: 25_000 }, (_, index) => index).buffer);

describe("a blob", () => {
  test("goes to the registry in one request; what stands in the address of the upload is kept", async () => {
    await using target = open();
    await target.putBlob(describeBlob(bytes), contentOf(bytes).open);
    expect(registry.blobs.get(digestOf(bytes))?.equals(bytes)).toBe(true);
    expect(registry.requests).toEqual([
      "POST /v2/a/b/blobs/uploads/",
      `PUT /v2/a/b/blobs/uploads/upload-0?state=a%2Bb%3D&digest=${encodeURIComponent(digestOf(bytes))}`,
    ]);
    expect(registry.seen.at(-1)?.headers["content-length"]).toBe("100000");
  });

  test("may be empty", async () => {
    await using target = open();
    const empty = Buffer.alloc(0);
    await target.putBlob(describeBlob(empty), contentOf(empty).open);
    expect(registry.blobs.has(digestOf(empty))).toBe(true);
  });

  test("is looked for by its digest", async () => {
    await using target = open();
    expect(await target.has(registry.addBlob("x"))).toBe(true);
    expect(await target.has(describeBlob(bytes))).toBe(false);
    expect(registry.requests.every((request) => request.startsWith("HEAD /v2/a/b/blobs/"))).toBe(true);
  });

  test("that registries may not distribute is not sent", async () => {
    const mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    await using target = open();
    const descriptor = { ...describeBlob(bytes), mediaType };
    expect(await target.has({ ...descriptor, urls: ["https://example.com/layer"] })).toBe(true);
    expect(registry.requests).toEqual([]);
    expect(await target.has({ ...descriptor, urls: [] })).toBe(false);
  });

  test("is taken over from another repository", async () => {
    const descriptor = registry.addBlob("x");
    registry.intercept = ({ method }, response) => {
      if (method !== "HEAD") return false;
      response.writeHead(404).end();
      return true;
    };
    await using target = open({ mountFrom: ["a/b", "c/d"] });
    expect(await target.has(descriptor)).toBe(true);
    expect(registry.requests.at(-1)).toBe(
      `POST /v2/a/b/blobs/uploads/?mount=${encodeURIComponent(descriptor.digest)}&from=c%2Fd`,
    );
    expect(registry.requests.length).toBe(2);
  });

  test("that cannot be taken over uses the upload that was offered instead", async () => {
    await using target = open({ mountFrom: ["c/d"] });
    const descriptor = describeBlob(bytes);
    expect(await target.has(descriptor)).toBe(false);
    await target.putBlob(descriptor, contentOf(bytes).open);
    expect(registry.requests.filter((request) => request.startsWith("POST")).length).toBe(1);
    expect(registry.blobs.has(descriptor.digest)).toBe(true);
  });

  test.each([401, 403, 404, 405])("that is not taken over, by a status %d, is sent", async (status) => {
    registry.intercept = ({ path }, response) => {
      if (!path.includes("mount=")) return false;
      response.writeHead(status).end();
      return true;
    };
    await using target = open({ mountFrom: ["c/d"] });
    expect(await target.has(describeBlob(bytes))).toBe(false);
    await target.putBlob(describeBlob(bytes), contentOf(bytes).open);
    expect(registry.blobs.has(digestOf(bytes))).toBe(true);
  });

  test("that cannot be offered is offered as often as anything, not that many times over", async () => {
    registry.intercept = ({ method }, response) => {
      if (method === "POST") response.destroy();
      return method === "POST";
    };
    await using target = open();
    await expect(target.putBlob(describeBlob(bytes), contentOf(bytes).open)).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      hint: "try again later",
    });
    expect(registry.requests.filter((request) => request.startsWith("POST")).length).toBe(3);
  });

  test("begins anew after the connection broke", async () => {
    registry.breakUploadAfterBytes = 30_000;
    const content = contentOf(bytes);
    await using target = open();
    await target.putBlob(describeBlob(bytes), content.open);
    expect(content.offsets).toEqual([0, 0]);
    expect(registry.blobs.get(digestOf(bytes))?.equals(bytes)).toBe(true);
  });

  test("whose arrival was not confirmed is not sent again", async () => {
    registry.intercept = ({ method }, response) => {
      if (method !== "PUT") return false;
      registry.addBlob(bytes);
      response.destroy();
      return true;
    };
    const content = contentOf(bytes);
    await using target = open();
    await target.putBlob(describeBlob(bytes), content.open);
    expect(content.offsets).toEqual([0]);
    expect(registry.requests.map((request) => request.split(" ")[0])).toEqual(["POST", "PUT", "HEAD"]);
  });

  test.each([
    ["longer", Buffer.concat([bytes, bytes])],
    ["shorter", bytes.subarray(1)],
  ])("that is %s than its descriptor says is not stored", async (_name, content) => {
    await using target = open();
    await expect(target.putBlob(describeBlob(bytes), contentOf(content).open)).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining("the content is not of 100000 bytes"),
    });
    expect(registry.blobs.size).toBe(0);
  });

  test("of another digest is refused by the registry, whose words are passed on", async () => {
    await using target = open();
    const descriptor = { ...describeBlob(bytes), digest: digestOf(Buffer.from("other")) };
    await expect(target.putBlob(descriptor, contentOf(bytes).open)).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining('400 ("DIGEST_INVALID: no match")'),
    });
  });

  test("an error of the content is the error", async () => {
    await using target = open();
    // biome-ignore lint/correctness/useYield: it fails before
    const failing: OpenContent = async function* () {
      throw new Error("the disk is gone");
    };
    await expect(target.putBlob(describeBlob(bytes), failing)).rejects.toThrow("the disk is gone");
  });

  test.each([403, 413])("is refused with %d before it was sent", async (status) => {
    registry.intercept = ({ method }, response) => {
      if (method !== "PUT") return false;
      response.writeHead(status, { connection: "close" }).end();
      return true;
    };
    await using target = open();
    await expect(target.putBlob(describeBlob(bytes), contentOf(bytes).open)).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      details: { status, host: registry.host },
    });
  });

  test("needs a place to go to", async () => {
    registry.intercept = ({ method }, response) => {
      if (method !== "POST") return false;
      response.writeHead(202).end();
      return true;
    };
    await using target = open();
    await expect(target.putBlob(describeBlob(bytes), contentOf(bytes).open)).rejects.toMatchObject({
      message: expect.stringContaining("names no place to upload to"),
    });
  });

  test("goes to another host without credentials", async () => {
    await using other = await FakeRegistry.start();
    const basic = `Basic ${Buffer.from("jane:secret").toString("base64")}`;
    registry.intercept = ({ method, headers }, response) => {
      if (headers.authorization !== basic) response.writeHead(401, { "www-authenticate": "Basic" }).end();
      else if (method === "POST") response.writeHead(202, { location: `http://${other.host}/put?sig=1` }).end();
      else return false;
      return true;
    };
    other.intercept = ({ method }, response) => {
      response.writeHead(method === "PUT" ? 201 : 500).end();
      return true;
    };
    await using target = open({
      credentials: () => Promise.resolve({ kind: "password", username: "jane", password: "secret" }),
    });
    await target.putBlob(describeBlob(bytes), contentOf(bytes).open);
    expect(registry.seen.at(-1)?.headers.authorization).toBe(basic);
    expect(other.requests).toEqual([`PUT /put?sig=1&digest=${encodeURIComponent(digestOf(bytes))}`]);
    expect(other.seen[0]?.headers.authorization).toBeUndefined();
  });
});

describe("a blob in chunks", () => {
  const patches = () =>
    registry.seen.filter(({ method }) => method === "PATCH").map(({ headers }) => headers["content-range"]);

  test("of the size that was asked for", async () => {
    const content = contentOf(bytes);
    await using target = open({ uploadChunkBytes: 40_001 });
    await target.putBlob(describeBlob(bytes), content.open);
    expect(patches()).toEqual(["0-40000", "40001-80001", "80002-99999"]);
    expect(content.offsets).toEqual([0]);
    expect(registry.blobs.get(digestOf(bytes))?.equals(bytes)).toBe(true);
  });

  test.each([0, -1, 0.5, Number.NaN])("of %d bytes there are none", (uploadChunkBytes) => {
    expect(() => open({ uploadChunkBytes })).toThrow(expect.objectContaining({ code: "ERR_RUNLET_USAGE" }));
  });

  test("that are at least as long as the registry wants them", async () => {
    registry.intercept = ({ method }, response) => {
      if (method === "POST") response.setHeader("OCI-Chunk-Min-Length", "60000");
      return false;
    };
    await using target = open({ uploadChunkBytes: 10 });
    await target.putBlob(describeBlob(bytes), contentOf(bytes).open);
    expect(patches()).toEqual(["0-59999", "60000-99999"]);
  });

  test("goes on where the connection broke", async () => {
    registry.breakUploadAfterBytes = 12_345;
    const content = contentOf(bytes);
    await using target = open({ uploadChunkBytes: 50_000 });
    await target.putBlob(describeBlob(bytes), content.open);
    expect(patches()).toEqual(["0-49999", "12345-49999", "50000-99999"]);
    expect(content.offsets).toEqual([0, 12_345]);
    expect(registry.blobs.get(digestOf(bytes))?.equals(bytes)).toBe(true);
  });

  test("ends in an error when the registry has forgotten the upload", async () => {
    registry.intercept = ({ method }, response) => {
      if (method !== "PATCH" && method !== "GET") return false;
      if (method === "PATCH") response.destroy();
      else response.writeHead(404).end();
      return true;
    };
    await using target = open({ uploadChunkBytes: 50_000 });
    await expect(target.putBlob(describeBlob(bytes), contentOf(bytes).open)).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining("cannot go on at byte 0: the registry knows nothing of it"),
    });
  });
});

describe("a manifest", () => {
  const content = Buffer.from('{"schemaVersion":2}');
  const manifest = {
    descriptor: {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest: digestOf(content),
      size: content.length,
    },
    bytes: content,
  };

  test("is put under its tag, or its digest, with its type", async () => {
    await using target = open();
    await target.putManifest(manifest, "1.0");
    await target.putManifest(manifest);
    expect(registry.requests).toEqual([
      "PUT /v2/a/b/manifests/1.0",
      `PUT /v2/a/b/manifests/${manifest.descriptor.digest}`,
    ]);
    expect(registry.manifests.get("a/b 1.0")).toEqual({ type: manifest.descriptor.mediaType, bytes: content });
    expect(await target.has(manifest.descriptor)).toBe(true);
  });

  test("is not what the registry says it has stored", async () => {
    registry.intercept = (_request, response) => {
      response.writeHead(201, { "docker-content-digest": digestOf(Buffer.from("else")) }).end();
      return true;
    };
    await using target = open();
    await expect(target.putManifest(manifest, "1.0")).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining("the registry has stored it as"),
    });
  });

  test("is refused", async () => {
    registry.intercept = ({ path }, response) => {
      if (path === "/v2/") return false;
      response.writeHead(400).end('{"errors":[{"code":"MANIFEST_INVALID"}]}');
      return true;
    };
    await using target = open();
    await expect(target.putManifest(manifest, "1.0")).rejects.toMatchObject({
      message: expect.stringContaining('answers 400 ("MANIFEST_INVALID")'),
    });
  });
});
