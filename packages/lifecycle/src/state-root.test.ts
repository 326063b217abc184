import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { defaultStateRoot, makeStateRoot } from "./state-root.ts";

const login = { XDG_RUNTIME_DIR: "/run/user/1000" };

function rootOf(euid: number, env: Record<string, string>, inUserNamespace = false): string {
  return defaultStateRoot({ euid, env, isInUserNamespace: () => inUserNamespace });
}

test("root's is the same whatever the environment says", () => {
  expect(rootOf(0, {})).toBe("/run/runlet");
  expect(rootOf(0, login)).toBe("/run/runlet");
  expect(rootOf(0, { ...login, USER: "somebody" })).toBe("/run/runlet");
});

test("an ordinary user's is in the directory of the login", () => {
  expect(rootOf(1000, login)).toBe("/run/user/1000/runlet");
  expect(rootOf(1000, { ...login, USER: "root" })).toBe("/run/user/1000/runlet");
});

test("root of a user namespace is an ordinary user, unless it has logged in as root", () => {
  expect(rootOf(0, login, true)).toBe("/run/user/1000/runlet");
  expect(rootOf(0, { ...login, USER: "somebody" }, true)).toBe("/run/user/1000/runlet");
  expect(rootOf(0, { ...login, USER: "root" }, true)).toBe("/run/runlet");
  expect(rootOf(0, {}, true)).toBe("/run/runlet");
});

test.each([{}, { XDG_RUNTIME_DIR: "" }, { XDG_RUNTIME_DIR: "run" }])(
  "an ordinary user without one is told: %j",
  (env) => {
    expect(() => rootOf(1000, env)).toThrow(expect.objectContaining({ code: "ERR_RUNLET_USAGE" }));
  },
);

test("one that is not there is made, and those above it", () => {
  const directory = mkdtempSync(join(tmpdir(), "runlet-root-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const root = join(directory, "a/b/c");
  makeStateRoot(root);
  makeStateRoot(root);
  expect(statSync(root).mode & 0o066).toBe(0);
  const file = join(directory, "file");
  writeFileSync(file, "");
  const refusal = (errno: string) => expect.objectContaining({ code: "ERR_RUNLET_USAGE", errno, syscall: "mkdir" });
  expect(() => makeStateRoot(file)).toThrow(refusal("EEXIST"));
  expect(() => makeStateRoot(join(file, "below"))).toThrow(refusal("ENOTDIR"));
  expect(() => makeStateRoot("/proc/none/below")).toThrow(refusal("ENOENT"));
});
