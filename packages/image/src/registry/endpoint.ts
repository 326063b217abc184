import { Authenticator } from "./authenticator.ts";
import { ConnectionFailure } from "./connection-failure.ts";
import type { HttpRequest, HttpResponse } from "./http-client.ts";
import { drainBody } from "./limited-body.ts";
import type { Location, RegistrySettings } from "./options.ts";
import { isLoopback } from "./plain-http.ts";
import { resolveLocation, sendFollowing } from "./redirect.ts";
import { sendPersistently } from "./retry.ts";

/** A request to a registry. */
export interface EndpointRequest {
  readonly method: HttpRequest["method"];
  /** Below the repository: `manifests/latest`; or an address of the registry's choice. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpRequest["body"];
  /** Default: to pull from the repository. */
  readonly scopes?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Sends once only: the caller knows better how to go on. */
  readonly isSentOnce?: boolean;
}

/** Where Docker Hub's registry is. */
const dockerHubHost = "registry-1.docker.io";

/**
 * One repository at one place: the registry's own, or a mirror. Knows its address, logs in when asked to, follows
 * redirects and tries again.
 */
export class Endpoint {
  readonly #location: Location;
  readonly #settings: RegistrySettings;
  readonly #plainHttpHosts: ReadonlySet<string>;
  readonly #authenticator: Authenticator;
  #base: Promise<URL> | undefined;

  constructor(location: Location, settings: RegistrySettings) {
    this.#location = location;
    this.#settings = settings;
    const { host, repository } = location;
    // As addresses have it: in lower case, without the usual port.
    this.#plainHttpHosts = new Set(this.#isPlainAllowed() ? [new URL(`http://${host}`).host] : []);
    this.#authenticator = new Authenticator({
      host,
      repository,
      credentials: settings.credentials,
      plainHttpHosts: this.#plainHttpHosts,
      send: (request, authorization) => this.#sendPersistently(request, authorization, false),
    });
  }

  get host(): string {
    return this.#location.host;
  }

  get repository(): string {
    return this.#location.repository;
  }

  /** What redirects and upload addresses may be without TLS. */
  get plainHttpHosts(): ReadonlySet<string> {
    return this.#plainHttpHosts;
  }

  /**
   * An address that somebody but the registry names, if it may be talked to.
   *
   * @throws RunletError `ERR_RUNLET_REGISTRY`
   */
  async resolve(location: string, signal: AbortSignal | undefined): Promise<URL> {
    return resolveLocation(location, await this.#findBase(signal), this.#plainHttpHosts);
  }

  /** `repository:NAME:pull`. @see https://distribution.github.io/distribution/spec/auth/scope/ */
  scope(actions: "pull" | "pull,push", repository = this.repository): string {
    return `repository:${repository}:${actions}`;
  }

  /**
   * Sends a request to the registry.
   *
   * @returns the answer, whatever its status; of 401, only after logging in did not help.
   * @throws ConnectionFailure; RunletError `ERR_RUNLET_REGISTRY` where there is no way to log in.
   */
  async send(request: EndpointRequest): Promise<HttpResponse> {
    const { signal, target, isSentOnce = false } = request;
    const base = await this.#findBase(signal);
    const scopes = request.scopes ?? [this.scope("pull")];
    const url = typeof target === "string" ? new URL(`${this.repository}/${target}`, base) : target;
    const { method, headers = {}, body } = request;
    const sent: HttpRequest = { method, url, headers, body, signal };

    // An upload may continue at another host, to which the credentials of the registry say nothing.
    if (url.origin !== base.origin) return this.#sendPersistently(sent, undefined, isSentOnce);
    const authorization = await this.#authenticator.authorize(scopes, signal);
    const response = await this.#sendPersistently(sent, authorization, isSentOnce);
    if (response.status !== 401 || response.url.origin !== base.origin || isStream(body)) return response;
    const renewed = await this.#authenticator.answer(response, { scopes, rejected: authorization, signal });
    return this.#sendPersistently(sent, renewed, isSentOnce);
  }

  /**
   * Asks for the registry's version, which every registry answers.
   *
   * @returns the answer of `/v2/`, after logging in if need be.
   */
  async ping(signal?: AbortSignal): Promise<HttpResponse> {
    return this.send({ method: "GET", target: await this.#findBase(signal), scopes: [], signal });
  }

  #sendPersistently(
    request: HttpRequest,
    authorization: string | undefined,
    isSentOnce: boolean,
  ): Promise<HttpResponse> {
    const { client, retry } = this.#settings;
    const options = { authorization, plainHttpHosts: this.#plainHttpHosts };
    const send = () => sendFollowing(client, request, options);
    return isSentOnce || isStream(request.body) ? send() : sendPersistently(send, retry, request.signal);
  }

  #isPlainAllowed(): boolean {
    const { protocol, host } = this.#location;
    if (protocol !== undefined) return protocol === "http:";
    return this.#settings.allowsPlainHttp && host === this.#settings.host;
  }

  /** The address of the registry's API; found once. */
  #findBase(signal: AbortSignal | undefined): Promise<URL> {
    this.#base ??= this.#probe(signal);
    this.#base.catch(() => {
      this.#base = undefined;
    });
    return this.#base;
  }

  async #probe(signal: AbortSignal | undefined): Promise<URL> {
    const { host, protocol } = this.#location;
    const apiHost = host === "docker.io" ? dockerHubHost : host;
    const secure = new URL(`https://${apiHost}/v2/`);
    const plain = new URL(`http://${apiHost}/v2/`);
    if (protocol !== undefined) return protocol === "http:" ? plain : secure;
    if (!this.#isPlainAllowed() && !isLoopback(secure.hostname)) return secure;
    try {
      await this.#knock(secure, signal);
      return secure;
    } catch (error) {
      if (!(error instanceof ConnectionFailure) || error.isCertificate) throw error;
      try {
        await this.#knock(plain, signal);
        return plain;
      } catch (second) {
        throw second instanceof ConnectionFailure ? second : error;
      }
    }
  }

  /** Finds out whether a server talks that protocol; what it says does not matter. */
  async #knock(url: URL, signal: AbortSignal | undefined): Promise<void> {
    await drainBody(await this.#settings.client.send({ method: "GET", url, headers: {}, signal }));
  }
}

function isStream(body: HttpRequest["body"]): boolean {
  return body !== undefined && !(body instanceof Uint8Array);
}
