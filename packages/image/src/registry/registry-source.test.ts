import dns from "node:dns";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer } from "node:net";
import type { Descriptor } from "@runlet/spec";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { digestOf, FakeRegistry } from "../../test/fake-registry.ts";
import type { ImageSource } from "../transfer.ts";
import type { RegistryOptions } from "./options.ts";
import { openRegistrySource } from "./registry-source.ts";

const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(Buffer.from("{}")), size: 2 };
const manifest = { schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config, layers: [] };
const anonymous = () => Promise.resolve(undefined);
const hurried = { attempts: 3, baseDelayMs: 1, maximumDelayMs: 50 };

let registry: FakeRegistry;
beforeEach(async () => {
  registry = await FakeRegistry.start();
});
afterEach(() => registry[Symbol.asyncDispose]());

function open(options: Partial<RegistryOptions> = {}): ImageSource {
  return openRegistrySource({
    host: registry.host,
    repository: "a/b",
    credentials: anonymous,
    retry: hurried,
    ...options,
  });
}

async function read(source: ImageSource, descriptor: Descriptor, offsetBytes = 0): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.blob(descriptor, { offsetBytes })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Answers the first request for a blob in the registry's stead. */
function answerFirstBlob(answer: (response: ServerResponse) => void): void {
  let isFirst = true;
  registry.intercept = ({ path }, response) => {
    if (!path.includes("/blobs/") || !isFirst) return false;
    isFirst = false;
    answer(response);
    return true;
  };
}

/** Bytes that differ from place to place. */
function noise(lengthBytes: number): Buffer {
  const words = Uint32Array.from({ length: Math.ceil(lengthBytes / 4) }, (_, index) => Math.imul(index, 2654435761));
  return Buffer.from(words.buffer, 0, lengthBytes);
}

describe("manifests", () => {
  test.each([
    ["an OCI manifest", "application/vnd.oci.image.manifest.v1+json", { schemaVersion: 2, config, layers: [] }],
    ["an OCI index", "application/vnd.oci.image.index.v1+json", { schemaVersion: 2, manifests: [] }],
    [
      "a schema 2 manifest",
      "application/vnd.docker.distribution.manifest.v2+json",
      { schemaVersion: 2, config, layers: [] },
    ],
    [
      "a manifest list",
      "application/vnd.docker.distribution.manifest.list.v2+json",
      { schemaVersion: 2, manifests: [] },
    ],
  ])("%s is read by its tag and by its digest", async (_name, type, document) => {
    const descriptor = registry.addManifest("a/b 1.0", document, type);
    await using source = open();
    expect((await source.manifest("1.0")).descriptor).toEqual(descriptor);
    const byDigest = await source.manifest(descriptor.digest);
    expect(byDigest.descriptor).toEqual(descriptor);
    expect(JSON.parse(Buffer.from(byDigest.bytes).toString())).toEqual(document);
  });

  test("without a reference the tag is latest, and all four types are asked for", async () => {
    registry.addManifest("a/b latest", manifest);
    await using source = open();
    await source.manifest();
    expect(registry.requests).toEqual(["GET /v2/a/b/manifests/latest"]);
    expect(registry.seen.at(-1)?.headers.accept?.split(", ").sort()).toEqual([
      "application/vnd.docker.distribution.manifest.list.v2+json",
      "application/vnd.docker.distribution.manifest.v2+json",
      "application/vnd.oci.image.index.v1+json",
      "application/vnd.oci.image.manifest.v1+json",
    ]);
  });

  test("the type is in the document where the registry does not name one", async () => {
    registry.addManifest("a/b x", manifest, "application/json");
    registry.addManifest("a/b y", { schemaVersion: 2, manifests: [] }, "text/plain");
    await using source = open();
    expect((await source.manifest("x")).descriptor.mediaType).toBe("application/vnd.oci.image.manifest.v1+json");
    expect((await source.manifest("y")).descriptor.mediaType).toBe("application/vnd.oci.image.index.v1+json");
  });

  test.each([
    ["schema 1", { schemaVersion: 1, fsLayers: [] }, "Docker's first image format"],
    ["a type that is not known", { schemaVersion: 2, mediaType: "application/x", layers: [] }, "announced as"],
    ["what is index and image at once, CVE-2021-41190", { ...manifest, manifests: [] }, "lists manifests"],
    ["no JSON", "<html>", "it is no JSON"],
  ])("%s is refused", async (_name, document, message) => {
    registry.addManifest("a/b latest", document);
    await using source = open();
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining(message),
    });
  });

  test("one that is not there", async () => {
    await using source = open();
    await expect(source.manifest("nope")).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringMatching(
        /cannot read the manifest of "nope" in ".*\/a\/b": .* 404, not found \("MANIFEST_UNKNOWN: unknown"\)/,
      ),
    });
  });

  test("of another digest than the one asked for", async () => {
    const digest = digestOf(Buffer.from("other"));
    registry.manifests.set(`a/b ${digest}`, { type: manifest.mediaType, bytes: Buffer.from(JSON.stringify(manifest)) });
    await using source = open();
    await expect(source.manifest(digest)).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining(`not "${digest}"`),
    });
  });

  test("of a digest of an unknown algorithm", async () => {
    registry.intercept = ({ path }, response) => {
      if (path === "/v2/") return false;
      response.writeHead(200, { "docker-content-digest": "md5:00" }).end(JSON.stringify(manifest));
      return true;
    };
    await using source = open();
    await expect(source.manifest()).rejects.toMatchObject({
      message: expect.stringContaining("no digest of a supported algorithm"),
    });
  });

  test.each([true, false])("longer than four mebibytes, announced: %s", async (isAnnounced) => {
    const lengthBytes = 4 * 1024 * 1024 + 1;
    registry.intercept = ({ path }, response) => {
      if (path === "/v2/") return false;
      response.writeHead(200, isAnnounced ? { "content-length": lengthBytes } : {}).end(Buffer.alloc(lengthBytes, 32));
      return true;
    };
    await using source = open();
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining("longer than 4194304 bytes"),
    });
  });

  test.each(["../x", "a/b", "", "-x", "sha256:a/b"])("%j is no reference, and nothing is asked", async (reference) => {
    await using source = open();
    await expect(source.manifest(reference)).rejects.toMatchObject({ code: "ERR_RUNLET_USAGE" });
    expect(registry.seen).toEqual([]);
  });
});

describe("blobs", () => {
  test("are read whole, and from an offset on", async () => {
    const bytes = noise(3_000_000);
    const descriptor = registry.addBlob(bytes);
    await using source = open();
    expect((await read(source, descriptor)).equals(bytes)).toBe(true);
    expect((await read(source, descriptor, 2_999_990)).equals(bytes.subarray(2_999_990))).toBe(true);
    expect(registry.seen.at(-1)?.headers.range).toBe("bytes=2999990-");
    expect((await read(source, descriptor, 3_000_000)).length).toBe(0);
  });

  test("may be empty", async () => {
    await using source = open();
    expect((await read(source, registry.addBlob(""))).length).toBe(0);
  });

  test("go on where the connection broke, with If-Range", async () => {
    const bytes = noise(100_000);
    const descriptor = registry.addBlob(bytes);
    let breaks = 2;
    registry.intercept = ({ path, headers }, response) => {
      if (!path.includes("/blobs/") || breaks-- <= 0) return false;
      const start = Number(/\d+/.exec(headers.range ?? "0")?.[0]);
      const range = { "content-range": `bytes ${start}-99999/100000` };
      response.writeHead(start > 0 ? 206 : 200, {
        etag: '"e"',
        "content-length": 100_000 - start,
        ...(start > 0 ? range : {}),
      });
      response.write(bytes.subarray(start, start + 30_000), () => response.destroy());
      return true;
    };
    await using source = open();
    expect((await read(source, descriptor)).equals(bytes)).toBe(true);
    const ranges = registry.seen.filter(({ path }) => path.includes("/blobs/")).map(({ headers }) => headers);
    expect(ranges.map(({ range }) => range)).toEqual([undefined, "bytes=30000-", "bytes=60000-"]);
    expect(ranges.map((headers) => headers["if-range"])).toEqual([undefined, '"e"', '"e"']);
  });

  test("go on at a server that does not know ranges", async () => {
    const bytes = noise(50_000);
    const descriptor = registry.addBlob(bytes);
    let isBroken = false;
    registry.intercept = ({ path }, response) => {
      if (!path.includes("/blobs/")) return false;
      response.writeHead(200, { "content-length": bytes.length });
      if (isBroken) response.end(bytes);
      else response.write(bytes.subarray(0, 20_000), () => response.destroy());
      isBroken = true;
      return true;
    };
    await using source = open();
    expect((await read(source, descriptor)).equals(bytes)).toBe(true);
  });

  test("that always break off end in an error, after so many tries", async () => {
    const descriptor = registry.addBlob(noise(1000));
    registry.intercept = ({ path, headers }, response) => {
      if (!path.includes("/blobs/")) return false;
      const isRest = headers.range !== undefined;
      const range = { "content-range": `bytes ${/\d+/.exec(headers.range ?? "")?.[0]}-999/1000` };
      response.writeHead(isRest ? 206 : 200, isRest ? range : {});
      response.write("x", () => response.destroy());
      return true;
    };
    await using source = open();
    await expect(read(source, descriptor)).rejects.toMatchObject({ code: "ERR_RUNLET_REGISTRY" });
    expect(registry.requests.length).toBe(3);
  });

  test("that break off, and cannot be asked for any more, are tried again as often as anything, not that many times over", async () => {
    const descriptor = registry.addBlob(noise(1000));
    registry.intercept = ({ path, headers }, response) => {
      if (!path.includes("/blobs/")) return false;
      if (headers.range === undefined) response.writeHead(200, { "content-length": 1000 });
      if (headers.range === undefined) response.write("x", () => response.destroy());
      else response.destroy();
      return true;
    };
    await using source = open();
    await expect(read(source, descriptor)).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringMatching(/: the connection broke off$/),
      hint: "try again: what was received is kept",
    });
    expect(registry.requests.length).toBe(1 + hurried.attempts);
  });

  test("that end before their length without a broken connection are tried again", async () => {
    const bytes = noise(1000);
    const descriptor = registry.addBlob(bytes);
    answerFirstBlob((response) => response.writeHead(200).end(bytes.subarray(0, 10)));
    await using source = open();
    expect((await read(source, descriptor)).equals(bytes)).toBe(true);
    expect(registry.seen.at(-1)?.headers.range).toBe("bytes=10-");
  });

  test.each([
    ["another announced length", 200, { "content-length": "3" }, "123", 'sends "3" bytes; the manifest says 5'],
    ["more bytes than announced by the manifest", 200, {}, "1234567", "sends more bytes than the manifest says"],
    ["an encoding", 200, { "content-encoding": "gzip" }, "12345", 'encodes it as "gzip"'],
    [
      "a range that was not asked for",
      206,
      { "content-range": "bytes 1-4/5" },
      "2345",
      'sends the range "bytes 1-4/5"',
    ],
    ["no range", 206, {}, "12345", 'sends the range ""'],
    ["a range of another total", 206, { "content-range": "bytes 0-4/6" }, "12345", "asked for was 0-4/5"],
    ["403", 403, {}, "", "403, forbidden"],
    ["404", 404, {}, "", "404, not found"],
  ])("%s is refused", async (_name, status, headers, body, message) => {
    const descriptor = registry.addBlob("12345");
    registry.intercept = ({ path }, response) => {
      if (!path.includes("/blobs/")) return false;
      response.writeHead(status, headers).end(body);
      return true;
    };
    await using source = open();
    await expect(read(source, descriptor)).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining(message),
    });
  });

  test("that registries may not distribute come from where the manifest says, without credentials", async () => {
    await using other = await FakeRegistry.start();
    const { digest } = other.addBlob("foreign");
    const basic = `Basic ${Buffer.from("jane:secret").toString("base64")}`;
    registry.intercept = ({ headers }, response) => {
      if (headers.authorization === basic) return false;
      response.writeHead(401, { "www-authenticate": "Basic" }).end();
      return true;
    };
    const urls = ["ftp://x/", "http://example.invalid/", `http://${other.host}/v2/x/blobs/${digest}`];
    const mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    await using source = open({
      credentials: () => Promise.resolve({ kind: "password", username: "jane", password: "secret" }),
    });
    expect((await read(source, { mediaType, digest, size: 7, urls })).toString()).toBe("foreign");
    expect(other.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    // Of any other layer the addresses do not count.
    const plain = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest, size: 7, urls };
    await expect(read(source, plain)).rejects.toMatchObject({ message: expect.stringContaining("404") });
    expect(other.seen.length).toBe(1);
  });

  test("whose reader stops early leave no connection busy", async () => {
    const descriptor = registry.addBlob(noise(20_000_000));
    await using source = open();
    for await (const chunk of source.blob(descriptor)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect((await read(source, registry.addBlob("small"))).toString()).toBe("small");
  });
});

describe("a registry that is overloaded", () => {
  test.each([408, 429, 500, 502, 503, 504])("status %d is tried again", async (status) => {
    registry.addManifest("a/b latest", manifest);
    let refusals = 2;
    registry.intercept = ({ path }, response) => {
      if (path === "/v2/" || refusals-- <= 0) return false;
      response.writeHead(status).end();
      return true;
    };
    await using source = open();
    await source.manifest();
    expect(registry.requests.length).toBe(3);
  });

  test("is given up in the end, with its own words", async () => {
    registry.intercept = ({ path }, response) => {
      if (path === "/v2/") return false;
      response.writeHead(500).end(JSON.stringify({ errors: [{ code: "UNKNOWN", message: "out of \u001b[31mdisk" }] }));
      return true;
    };
    await using source = open();
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringMatching(/500, an error of the registry \("UNKNOWN: out of \\u001b\[31mdisk"\)$/),
      details: { status: 500, host: registry.host },
    });
    expect(registry.requests.length).toBe(3);
  });

  test("says how long to wait, and is obeyed", async () => {
    registry.addManifest("a/b latest", manifest);
    let refusedAtMs = 0;
    registry.intercept = ({ path }, response) => {
      if (path === "/v2/" || refusedAtMs > 0) return false;
      refusedAtMs = Date.now();
      response.writeHead(429, { "retry-after": "1" }).end();
      return true;
    };
    await using source = open({ retry: { ...hurried, maximumDelayMs: 5000 } });
    await source.manifest();
    expect(Date.now() - refusedAtMs).toBeGreaterThan(950);
  });

  test.each([
    ["seconds", "3600", /^try again in 3600 s, or log in$/],
    ["a date", new Date(Date.now() + 3_600_000).toUTCString(), /^try again in \d+ s, or log in$/],
    ["more than a number holds", "9".repeat(400), /^try again later, or log in$/],
  ])("that asks for more patience than there is gets an answer at once: %s", async (_name, patience, hint) => {
    registry.intercept = ({ path }, response) => {
      if (path === "/v2/") return false;
      response.writeHead(429, { "retry-after": patience }).end();
      return true;
    };
    await using source = open();
    await expect(source.manifest()).rejects.toMatchObject({ hint: expect.stringMatching(hint) });
    expect(registry.requests.length).toBe(1);
  });

  test("a long text about an error is not read", async () => {
    registry.intercept = ({ path }, response) => {
      if (path === "/v2/") return false;
      response.writeHead(403).end(`{"errors":[{"code":"DENIED","message":"${"x".repeat(100_000)}"}]}`);
      return true;
    };
    await using source = open();
    await expect(source.manifest()).rejects.toMatchObject({ message: expect.stringMatching(/403, forbidden$/) });
  });
});

describe("a registry that keeps silent", () => {
  const stallTimeoutMs = 60_000;
  /** Whether an answer is being waited for that does not come. */
  let isSilent = false;
  let clock: NodeJS.Timeout;
  // Time passes by this clock alone: slowly as long as there are answers, so that a busy machine makes none late.
  beforeEach(() => {
    isSilent = false;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    clock = setInterval(() => {
      vi.advanceTimersByTime(isSilent ? stallTimeoutMs : 5);
      isSilent = false;
    }, 1);
  });
  afterEach(() => {
    clearInterval(clock);
    vi.useRealTimers();
  });

  /** Answers nothing but the question whether it is there. */
  const keepSilent: FakeRegistry["intercept"] = ({ path }) => {
    isSilent = path !== "/v2/";
    return isSilent;
  };

  test("before its answer", async () => {
    registry.intercept = keepSilent;
    await using source = open({ stallTimeoutMs });
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_TIMEOUT",
      message: expect.stringContaining("no answer for 60 s"),
      hint: "try again later, or allow more time with --timeout",
    });
    expect(registry.requests.length).toBe(hurried.attempts);
  });

  test.each([Number.POSITIVE_INFINITY, 3_600_000_000])("is waited for as long as that takes: %d ms", async (forMs) => {
    registry.addManifest("a/b latest", manifest);
    registry.intercept = ({ path }) => {
      if (path !== "/v2/") vi.advanceTimersByTime(24 * 3_600_000);
      return false;
    };
    await using source = open({ stallTimeoutMs: forMs });
    await source.manifest();
    expect(registry.requests.length).toBe(1);
  });

  test("in the middle of a blob, which then goes on", async () => {
    const bytes = noise(1000);
    const descriptor = registry.addBlob(bytes);
    answerFirstBlob((response) => response.writeHead(200, { "content-length": 1000 }).write(bytes.subarray(0, 400)));
    await using source = open({ stallTimeoutMs });
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.blob(descriptor)) {
      isSilent = chunks.push(chunk) === 1;
    }
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    expect(registry.seen.at(-1)?.headers.range).toBe("bytes=400-");
  });

  test("ends by the signal", async () => {
    const abort = new AbortController();
    registry.intercept = ({ path }) => {
      if (path !== "/v2/") abort.abort();
      return path !== "/v2/";
    };
    await using source = open();
    await expect(source.manifest("latest", { signal: abort.signal })).rejects.toMatchObject({
      code: "ERR_RUNLET_ABORTED",
    });
    expect(registry.requests.length).toBe(1);
  });

  test("is not what a reader is that takes its time", async () => {
    const bytes = noise(2_000_000);
    const descriptor = registry.addBlob(bytes);
    await using source = open({ stallTimeoutMs });
    let doneBytes = 0;
    for await (const chunk of source.blob(descriptor)) {
      vi.advanceTimersByTime(2 * stallTimeoutMs);
      doneBytes += chunk.length;
    }
    expect(doneBytes).toBe(bytes.length);
    expect(registry.requests.length).toBe(1);
  });
});

describe("a registry that is not there", () => {
  test("has nobody at its port", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, "close");
    await using source = open({ host: `127.0.0.1:${port}` });
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining("ECONNREFUSED"),
      hint: "check the port of the registry and that it runs",
    });
  });

  test("has a name that nobody knows", async () => {
    // Some name servers know an answer to everything.
    const lookUp = vi.spyOn(dns, "lookup").mockImplementation(((...args: unknown[]) => {
      const callback = args.at(-1) as (error: Error) => void;
      callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${args[0]}`), { code: "ENOTFOUND" }));
    }) as typeof dns.lookup);
    onTestFinished(() => lookUp.mockRestore());
    await using source = open({
      host: "registry.invalid",
      retry: { attempts: 1 },
      findProxy: () => Promise.resolve(undefined),
    });
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      hint: "check the name of the registry and this machine's name server",
    });
    expect(lookUp).toHaveBeenCalledOnce();
  });

  test.each(["a b", "user@host", "host/path", "host:port", "", "host:999999"])("%j is no host", (host) => {
    expect(() => open({ host })).toThrow(expect.objectContaining({ code: "ERR_RUNLET_USAGE" }));
  });

  test.each(["A", "../x", "a//b", "a/", "", "a b"])("%j is no repository", (repository) => {
    expect(() => open({ repository })).toThrow(expect.objectContaining({ code: "ERR_RUNLET_USAGE" }));
  });
});
