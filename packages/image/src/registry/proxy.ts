import type { BlockList } from "node:net";
import { RunletError } from "@runlet/errors";
import { isLoopback } from "./plain-http.ts";

/** Finds the proxy for an address; undefined: none. */
export type ProxyFinder = (url: URL) => Promise<URL | undefined>;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxies that the environment names, by the rules that curl and Go's tools share: `HTTPS_PROXY` and `HTTP_PROXY`, also in
 * lower case, and `NO_PROXY` for what needs none. This machine needs none.
 *
 * @throws RunletError `ERR_RUNLET_USAGE`, by the function that is returned, for what is no proxy that is supported.
 */
export function environmentProxies(environment: Environment): ProxyFinder {
  return async (url) => {
    const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
    const text = environment[name.toLowerCase()] || environment[name];
    if (text === undefined || text === "" || isLoopback(url.hostname)) return undefined;
    if (await isExcepted(url, environment.no_proxy || environment.NO_PROXY || "")) return undefined;
    return parseProxy(text, name);
  };
}

function parseProxy(text: string, name: string): URL {
  const written = /^[a-z0-9+.-]+:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url !== undefined && (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "") return url;
  // It may hold a password, so it is not shown.
  throw new RunletError("ERR_RUNLET_USAGE", `${name} names no proxy that is supported`, {
    hint: "write it as http://HOST:PORT or https://HOST:PORT",
  });
}

/** Whether a list of exceptions has a host: `*`, `host`, `.domain`, `host:port`, addresses and their ranges. */
async function isExcepted(url: URL, list: string): Promise<boolean> {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  for (const entry of list.toLowerCase().split(/[\s,]+/)) {
    if (entry === "") continue;
    if (entry === "*") return true;
    if (entry.includes("/")) {
      if (await isInRange(host, entry)) return true;
      continue;
    }
    const [, name = "", itsPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(isAddress6(entry) ? `[${entry}]` : entry) ?? [];
    if (itsPort !== undefined && itsPort !== port) continue;
    const domain = name.replace(/^\*?\./, "");
    if (domain !== "" && (host === domain || host.endsWith(`.${domain}`))) return true;
  }
  return false;
}

/** Two colons at least: an address, and no port. */
function isAddress6(entry: string): boolean {
  return !entry.startsWith("[") && entry.indexOf(":") !== entry.lastIndexOf(":");
}

async function isInRange(host: string, range: string): Promise<boolean> {
  const { BlockList, isIP } = await import("node:net");
  const family = isIP(host);
  const [address = "", bits = ""] = range.split("/");
  if (family === 0 || isIP(address) !== family || !/^\d{1,3}$/.test(bits)) return false;
  const list: BlockList = new BlockList();
  const kind = family === 6 ? "ipv6" : "ipv4";
  try {
    list.addSubnet(address, Number(bits), kind);
  } catch {
    // More bits than an address has: a range of nothing.
    return false;
  }
  return list.check(host, kind);
}

/** @returns the header by which a proxy's own user and password are told; none without them. */
export function proxyAuthorization(proxy: URL): Readonly<Record<string, string>> {
  if (proxy.username === "" && proxy.password === "") return {};
  const text = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(text).toString("base64")}` };
}
