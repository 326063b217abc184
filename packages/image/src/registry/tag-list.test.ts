import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeRegistry } from "../../test/fake-registry.ts";
import { listTags } from "./tag-list.ts";

let registry: FakeRegistry;
beforeEach(async () => {
  registry = await FakeRegistry.start();
});
afterEach(() => registry[Symbol.asyncDispose]());

async function list(): Promise<string[]> {
  const credentials = () => Promise.resolve(undefined);
  const options = { host: registry.host, repository: "a/b", credentials, retry: { attempts: 1 } };
  const tags: string[] = [];
  for await (const tag of listTags(options)) tags.push(tag);
  return tags;
}

test("tags come from all pages", async () => {
  registry.tags.push("1", "2", "3", "4", "5");
  registry.pageTags = 2;
  expect(await list()).toEqual(["1", "2", "3", "4", "5"]);
  expect(registry.requests).toEqual([
    "GET /v2/a/b/tags/list?n=1000",
    "GET /v2/a/b/tags/list?n=2&last=2",
    "GET /v2/a/b/tags/list?n=2&last=4",
  ]);
});

test.each([
  ["null", '{"tags":null}', []],
  ["nothing", "{}", []],
  ["a list", '{"tags":["x"]}', ["x"]],
])("a repository may have %s", async (_name, body, tags) => {
  registry.intercept = ({ path }, response) => {
    if (path === "/v2/") return false;
    response.end(body);
    return true;
  };
  expect(await list()).toEqual(tags);
});

test.each([
  ["no JSON", 200, "x", {}, "no list of tags"],
  ["no texts", 200, '{"tags":[1]}', {}, "no list of tags"],
  ["no list", 200, '{"tags":"x"}', {}, "no list of tags"],
  ["what is no tag, and could drive a terminal", 200, '{"tags":["\\u001b[2J"]}', {}, "no list of tags"],
  ["no end", 200, "{}", { link: '</v2/a/b/tags/list?last=x>; rel="next"' }, "have no end"],
  ["another place without TLS", 200, "{}", { link: '<http://example.invalid/>; rel="next"' }, "not protected by TLS"],
  ["a refusal", 404, '{"errors":[{"code":"NAME_UNKNOWN"}]}', {}, '404, not found ("NAME_UNKNOWN")'],
])("an answer with %s is an error", async (_name, status, body, headers, message) => {
  registry.intercept = ({ path }, response) => {
    if (path === "/v2/") return false;
    response.writeHead(status, headers).end(body);
    return true;
  };
  await expect(list()).rejects.toMatchObject({
    code: "ERR_RUNLET_REGISTRY",
    message: expect.stringContaining(message),
  });
});
