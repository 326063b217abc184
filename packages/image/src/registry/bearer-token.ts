import { quote, RunletError } from "@runlet/errors";
import { type Credentials, formatBasic } from "./credentials.ts";
import type { HttpRequest, HttpResponse } from "./http-client.ts";
import { readBody } from "./limited-body.ts";
import { refusal } from "./registry-failure.ts";

/** Where tokens come from, as the registry's challenge says. */
export interface TokenService {
  readonly realm: URL;
  readonly service: string | undefined;
}

/** A token of a registry. */
export interface BearerToken {
  readonly value: string;
  /** When it should not be used any more, in milliseconds since 1970. */
  readonly staleAtMs: number;
}

/** The longest answer of a token server that is read. */
const tokenLimitBytes = 256 * 1024;

/** How long a token is good for when the server says nothing, or less. */
const leastLifetimeS = 60;

/** What a token is not used for at the end of its life. */
const marginS = 10;

/** How {@link fetchToken} asks. */
export interface TokenRequest {
  readonly service: TokenService;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal | undefined;
  /** Sends with retries; the authorization goes to the server of the request only. */
  send(request: HttpRequest, authorization: string | undefined): Promise<HttpResponse>;
}

/**
 * Asks a token server for a token.
 *
 * @throws RunletError `ERR_RUNLET_REGISTRY` when it refuses or its answer holds no token.
 * @see https://distribution.github.io/distribution/spec/auth/token/ and …/spec/auth/oauth/
 */
export async function fetchToken(request: TokenRequest): Promise<BearerToken> {
  const { service, credentials, signal } = request;
  const isRefresh = credentials?.kind === "identityToken";
  const authorization =
    credentials?.kind === "password" ? formatBasic(credentials.username, credentials.password) : undefined;
  const response = await request.send(
    isRefresh
      ? refreshRequest(request, credentials.token)
      : { method: "GET", url: tokenUrl(request), headers: {}, signal },
    authorization,
  );
  const what = `cannot get a token of ${quote(service.realm.host)}`;
  if (response.status !== 200) throw await refusal(response, what);
  const bytes = await readBody(response, { limitBytes: tokenLimitBytes, what: "the token" });
  const token = readToken(bytes, Date.now());
  if (token === undefined) throw new RunletError("ERR_RUNLET_REGISTRY", `${what}: the answer holds none`);
  return token;
}

function tokenUrl({ service: { realm, service }, scopes, credentials }: TokenRequest): URL {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (credentials?.kind === "password") url.searchParams.set("account", credentials.username);
  return url;
}

/** @see RFC 6749 section 6 */
function refreshRequest(
  { service: { realm, service }, scopes, signal }: TokenRequest,
  refreshToken: string,
): HttpRequest {
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    service: service ?? "",
    client_id: "runlet",
    scope: scopes.join(" "),
    refresh_token: refreshToken,
  });
  return {
    method: "POST",
    url: realm,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new TextEncoder().encode(form.toString()),
    signal,
  };
}

function readToken(bytes: Uint8Array, nowMs: number): BearerToken | undefined {
  let answer: { token?: unknown; access_token?: unknown; expires_in?: unknown } | null;
  try {
    answer = JSON.parse(new TextDecoder().decode(bytes)) as typeof answer;
  } catch {
    return undefined;
  }
  const value = answer?.token || answer?.access_token;
  // It becomes part of a header.
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) return undefined;
  const saidS = typeof answer?.expires_in === "number" ? answer.expires_in : leastLifetimeS;
  return { value, staleAtMs: nowMs + (Math.max(saidS, leastLifetimeS) - marginS) * 1000 };
}
