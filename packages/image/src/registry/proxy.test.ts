import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HttpClient } from "./http-client.ts";
import { environmentProxies, proxyAuthorization } from "./proxy.ts";

describe("the environment", () => {
  const proxies = { HTTPS_PROXY: "http://secure:3128", HTTP_PROXY: "plain:8080" };
  const find = async (address: string, environment: Record<string, string>) =>
    (await environmentProxies(environment)(new URL(address)))?.href;

  test("names a proxy for each scheme; lower case precedes", async () => {
    expect(await find("https://ghcr.io/v2/", proxies)).toBe("http://secure:3128/");
    expect(await find("http://ghcr.io/v2/", proxies)).toBe("http://plain:8080/");
    expect(await find("https://ghcr.io/v2/", { ...proxies, https_proxy: "https://other" })).toBe("https://other/");
    expect(await find("https://ghcr.io/v2/", { HTTP_PROXY: "plain" })).toBeUndefined();
    expect(await find("https://ghcr.io/v2/", { HTTPS_PROXY: "" })).toBeUndefined();
  });

  test.each(["http://localhost:5000/", "https://127.0.0.1/", "http://[::1]/", "http://a.localhost/"])(
    "names none for this machine: %s",
    async (address) => {
      expect(await find(address, proxies)).toBeUndefined();
    },
  );

  test.each([
    ["*", true],
    ["ghcr.io", true],
    ["GHCR.IO", true],
    ["io", true],
    [".io", true],
    ["*.io", true],
    ["hcr.io", false],
    ["a.ghcr.io", false],
    ["x, ghcr.io ,y", true],
    ["ghcr.io:443", true],
    ["ghcr.io:80", false],
    ["10.0.0.0/8", false],
    ["", false],
  ])("excepts ghcr.io by %j: %s", async (exceptions, isExcepted) => {
    const found = await find("https://ghcr.io/v2/", { ...proxies, NO_PROXY: exceptions });
    expect(found === undefined).toBe(isExcepted);
  });

  test.each([
    ["10.1.2.3", "10.0.0.0/8", true],
    ["10.1.2.3", "10.1.2.3", true],
    ["11.1.2.3", "10.0.0.0/8", false],
    ["10.1.2.3", "10.0.0.0/64", false],
    ["10.1.2.3", "10.0.0.0/x", false],
    ["[2001:db8::1]", "2001:db8::/32", true],
    ["[2001:db8::1]", "2001:db8::1", true],
    ["[2001:db8::1]", "[2001:db8::1]:443", true],
    ["[2001:db8::1]", "[2001:db8::1]:80", false],
    ["[2001:db9::1]", "2001:db8::/32", false],
  ])("excepts %s by %j: %s", async (host, exceptions, isExcepted) => {
    const found = await find(`https://${host}/`, { ...proxies, no_proxy: exceptions });
    expect(found === undefined).toBe(isExcepted);
  });

  test.each(["socks5://secret@host", "ftp://secret@x", "http://", "http://[secret"])(
    "is refused for %j, which is not repeated",
    async (text) => {
      const error: Error = await find("https://ghcr.io/", { HTTPS_PROXY: text }).then(
        () => expect.unreachable(),
        (reason) => reason,
      );
      expect(error).toMatchObject({ code: "ERR_RUNLET_USAGE", message: expect.stringContaining("HTTPS_PROXY") });
      expect(error.message).not.toContain("secret");
    },
  );

  test("gives the proxy its own user and password", () => {
    const basic = `Basic ${Buffer.from("jane:p@ss").toString("base64")}`;
    expect(proxyAuthorization(new URL("http://jane:p%40ss@x"))).toEqual({ "proxy-authorization": basic });
    expect(proxyAuthorization(new URL("http://x"))).toEqual({});
  });
});

describe("a proxy", () => {
  let proxy: Server;
  let address = "";
  const seen: string[] = [];
  const sockets: Socket[] = [];
  beforeEach(async () => {
    seen.length = 0;
    proxy = createServer((request, response) => {
      const { host, authorization } = request.headers;
      seen.push(`${request.method} ${request.url} ${host} ${authorization} ${request.headers["proxy-authorization"]}`);
      response.end("content");
    });
    proxy.on("connection", (socket) => sockets.push(socket));
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    address = `http://jane:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    // A tunnel is no connection of HTTP's any more.
    for (const socket of sockets.splice(0)) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });

  const send = async (url: string, stallTimeoutMs = 60_000) => {
    using client = new HttpClient({
      stallTimeoutMs,
      certificateAuthorities: [],
      acceptsAnyCertificate: false,
      findProxy: () => Promise.resolve(new URL(address)),
    });
    const response = await client.send({ method: "GET", url: new URL(url), headers: { authorization: "Bearer x" } });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };

  test("is asked for the whole address of a server without TLS", async () => {
    expect(await send("http://registry.test:5000/v2/?x=1")).toBe("content");
    const basic = `Basic ${Buffer.from("jane:secret").toString("base64")}`;
    expect(seen).toEqual([`GET http://registry.test:5000/v2/?x=1 registry.test:5000 Bearer x ${basic}`]);
  });

  test("that refuses a tunnel is named, and has seen nothing but the server's name", async () => {
    proxy.on("connect", (request, socket) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    });
    await expect(send("https://registry.test/v2/")).rejects.toThrow(/the proxy "127.0.0.1:\d+" answers 407/);
    expect(seen).toEqual(["CONNECT registry.test:443 undefined"]);
  });

  test("that keeps silent is given up", async () => {
    proxy.on("connect", () => {});
    await expect(send("https://registry.test/v2/", 100)).rejects.toMatchObject({ isTransient: true });
  });

  test("that is not there is named", async () => {
    address = "http://127.0.0.1:1";
    await expect(send("https://registry.test/v2/")).rejects.toThrow(/the proxy "127.0.0.1:1" is not there/);
  });
});
