import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
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

test("a config that has been changed is read again, whatever its time of change says", async () => {
  const path = join(bundle, "config.json");
  const write = (hostname: string) => writeFileSync(path, JSON.stringify({ ...defaultSpec(), hostname }));
  write("one");
  const { mtime, atime } = statSync(path);
  expect(loadConfig({ bundle }).spec.hostname).toBe("one");
  // At once, when both changes may have the same time.
  write("two");
  expect(loadConfig({ bundle }).spec.hostname).toBe("two");
  // And when it is old enough to be known by its times.
  await new Promise((resolve) => setTimeout(resolve, 5500));
  const settled = loadConfig({ bundle });
  expect(loadConfig({ bundle })).toBe(settled);
  write("six");
  utimesSync(path, atime, mtime);
  expect(loadConfig({ bundle }).spec.hostname).toBe("six");
});

test("a config that is known still wants its bundle and its root, and is another bundle's only by its text", () => {
  writeFileSync(join(bundle, "config.json"), JSON.stringify(defaultSpec()));
  const first = loadConfig({ bundle });
  expect(loadConfig({ bundle }).rootHostPath).toBe(join(bundle, "rootfs"));
  const other = join(bundle, "other");
  mkdirSync(join(other, "rootfs"), { recursive: true });
  writeFileSync(join(other, "config.json"), JSON.stringify(defaultSpec()));
  expect(loadConfig({ bundle: other })).toMatchObject({ bundleHostPath: other, rootHostPath: join(other, "rootfs") });
  expect(loadConfig({ bundle: other }).spec).toBe(first.spec);
  rmSync(join(bundle, "rootfs"), { recursive: true });
  expect(refusal()).toMatchObject({ code: "ERR_RUNLET_ROOTFS", errno: "ENOENT" });
  writeFileSync(join(bundle, "rootfs"), "");
  expect(refusal()).toMatchObject({ code: "ERR_RUNLET_ROOTFS", errno: "ENOTDIR" });
});
