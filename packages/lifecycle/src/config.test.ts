import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunletError } from "@runlet/errors";
import { defaultSpec } from "@runlet/spec";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig } from "./config.ts";

let bundle: string;

beforeEach(() => {
  bundle = mkdtempSync(join(tmpdir(), "runlet-config-"));
  mkdirSync(join(bundle, "rootfs"));
});

afterEach(() => rmSync(bundle, { recursive: true }));

function refusal(): unknown {
  try {
    loadConfig({ bundle });
  } catch (error) {
    if (isRunletError(error)) return error;
    throw error;
  }
  throw new Error("it was loaded");
}

test("a config of gigabytes is refused without being read", () => {
  const config = join(bundle, "config.json");
  writeFileSync(config, JSON.stringify(defaultSpec()));
  expect(loadConfig({ bundle }).spec.process?.args).toEqual(["sh"]);
  // More than a buffer of Node's can hold; the file system stores nothing of it.
  truncateSync(config, 2 ** 33);
  expect(refusal()).toMatchObject({
    code: "ERR_RUNLET_CONFIG_SYNTAX",
    message: expect.stringContaining("more than 16777216 bytes"),
  });
});

test("a config that is missing, or a directory, is told by its path", () => {
  expect(refusal()).toMatchObject({ code: "ERR_RUNLET_CONFIG_MISSING", errno: "ENOENT" });
  mkdirSync(join(bundle, "config.json"));
  expect(refusal()).toMatchObject({ code: "ERR_RUNLET_BUNDLE", errno: "EISDIR" });
});
