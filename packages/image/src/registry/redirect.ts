import { quote, RunletError } from "@runlet/errors";
import type { HttpClient, HttpRequest, HttpResponse } from "./http-client.ts";
import { drainBody } from "./limited-body.ts";
import { isAllowedReferral } from "./plain-http.ts";

/** The most redirects that are followed. */
const redirectLimit = 10;

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What {@link sendFollowing} needs beside the request. */
export interface FollowOptions {
  /** Value of the Authorization header: sent to the server of the request, and never to another. */
  readonly authorization: string | undefined;
  readonly plainHttpHosts: ReadonlySet<string>;
}

/**
 * Sends a request and follows redirects. Authorization goes only to the origin (scheme, host and port) of the first
 * address, and so does a body, which may hold a token; TLS is never left.
 *
 * @throws RunletError `ERR_RUNLET_REGISTRY` for a loop, a malformed address or one that may not be talked to; and what
 *   `HttpClient.send` throws.
 */
export async function sendFollowing(
  client: HttpClient,
  request: HttpRequest,
  { authorization, plainHttpHosts }: FollowOptions,
): Promise<HttpResponse> {
  const { origin } = request.url;
  let { url } = request;
  for (let count = 0; count <= redirectLimit; count++) {
    const isHome = url.origin === origin && authorization !== undefined;
    const headers = isHome ? { ...request.headers, authorization } : request.headers;
    const response = await client.send({ ...request, url, headers });
    if (!redirectStatuses.has(response.status)) return response;
    const location = response.header("location");
    // 303 and, of an upload, 301 and 302 ask for another method: no registry means that.
    const isFollowed = request.method === "GET" || request.method === "HEAD" || response.status >= 307;
    if (location === undefined || !isFollowed || isStream(request)) return response;
    await drainBody(response);
    url = resolveLocation(location, url, plainHttpHosts);
    if (request.body !== undefined && url.origin !== origin) {
      const problem = `${quote(request.url.host)} redirects what is sent to it to ${quote(url.host)}`;
      throw new RunletError("ERR_RUNLET_REGISTRY", problem);
    }
  }
  throw new RunletError(
    "ERR_RUNLET_REGISTRY",
    `${quote(request.url.host)} redirects more than ${redirectLimit} times from ${quote(request.url.pathname)}`,
  );
}

/**
 * The address in a Location header, or wherever else a server says where something is.
 *
 * @param base - address of the server.
 * @throws RunletError `ERR_RUNLET_REGISTRY` where it is no address, or one that may not be talked to.
 */
export function resolveLocation(location: string, base: URL, plainHttpHosts: ReadonlySet<string>): URL {
  const url = URL.canParse(location, base.href) ? new URL(location, base) : undefined;
  if (url !== undefined && isAllowedReferral({ url, base }, plainHttpHosts)) return url;
  const isWeb = url?.protocol === "http:" || url?.protocol === "https:";
  const why = url === undefined ? "no address" : isWeb ? "not protected by TLS" : "no address of the web";
  throw new RunletError("ERR_RUNLET_REGISTRY", `${quote(base.host)} refers to ${quote(location)}, which is ${why}`, {
    hint: "nothing was sent there; whoever runs the registry can say what is meant",
  });
}

/** A stream cannot be sent a second time. */
function isStream({ body }: HttpRequest): boolean {
  return body !== undefined && !(body instanceof Uint8Array);
}
