import { quote, RunletError } from "@runlet/errors";
import { type BearerToken, fetchToken, type TokenRequest, type TokenService } from "./bearer-token.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { CredentialSource } from "./credential-store.ts";
import { type Credentials, formatBasic } from "./credentials.ts";
import type { HttpResponse } from "./http-client.ts";
import { drainBody } from "./limited-body.ts";
import { isAllowedReferral } from "./plain-http.ts";
import { refusal } from "./registry-failure.ts";

/** For whom an {@link Authenticator} works. */
export interface AuthenticatorOptions {
  readonly host: string;
  readonly repository: string;
  readonly credentials: CredentialSource;
  readonly plainHttpHosts: ReadonlySet<string>;
  readonly send: TokenRequest["send"];
}

type Scheme = { readonly kind: "basic" } | { readonly kind: "bearer"; readonly service: TokenService };

/**
 * Knows how a registry wants to be asked, once it has refused a first request: with a user and password, or with tokens,
 * one for each set of scopes, that are kept until they are stale.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #tokens = new Map<string, Promise<BearerToken>>();
  #scheme: Scheme | undefined;
  #credentials: Promise<Credentials | undefined> | undefined;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** The Authorization header for a request; undefined as long as the registry has not asked for one. */
  async authorize(scopes: readonly string[], signal: AbortSignal | undefined): Promise<string | undefined> {
    if (this.#scheme === undefined) return undefined;
    const credentials = await this.#lookUp(signal);
    if (this.#scheme.kind === "basic") {
      return credentials?.kind === "password" ? formatBasic(credentials.username, credentials.password) : undefined;
    }
    if (credentials?.kind === "registryToken") return `Bearer ${credentials.token}`;
    const { service } = this.#scheme;
    const key = scopes.join(" ");
    for (;;) {
      const pending = this.#tokens.get(key) ?? this.#renewToken(key, service, { scopes, credentials, signal });
      const { value, staleAtMs } = await pending;
      if (staleAtMs > Date.now()) return `Bearer ${value}`;
      this.#forget(key, pending);
    }
  }

  /**
   * Learns from an answer 401 of the registry itself. Its body is read.
   *
   * @param rejected - the header that the registry did not take.
   * @returns another header to try.
   * @throws RunletError `ERR_RUNLET_REGISTRY` where nothing else is left to try.
   */
  async answer(
    response: HttpResponse,
    {
      scopes,
      rejected,
      signal,
    }: {
      readonly scopes: readonly string[];
      readonly rejected: string | undefined;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<string> {
    const header = response.header("www-authenticate");
    if (header === undefined) throw await refusal(response, `cannot log in to ${quote(this.#options.host)}`);
    this.#scheme = this.#readScheme(header, response.url);
    await this.#forgetRejected(scopes.join(" "), rejected);
    const authorization = await this.authorize(scopes, signal);
    if (authorization === undefined || authorization === rejected) {
      const what = rejected === undefined ? "wants credentials, and there are none" : "does not take the credentials";
      throw await refusal(response, `${quote(this.#options.host)} ${what}`);
    }
    await drainBody(response);
    return authorization;
  }

  #lookUp(signal: AbortSignal | undefined): Promise<Credentials | undefined> {
    const { credentials, host, repository } = this.#options;
    this.#credentials ??= credentials({ host, repository, signal });
    this.#credentials.catch(() => {
      this.#credentials = undefined;
    });
    return this.#credentials;
  }

  /** Requests at the same time share one token. */
  #renewToken(
    key: string,
    service: TokenService,
    request: Pick<TokenRequest, "scopes" | "credentials" | "signal">,
  ): Promise<BearerToken> {
    const token = fetchToken({ ...request, service, send: this.#options.send });
    this.#tokens.set(key, token);
    token.catch(() => this.#forget(key, token));
    return token;
  }

  #forget(key: string, token: Promise<BearerToken>): void {
    if (this.#tokens.get(key) === token) this.#tokens.delete(key);
  }

  /** Another request may have got a new token meanwhile, which is still to be tried. */
  async #forgetRejected(key: string, rejected: string | undefined): Promise<void> {
    const pending = this.#tokens.get(key);
    if (pending !== undefined && `Bearer ${(await pending).value}` === rejected) this.#forget(key, pending);
  }

  #readScheme(header: string, base: URL): Scheme {
    const host = quote(this.#options.host);
    const challenges = parseChallenges(header);
    if (challenges === undefined || challenges.length === 0) {
      throw new RunletError("ERR_RUNLET_REGISTRY", `${host} asks for credentials in a malformed way: ${quote(header)}`);
    }
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer !== undefined) return { kind: "bearer", service: this.#readService(bearer, base) };
    if (challenges.some(({ scheme }) => scheme === "basic")) return { kind: "basic" };
    const names = challenges.map(({ scheme }) => quote(scheme)).join(", ");
    throw new RunletError("ERR_RUNLET_REGISTRY", `${host} asks for credentials of an unknown kind: ${names}`);
  }

  /** Credentials go to the token server that the registry names: it has to be protected as the registry is. */
  #readService({ parameters }: Challenge, base: URL): TokenService {
    const host = quote(this.#options.host);
    const text = parameters.get("realm") ?? "";
    if (!URL.canParse(text)) {
      throw new RunletError("ERR_RUNLET_REGISTRY", `${host} names a token server that is no address: ${quote(text)}`);
    }
    const realm = new URL(text);
    if (!isAllowedReferral({ url: realm, base }, this.#options.plainHttpHosts)) {
      throw new RunletError("ERR_RUNLET_REGISTRY", `${host} names a token server without TLS: ${quote(text)}`);
    }
    return { realm, service: parameters.get("service") };
  }
}
