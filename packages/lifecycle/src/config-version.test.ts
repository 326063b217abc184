import { defaultSpec, type Spec } from "@runlet/spec";
import { expect, test } from "vitest";
import { inCurrentWords } from "./config-version.ts";

function withPids(ociVersion: string, limit: number): Spec {
  return { ...defaultSpec(), ociVersion, linux: { resources: { pids: { limit }, memory: { limit: 4096 } } } };
}

test.each(["1.0.0", "1.0.2-dev", "1.2.1"])("before 1.3 a pids.limit of 0 is no limit: %s", (ociVersion) => {
  expect(inCurrentWords(withPids(ociVersion, 0)).linux?.resources).toEqual({
    pids: { limit: -1 },
    memory: { limit: 4096 },
  });
});

test.each(["1.3.0", "1.3.1-rc.1", "1.10.0"])("since 1.3 it is what it says: %s", (ociVersion) => {
  const spec = withPids(ociVersion, 0);
  expect(inCurrentWords(spec)).toBe(spec);
});

test("any other limit, and a config without one, stay as they are", () => {
  for (const spec of [
    withPids("1.0.2", 7),
    withPids("1.0.2", -1),
    { ...defaultSpec(), ociVersion: "1.0.2", linux: {} },
  ])
    expect(inCurrentWords(spec)).toBe(spec);
});
