import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import type { AgentOptions } from "node:https";
import { aborted, ConnectionFailure, throwIfAborted } from "./connection-failure.ts";
import { type ProxyFinder, proxyAuthorization } from "./proxy.ts";
import { openTunnelAgent } from "./tunnel-agent.ts";

/** A body that is sent: bytes, or a stream of a known length. */
export type RequestBody = Uint8Array | { readonly content: AsyncIterable<Uint8Array>; readonly lengthBytes: number };

/** One request, to one server: redirects and credentials are the caller's affair. */
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body has not been read. It must be read to its end or {@link HttpResponse.discard | discarded}. */
export interface HttpResponse {
  readonly status: number;
  readonly url: URL;
  /** A header by its name in lower case; several of one name are joined by commas. */
  header(name: string): string | undefined;
  /** The body, once; fails with a {@link ConnectionFailure} when it breaks off or stalls. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives the body up, and the connection with it. */
  discard(): void;
}

/** How connections are made. */
export interface HttpClientOptions {
  /** How long a server may keep silent, in either direction, before the connection counts as dead. */
  readonly stallTimeoutMs: number;
  /** Certificates in PEM that are trusted beside the usual ones. */
  readonly certificateAuthorities: readonly string[];
  /** Takes any certificate. */
  readonly acceptsAnyCertificate: boolean;
  readonly findProxy: ProxyFinder;
}

interface Modules {
  readonly http: typeof import("node:http");
  readonly https: typeof import("node:https");
  readonly plainAgent: Agent;
  readonly tlsAgent: Agent;
  readonly tls: AgentOptions;
}

/**
 * HTTP 1.1 over connections that are kept for the next request. It is built on `node:http` and `node:https`, not on
 * `fetch`: only they take certificates of one's own on Node, and leave redirects, timeouts and encodings alone.
 */
export class HttpClient implements Disposable {
  readonly #options: HttpClientOptions;
  #modules: Promise<Modules> | undefined;
  /** Agents by the address of their proxy. */
  readonly #tunnels = new Map<string, Promise<Agent>>();

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /**
   * Sends a request and waits for the head of the answer, whatever its status.
   *
   * @throws {@link ConnectionFailure} when there is no connection or no answer; RunletError `ERR_RUNLET_ABORTED` by the
   *   signal; what the content of the body throws, as it is.
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    this.#modules ??= this.#load();
    const modules = await this.#modules;
    const { signal, url, method, body } = request;
    const proxy = await this.#options.findProxy(url);
    throwIfAborted(signal);
    const headers = { "accept-encoding": "identity", ...request.headers, ...lengthHeader(body) };
    const { http, https, plainAgent, tlsAgent } = modules;
    let outgoing: ClientRequest;
    if (url.protocol === "https:") {
      const agent = proxy === undefined ? tlsAgent : await this.#tunnel(proxy, modules);
      outgoing = https.request(withoutCredentials(url), { method, agent, headers });
    } else if (proxy === undefined) {
      outgoing = http.request(withoutCredentials(url), { method, agent: plainAgent, headers });
    } else {
      // Without TLS a proxy is asked for the whole address. (RFC 9112 section 3.2.2)
      outgoing = (proxy.protocol === "https:" ? https : http).request(withoutCredentials(proxy), {
        method,
        agent: proxy.protocol === "https:" ? tlsAgent : plainAgent,
        path: withoutCredentials(url).href,
        headers: { ...headers, host: url.host, ...proxyAuthorization(proxy) },
      });
    }
    return new Exchange(request, this.#options.stallTimeoutMs).run(outgoing);
  }

  /** Closes the connections. */
  [Symbol.dispose](): void {
    void this.#modules?.then(({ plainAgent, tlsAgent }) => {
      plainAgent.destroy();
      tlsAgent.destroy();
    });
    this.#modules = undefined;
    for (const tunnel of this.#tunnels.values()) void tunnel.then((agent) => agent.destroy());
    this.#tunnels.clear();
  }

  #tunnel(proxy: URL, { tls }: Modules): Promise<Agent> {
    const known = this.#tunnels.get(proxy.href);
    if (known !== undefined) return known;
    const agent = openTunnelAgent({ proxy, timeoutMs: this.#options.stallTimeoutMs, agent: tls });
    this.#tunnels.set(proxy.href, agent);
    return agent;
  }

  async #load(): Promise<Modules> {
    const { certificateAuthorities, acceptsAnyCertificate } = this.#options;
    const [http, https, tls] = await Promise.all([import("node:http"), import("node:https"), import("node:tls")]);
    const ca = certificateAuthorities.length === 0 ? {} : { ca: [...tls.rootCertificates, ...certificateAuthorities] };
    const options = { keepAlive: true, rejectUnauthorized: !acceptsAnyCertificate, ...ca };
    return {
      http,
      https,
      plainAgent: new http.Agent({ keepAlive: true }),
      tlsAgent: new https.Agent(options),
      tls: options,
    };
  }
}

/** One request and its answer. */
class Exchange {
  readonly #request: HttpRequest;
  readonly #stallTimeoutMs: number;
  #isSent = false;

  constructor(request: HttpRequest, stallTimeoutMs: number) {
    this.#request = request;
    this.#stallTimeoutMs = stallTimeoutMs;
  }

  async run(outgoing: ClientRequest): Promise<HttpResponse> {
    const { signal } = this.#request;
    const abort = () => outgoing.destroy();
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort, { once: true });
    outgoing.on("close", () => signal?.removeEventListener("abort", abort));
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.on("response", resolve);
      outgoing.on("error", reject);
      outgoing.on("close", () => reject(Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" })));
    });
    // Looked at only after the body is sent.
    answer.catch(() => {});
    try {
      await this.#sendBody(outgoing);
      return this.#readAnswer(outgoing, await this.#beforeStall(answer));
    } catch (error) {
      outgoing.destroy();
      throw error;
    }
  }

  async #sendBody(outgoing: ClientRequest): Promise<void> {
    const { body } = this.#request;
    if (body === undefined || body instanceof Uint8Array) {
      outgoing.end(body);
      this.#isSent = true;
      return;
    }
    let isAnswered = false;
    outgoing.once("response", () => {
      isAnswered = true;
    });
    for await (const chunk of body.content) {
      // An answer before the end of the body is a refusal: the rest is not wanted.
      if (isAnswered || outgoing.destroyed) return;
      if (!outgoing.write(chunk)) await this.#beforeStall(drained(outgoing));
    }
    outgoing.end();
    this.#isSent = true;
  }

  #readAnswer(outgoing: ClientRequest, incoming: IncomingMessage): HttpResponse {
    const discard = () => {
      // What a connection says that nobody listens to any more.
      incoming.on("error", () => {});
      incoming.destroy();
      outgoing.destroy();
    };
    return {
      status: incoming.statusCode ?? 0,
      url: this.#request.url,
      header: (name) => {
        const value = incoming.headers[name];
        return Array.isArray(value) ? value.join(", ") : value;
      },
      body: this.#readBody(incoming, discard),
      discard,
    };
  }

  async *#readBody(incoming: IncomingMessage, discard: () => void): AsyncGenerator<Uint8Array, void, undefined> {
    const chunks: AsyncIterator<Uint8Array> = incoming[Symbol.asyncIterator]();
    let isComplete = false;
    try {
      for (;;) {
        const next = await this.#beforeStall(chunks.next());
        if (next.done === true) break;
        yield next.value;
      }
      isComplete = true;
    } finally {
      // A connection with half a request in it is of no further use.
      if (!isComplete || !this.#isSent) discard();
    }
  }

  /** What a promise gives, unless the connection keeps silent for too long. */
  async #beforeStall<Value>(promise: Promise<Value>): Promise<Value> {
    const { signal, url } = this.#request;
    let timer: NodeJS.Timeout | undefined;
    const stall = new Promise<never>((_resolve, reject) => {
      const fail = () => reject(ConnectionFailure.stalled(url, this.#stallTimeoutMs));
      timer = setTimeout(fail, this.#stallTimeoutMs);
    });
    try {
      return await Promise.race([promise, stall]);
    } catch (error) {
      throw signal?.aborted === true ? aborted(signal) : ConnectionFailure.from(url, error);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Waits until more can be written, or nothing any more. */
function drained(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ["drain", "response", "error", "close"]) outgoing.off(event, done);
      resolve();
    };
    for (const event of ["drain", "response", "error", "close"]) outgoing.on(event, done);
  });
}

function lengthHeader(body: RequestBody | undefined): Record<string, string> {
  if (body === undefined) return {};
  return { "content-length": String(body instanceof Uint8Array ? body.length : body.lengthBytes) };
}

/** An address without the user and password in it, which would be sent as credentials. */
function withoutCredentials(url: URL): URL {
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  return bare;
}
