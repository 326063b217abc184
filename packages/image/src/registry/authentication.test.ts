import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeRegistry, type Intercept } from "../../test/fake-registry.ts";
import type { ImageSource } from "../transfer.ts";
import type { Credentials } from "./credentials.ts";
import type { RegistryOptions } from "./options.ts";
import { openRegistrySource } from "./registry-source.ts";

const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: `sha256:${"0".repeat(64)}`, size: 2 };
const manifest = { schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config, layers: [] };
const password: Credentials = { kind: "password", username: "jane", password: "s3cret:x" };

let registry: FakeRegistry;
/** Another server: of tokens, or a stranger. */
let other: FakeRegistry;
beforeEach(async () => {
  registry = await FakeRegistry.start();
  other = await FakeRegistry.start();
  registry.addManifest("a/b latest", manifest);
});
afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

function open(credentials?: Credentials, options: Partial<RegistryOptions> = {}): ImageSource {
  return openRegistrySource({
    host: registry.host,
    repository: "a/b",
    credentials: () => Promise.resolve(credentials),
    retry: { attempts: 2, baseDelayMs: 1, maximumDelayMs: 50 },
    ...options,
  });
}

/** Wants a header, and names a challenge to whoever lacks it. */
function demand(authorization: () => string, challenge: () => string): Intercept {
  return ({ headers }, response) => {
    if (headers.authorization === authorization()) return false;
    response.writeHead(401, { "www-authenticate": challenge() }).end();
    return true;
  };
}

/** A server of tokens, which number themselves. */
function issueTokens(answer: (count: number) => object = (count) => ({ token: `t${count}` })): void {
  let count = 0;
  other.intercept = (_request, response) => {
    count++;
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer(count)));
    return true;
  };
}

const bearer = () => `Bearer realm="http://${other.host}/token?x=1",service="the registry",scope="repository:a/b:pull"`;
const sentTo = (server: FakeRegistry) => server.seen.map(({ headers }) => headers.authorization);

describe("Basic", () => {
  const header = `Basic ${Buffer.from("jane:s3cret:x").toString("base64")}`;

  test("credentials go to the registry after it has asked for them, and at once from then on", async () => {
    registry.intercept = demand(
      () => header,
      () => 'Basic realm="here"',
    );
    await using source = open(password);
    await source.manifest();
    await source.manifest();
    expect(sentTo(registry)).toEqual([undefined, undefined, header, header].slice(-sentTo(registry).length));
    expect(registry.requests.length).toBe(3);
  });

  test("without credentials the error says what to do", async () => {
    registry.intercept = demand(
      () => header,
      () => "Basic",
    );
    await using source = open();
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining("wants credentials, and there are none"),
      hint: expect.stringContaining("log in to"),
    });
  });

  test("wrong credentials are tried once", async () => {
    registry.intercept = demand(
      () => "something else",
      () => "Basic",
    );
    await using source = open(password);
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringMatching(/401, unauthorized/),
    });
    await expect(source.manifest()).rejects.toMatchObject({
      message: expect.stringContaining("does not take the credentials"),
    });
    expect(registry.requests.length).toBe(3);
  });
});

describe("Bearer", () => {
  test("a token is asked for with service, scope and account, and kept", async () => {
    issueTokens();
    registry.intercept = demand(() => "Bearer t1", bearer);
    await using source = open(password);
    await source.manifest();
    await source.manifest();
    expect(other.requests).toEqual([
      "GET /token?x=1&service=the+registry&scope=repository%3Aa%2Fb%3Apull&account=jane",
    ]);
    expect(sentTo(other)).toEqual([`Basic ${Buffer.from("jane:s3cret:x").toString("base64")}`]);
  });

  test("requests at the same time share one token", async () => {
    issueTokens();
    registry.intercept = demand(() => "Bearer t1", bearer);
    await using source = open();
    await Promise.all([1, 2, 3, 4].map(() => source.manifest()));
    expect(other.seen.length).toBe(1);
    expect(sentTo(other)).toEqual([undefined]);
  });

  test("a token that the registry takes no more is renewed, once", async () => {
    issueTokens();
    let wanted = "Bearer t1";
    registry.intercept = demand(() => wanted, bearer);
    await using source = open();
    await source.manifest();
    wanted = "Bearer t2";
    await source.manifest();
    expect(other.seen.length).toBe(2);
    wanted = "Bearer never";
    await expect(source.manifest()).rejects.toMatchObject({ message: expect.stringContaining("401, unauthorized") });
    expect(other.seen.length).toBe(3);
  });

  test("a stale token is renewed before it is used", async () => {
    issueTokens((count) => ({ access_token: `t${count}`, expires_in: 61 }));
    registry.intercept = demand(() => `Bearer t${other.seen.length}`, bearer);
    await using source = open();
    await source.manifest();
    const { now } = Date;
    try {
      Date.now = () => now() + 52_000;
      const before = registry.seen.length;
      await source.manifest();
      expect(sentTo(registry).slice(before)).toEqual(["Bearer t2"]);
    } finally {
      Date.now = now;
    }
  });

  test("an identity token is given to the token server alone, in a form", async () => {
    let form = "";
    other.intercept = (request, response) => {
      form = `${request.method} ${request.headers["content-type"]} ${request.headers.authorization}`;
      response.end(JSON.stringify({ access_token: "t1" }));
      return true;
    };
    registry.intercept = demand(() => "Bearer t1", bearer);
    await using source = open({ kind: "identityToken", token: "refresh" });
    await source.manifest();
    expect(form).toBe("POST application/x-www-form-urlencoded undefined");
    expect(sentTo(registry).join()).not.toContain("refresh");
  });

  test("an identity token does not follow a redirect to another host", async () => {
    await using stranger = await FakeRegistry.start();
    other.intercept = (_request, response) => {
      response.writeHead(307, { location: `http://${stranger.host}/token` }).end();
      return true;
    };
    registry.intercept = demand(() => "Bearer t1", bearer);
    await using source = open({ kind: "identityToken", token: "refresh" });
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining("redirects what is sent to it to"),
    });
    expect(stranger.seen).toEqual([]);
  });

  test("a registry token needs no token server", async () => {
    registry.intercept = demand(() => "Bearer mine", bearer);
    await using source = open({ kind: "registryToken", token: "mine" });
    await source.manifest();
    expect(other.seen).toEqual([]);
  });

  test.each([
    ["no JSON", "<html>"],
    ["no token", "{}"],
    ["null", "null"],
    ["a token that is no part of a header", '{"token":"a\\r\\nX: y"}'],
    ["a token of another type", '{"token":5}'],
  ])("%s of the token server is refused", async (_name, body) => {
    other.intercept = (_request, response) => {
      response.end(body);
      return true;
    };
    registry.intercept = demand(() => "Bearer t1", bearer);
    await using source = open();
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining("the answer holds none"),
    });
  });

  test("an endless token is not read", async () => {
    other.intercept = (_request, response) => {
      response.end(`{"token":"${"x".repeat(300_000)}"}`);
      return true;
    };
    registry.intercept = demand(() => "Bearer t1", bearer);
    await using source = open();
    await expect(source.manifest()).rejects.toMatchObject({
      message: expect.stringContaining("the token of"),
    });
  });

  test("a token server that refuses is named", async () => {
    other.intercept = (_request, response) => {
      response.writeHead(403).end('{"details":"incorrect username or password"}');
      return true;
    };
    registry.intercept = demand(() => "Bearer t1", bearer);
    await using source = open(password);
    await expect(source.manifest()).rejects.toMatchObject({
      message: `cannot get a token of "${other.host}": "${other.host}" answers 403, forbidden ("incorrect username or password")`,
    });
  });
});

describe("a challenge", () => {
  test.each([
    ["", "401, unauthorized"],
    ['Bearer realm="x', "in a malformed way"],
    ['realm="http://x/"', "in a malformed way"],
    ["Bearer", "is no address"],
    ['Bearer realm="/token"', "is no address"],
    ['Bearer realm="http://example.invalid/"', "without TLS"],
    ['Bearer realm="file:///etc/passwd"', "without TLS"],
    ["Negotiate abc==", "of an unknown kind"],
  ])("of %j ends in an error", async (challenge, message) => {
    registry.intercept = ({ path }, response) => {
      if (path === "/v2/") return false;
      response.writeHead(401, challenge === "" ? {} : { "www-authenticate": challenge }).end();
      return true;
    };
    await using source = open(password);
    await expect(source.manifest()).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining(message),
    });
    expect(registry.requests.length).toBe(1);
  });
});

describe("redirects", () => {
  const basic = `Basic ${Buffer.from("jane:s3cret:x").toString("base64")}`;
  const redirect = (location: () => string, status = 307): void => {
    registry.intercept = ({ path, headers }, response) => {
      if (headers.authorization === undefined) response.writeHead(401, { "www-authenticate": "Basic" }).end();
      else if (path.includes("/blobs/")) response.writeHead(status, { location: location() }).end();
      else return false;
      return true;
    };
  };
  const readAll = async (source: ImageSource) => {
    const descriptor = other.addBlob("content");
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.blob(descriptor)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };

  test.each([301, 302, 303, 307, 308])(
    "of status %d to another host are followed without credentials",
    async (status) => {
      const { digest } = other.addBlob("content");
      redirect(() => `http://${other.host}/v2/x/blobs/${digest}`, status);
      await using source = open(password);
      expect(await readAll(source)).toBe("content");
      expect(sentTo(registry)).toContain(basic);
      expect(sentTo(other)).toEqual([undefined]);
    },
  );

  test("credentials in the address are not sent either", async () => {
    const { digest } = other.addBlob("content");
    redirect(() => `http://u:p@${other.host}/v2/x/blobs/${digest}`);
    await using source = open(password);
    expect(await readAll(source)).toBe("content");
    expect(sentTo(other)).toEqual([undefined]);
  });

  test("a stranger who asks for credentials gets none (CVE-2020-15157)", async () => {
    redirect(() => `http://${other.host}/blob`);
    other.intercept = (_request, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${other.host}/token"` }).end();
      return true;
    };
    await using source = open(password);
    await expect(readAll(source)).rejects.toMatchObject({ message: expect.stringContaining("401, unauthorized") });
    expect(other.requests).toEqual(["GET /blob"]);
    expect(sentTo(other)).toEqual([undefined]);
  });

  test("within the registry keep the credentials", async () => {
    const { digest } = registry.addBlob("content");
    registry.intercept = ({ path, headers }, response) => {
      if (headers.authorization === undefined) response.writeHead(401, { "www-authenticate": "Basic" }).end();
      else if (path.startsWith("/v2/a/b/blobs/")) response.writeHead(302, { location: `/v2/c/blobs/${digest}` }).end();
      else return false;
      return true;
    };
    await using source = open(password);
    expect(await readAll(source)).toBe("content");
    expect(sentTo(registry).at(-1)).toBe(basic);
  });

  test("without end are not followed", async () => {
    redirect(() => "/v2/a/b/blobs/again");
    await using source = open(password);
    await expect(readAll(source)).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining("redirects more than 10 times"),
    });
    expect(registry.requests.length).toBe(12);
  });

  test.each([
    ["http://example.invalid/", "not protected by TLS"],
    ["ftp://127.0.0.1/", "which is no address of the web"],
    ["file:///etc/passwd", "which is no address of the web"],
    ["http://[", "which is no address"],
  ])("to %j are refused", async (location, message) => {
    redirect(() => location);
    await using source = open(password);
    await expect(readAll(source)).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining(message),
    });
  });
});

describe("mirrors", () => {
  test("are asked first; what they lack comes from the registry", async () => {
    const descriptor = registry.addBlob("content");
    await using source = open(undefined, { mirrors: [`http://${other.host}/hub`] });
    await source.manifest();
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.blob(descriptor)) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe("content");
    expect(other.requests).toEqual(["GET /v2/hub/a/b/manifests/latest", `GET /v2/hub/a/b/blobs/${descriptor.digest}`]);
    expect(registry.requests).toEqual(["GET /v2/a/b/manifests/latest", `GET /v2/a/b/blobs/${descriptor.digest}`]);
  });

  test("that break off in the middle are gone on from by the registry", async () => {
    const descriptor = registry.addBlob("0123456789");
    other.intercept = ({ headers }, response) => {
      if (headers.range === undefined)
        response.writeHead(200, { "content-length": 10 }).write("0123", () => response.destroy());
      else response.writeHead(500).end();
      return true;
    };
    await using source = open(undefined, { mirrors: [`http://${other.host}`] });
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.blob(descriptor)) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe("0123456789");
    expect(registry.seen.at(-1)?.headers.range).toBe("bytes=4-");
  });

  test("that are not there do no harm, and get credentials of their own only", async () => {
    const asked: string[] = [];
    other.intercept = (_request, response) => {
      response.writeHead(401, { "www-authenticate": "Basic" }).end();
      return true;
    };
    await using source = open(undefined, {
      mirrors: ["http://127.0.0.1:1", other.host],
      credentials: ({ host }) => {
        asked.push(host);
        return Promise.resolve(host === registry.host ? password : undefined);
      },
    });
    await source.manifest();
    expect(asked).toEqual([other.host]);
    expect(sentTo(other).filter((header) => header !== undefined)).toEqual([]);
  });

  test.each(["", "ftp://x", "http://x/UPPER", "x y"])("%j is none", (mirror) => {
    expect(() => open(undefined, { mirrors: [mirror] })).toThrow(expect.objectContaining({ code: "ERR_RUNLET_USAGE" }));
  });
});
