import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeRegistry } from "../../test/fake-registry.ts";
import { pingRegistry } from "./ping.ts";

let registry: FakeRegistry;
beforeEach(async () => {
  registry = await FakeRegistry.start();
});
afterEach(() => registry[Symbol.asyncDispose]());

const basic = `Basic ${Buffer.from("jane:secret").toString("base64")}`;

function ping(password: string): Promise<void> {
  return pingRegistry({
    host: registry.host,
    repository: "a/b",
    credentials: () => Promise.resolve({ kind: "password", username: "jane", password }),
    retry: { attempts: 1 },
  });
}

test("a registry is there", async () => {
  await expect(ping("")).resolves.toBeUndefined();
});

test("a registry takes the right credentials, and no others", async () => {
  registry.intercept = ({ headers }, response) => {
    if (headers.authorization === basic) return false;
    response.writeHead(401, { "www-authenticate": "Basic" }).end();
    return true;
  };
  await expect(ping("secret")).resolves.toBeUndefined();
  await expect(ping("wrong")).rejects.toMatchObject({
    code: "ERR_RUNLET_REGISTRY",
    message: expect.stringMatching(/cannot talk to .* 401, unauthorized/),
  });
});

test("what is no registry", async () => {
  registry.intercept = (_request, response) => {
    response.writeHead(404).end();
    return true;
  };
  await expect(ping("")).rejects.toMatchObject({ message: expect.stringContaining("404, not found") });
});
