/** Whether a host is this machine by its name or address, as an URL has it: `localhost`, `127.0.0.1`, `[::1]`. */
export function isLoopback(hostname: string): boolean {
  // The URL parser has put IPv4 addresses into four decimal parts by now.
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  );
}

/** Where a server sends its client, and the address of the server that does. */
interface Referral {
  readonly url: URL;
  readonly base: URL;
}

/**
 * Whether a server may send us to an address: TLS is never left for plain HTTP; without TLS we are either on this
 * machine, and stay there, or at a host of which the user has said that it needs none.
 *
 * @param plainHttpHosts - `host` or `host:port` of servers that need no TLS.
 */
export function isAllowedReferral({ url, base }: Referral, plainHttpHosts: ReadonlySet<string>): boolean {
  if (url.protocol === "https:") return true;
  if (url.protocol !== "http:") return false;
  return plainHttpHosts.has(url.host) || (base.protocol === "http:" && isLoopback(url.hostname));
}
