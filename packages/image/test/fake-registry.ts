import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Descriptor } from "@runlet/spec";

/** A request as the server has seen it. */
export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

/** Answers a request in the registry's stead; false hands it on. */
export type Intercept = (request: SeenRequest, response: ServerResponse) => boolean;

/** A registry in this process that keeps to the distribution specification, unless a test makes it misbehave. */
export class FakeRegistry implements AsyncDisposable {
  readonly blobs = new Map<string, Buffer>();
  /** By `REPOSITORY REFERENCE`. */
  readonly manifests = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  readonly tags: string[] = [];
  readonly seen: SeenRequest[] = [];
  /** Tags a page of the list of tags has at most. */
  pageTags = 1000;
  intercept: Intercept = () => false;
  /** What an upload may be broken off after, in bytes; used once. */
  breakUploadAfterBytes: number | undefined;
  readonly #uploads = new Map<string, Buffer>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    await new Promise<void>((resolve) => registry.#server.listen(0, "127.0.0.1", resolve));
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests but those that find out how the registry is to be talked to. */
  get requests(): string[] {
    return this.seen.filter(({ path }) => path !== "/v2/").map(({ method, path }) => `${method} ${path}`);
  }

  addBlob(content: Buffer | string, mediaType = "application/vnd.oci.image.layer.v1.tar"): Descriptor {
    const bytes = Buffer.from(content);
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  addManifest(
    name: string,
    document: object | string,
    type = "application/vnd.oci.image.manifest.v1+json",
  ): Descriptor {
    const bytes = Buffer.from(typeof document === "string" ? document : JSON.stringify(document));
    const [repository = "", reference = ""] = name.split(" ");
    const digest = digestOf(bytes);
    for (const key of [reference, digest]) this.manifests.set(`${repository} ${key}`, { type, bytes });
    return { mediaType: type, digest, size: bytes.length };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = { method: request.method ?? "", path: request.url ?? "", headers: request.headers };
    this.seen.push(seen);
    if (this.intercept(seen, response)) {
      request.resume();
      return;
    }
    const url = new URL(seen.path, `http://${this.host}`);
    if (url.pathname === "/v2/") return void (await answer(request, response, 200));
    const [, repository = "", kind = "", rest = ""] =
      /^\/v2\/(.+?)\/(blobs\/uploads|blobs|manifests|tags)\/(.*)$/.exec(url.pathname) ?? [];
    switch (kind) {
      case "manifests":
        return this.#serveManifest(request, response, { repository, reference: rest });
      case "blobs":
        return this.#serveBlob(request, response, rest);
      case "blobs/uploads":
        return this.#serveUpload(request, response, { url, repository, id: rest });
      case "tags":
        return this.#serveTags(request, response, url);
      default:
        await answer(request, response, 404);
    }
  }

  async #serveManifest(
    request: IncomingMessage,
    response: ServerResponse,
    { repository, reference }: { repository: string; reference: string },
  ): Promise<void> {
    if (request.method === "PUT") {
      const bytes = await readAll(request);
      const type = request.headers["content-type"] ?? "";
      for (const key of [reference, digestOf(bytes)]) this.manifests.set(`${repository} ${key}`, { type, bytes });
      response.writeHead(201, { "docker-content-digest": digestOf(bytes) }).end();
      return;
    }
    const manifest = this.manifests.get(`${repository} ${reference}`);
    if (manifest === undefined) {
      return void (await answer(request, response, 404, {
        errors: [{ code: "MANIFEST_UNKNOWN", message: "unknown" }],
      }));
    }
    const { type, bytes } = manifest;
    const headers = { "content-type": type, "docker-content-digest": digestOf(bytes), "content-length": bytes.length };
    response.writeHead(200, headers).end(request.method === "HEAD" ? undefined : bytes);
  }

  async #serveBlob(request: IncomingMessage, response: ServerResponse, digest: string): Promise<void> {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) return void (await answer(request, response, 404));
    const [, start] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
    const headers = { etag: `"${digest}"`, "content-type": "application/octet-stream" };
    if (start === undefined) {
      response.writeHead(200, { ...headers, "content-length": bytes.length });
      response.end(request.method === "HEAD" ? undefined : bytes);
      return;
    }
    const part = bytes.subarray(Number(start));
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(206, { ...headers, "content-length": part.length, "content-range": range }).end(part);
  }

  async #serveUpload(
    request: IncomingMessage,
    response: ServerResponse,
    { url, repository, id }: { url: URL; repository: string; id: string },
  ): Promise<void> {
    const place = (name: string) => `/v2/${repository}/blobs/uploads/${name}?state=a%2Bb%3D`;
    if (request.method === "POST") {
      const mount = url.searchParams.get("mount");
      if (mount !== null && this.blobs.has(mount)) return void response.writeHead(201).end();
      const name = `upload-${this.#uploads.size}`;
      this.#uploads.set(name, Buffer.alloc(0));
      return void response.writeHead(202, { location: place(name), range: "0-0" }).end();
    }
    const before = this.#uploads.get(id);
    if (before === undefined) return void (await answer(request, response, 404));
    const range = (bytes: Buffer) => `0-${Math.max(0, bytes.length - 1)}`;
    if (request.method === "GET") {
      return void response.writeHead(204, { location: place(id), range: range(before) }).end();
    }
    const [, start] = /^(\d+)-/.exec(request.headers["content-range"] ?? "") ?? [];
    if (start !== undefined && Number(start) !== before.length) return void (await answer(request, response, 416));
    const bytes = Buffer.concat([before, await this.#readUpload(request, id)]);
    if (request.method === "PATCH") {
      this.#uploads.set(id, bytes);
      return void response.writeHead(202, { location: place(id), range: range(bytes) }).end();
    }
    const digest = url.searchParams.get("digest") ?? "";
    this.#uploads.delete(id);
    if (digestOf(bytes) !== digest || url.searchParams.get("state") !== "a+b=") {
      return void (await answer(request, response, 400, { errors: [{ code: "DIGEST_INVALID", message: "no match" }] }));
    }
    this.blobs.set(digest, bytes);
    response.writeHead(201, { location: `/v2/${repository}/blobs/${digest}` }).end();
  }

  async #readUpload(request: IncomingMessage, id: string): Promise<Buffer> {
    const limitBytes = this.breakUploadAfterBytes;
    if (limitBytes === undefined) return readAll(request);
    this.breakUploadAfterBytes = undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
      const bytes = Buffer.concat(chunks);
      if (bytes.length < limitBytes) continue;
      this.#uploads.set(id, Buffer.concat([this.#uploads.get(id) ?? Buffer.alloc(0), bytes.subarray(0, limitBytes)]));
      request.socket.destroy();
      break;
    }
    throw new Error("broken off by the test");
  }

  async #serveTags(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const start = this.tags.indexOf(url.searchParams.get("last") ?? "") + 1;
    const page = this.tags.slice(start, start + this.pageTags);
    if (start + page.length < this.tags.length) {
      response.setHeader("link", `<${url.pathname}?n=${this.pageTags}&last=${page.at(-1)}>; rel="next"`);
    }
    await answer(request, response, 200, { name: "x", tags: page });
  }
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body?: object,
): Promise<void> {
  await readAll(request);
  const text = JSON.stringify(body ?? {});
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(request.method === "HEAD" ? undefined : text);
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
