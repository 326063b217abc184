import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { authFilePaths } from "./auth-file.ts";
import { askHelper } from "./credential-helper.ts";
import { fixedCredentials, storedCredentials } from "./credential-store.ts";
import type { Credentials } from "./credentials.ts";

let directory: string;
const searchPath = process.env.PATH;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runlet-credentials-"));
  process.env.PATH = `${directory}:${searchPath}`;
});
afterEach(() => {
  process.env.PATH = searchPath;
  rmSync(directory, { recursive: true });
});

const auth = (text: string) => ({ auth: Buffer.from(text).toString("base64") });

/** No credentials of whoever runs the tests. */
const none = { XDG_RUNTIME_DIR: "/nonexistent" };

function lookUp(document: unknown, host = "r.example", repository = "a/b"): Promise<Credentials | undefined> {
  writeFileSync(join(directory, "config.json"), typeof document === "string" ? document : JSON.stringify(document));
  return storedCredentials({ ...none, DOCKER_CONFIG: directory })({ host, repository });
}

function install(name: string, script: string): void {
  const file = join(directory, `docker-credential-${name}`);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

const jane = { kind: "password", username: "jane", password: "a:b" };

describe("an auth file", () => {
  test.each(["r.example", "https://r.example", "https://r.example/v2/", "http://r.example/v1/", "r.example/"])(
    "has a key %j for the host",
    async (key) => {
      expect(await lookUp({ auths: { [key]: auth("jane:a:b") } })).toEqual(jane);
    },
  );

  test.each(["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io", "index.docker.io"])(
    "has a key %j for Docker Hub",
    async (key) => {
      expect(await lookUp({ auths: { [key]: auth("jane:a:b") } }, "docker.io", "library/x")).toEqual(jane);
    },
  );

  test("is read by the most exact key", async () => {
    const auths = { "r.example": auth("host:1"), "r.example/a": auth("part:2"), "r.example/a/b": auth("whole:3") };
    const usernameOf = async (repository: string) => {
      const found = await lookUp({ auths }, "r.example", repository);
      return found?.kind === "password" ? found.username : undefined;
    };
    expect(await Promise.all(["a/b", "a/c", "x", "ab"].map(usernameOf))).toEqual(["whole", "part", "host", "host"]);
  });

  test.each([
    ["user and password", { username: "jane", password: "a:b" }, jane],
    ["an identity token", { ...auth("jane:"), identitytoken: "refresh" }, { kind: "identityToken", token: "refresh" }],
    ["a registry token", { registrytoken: "token" }, { kind: "registryToken", token: "token" }],
    ["nothing", {}, undefined],
    ["what is no entry", 5, undefined],
  ])("may hold %s", async (_name, entry, credentials) => {
    expect(await lookUp({ auths: { "r.example": entry } })).toEqual(credentials);
  });

  test("says nothing of other hosts", async () => {
    expect(await lookUp({ auths: { "r.example.org": auth("jane:x"), example: auth("jane:x") } })).toBeUndefined();
  });

  test.each([
    ["no JSON", "{", "are no JSON object"],
    ["a list", "[]", "are no JSON object"],
    ["no colon", { auths: { "r.example": auth("jane") } }, "is not base64 of user:password"],
  ])("with %s is refused", async (_name, document, message) => {
    await expect(lookUp(document)).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
      message: expect.stringContaining(message),
    });
  });

  test("that cannot be read is refused, one that is missing is not", async () => {
    mkdirSync(join(directory, "config.json"));
    const source = storedCredentials({ ...none, DOCKER_CONFIG: directory });
    await expect(source({ host: "h", repository: "r" })).rejects.toMatchObject({ errno: "EISDIR" });
    expect(
      await storedCredentials({ ...none, DOCKER_CONFIG: "/nonexistent" })({ host: "h", repository: "r" }),
    ).toBeUndefined();
    expect(await storedCredentials(none)({ host: "h", repository: "r" })).toBeUndefined();
  });

  test("is looked for where Docker and Podman keep theirs; one that is named is the only one", () => {
    expect(authFilePaths({ HOME: "/h", XDG_RUNTIME_DIR: "/r" })).toEqual([
      "/r/containers/auth.json",
      "/h/.config/containers/auth.json",
      "/h/.docker/config.json",
    ]);
    expect(authFilePaths({ HOME: "/h" }, 0)[0]).toBe("/run/containers/0/auth.json");
    expect(authFilePaths({ HOME: "/h", XDG_RUNTIME_DIR: "/r" }, 0)[0]).toBe("/r/containers/auth.json");
    expect(authFilePaths({ HOME: "/h", DOCKER_CONFIG: "/d", XDG_CONFIG_HOME: "/c" })).toEqual([
      "/c/containers/auth.json",
      "/d/config.json",
    ]);
    expect(authFilePaths({ HOME: "/h", REGISTRY_AUTH_FILE: "/a.json" })).toEqual(["/a.json"]);
  });

  test("is the next one's turn when the first says nothing", async () => {
    mkdirSync(join(directory, "containers"));
    writeFileSync(join(directory, "containers/auth.json"), '{"auths":{}}');
    writeFileSync(join(directory, "config.json"), JSON.stringify({ auths: { "r.example": auth("jane:a:b") } }));
    const source = storedCredentials({ XDG_RUNTIME_DIR: directory, DOCKER_CONFIG: directory });
    expect(await source({ host: "r.example", repository: "x" })).toEqual(jane);
  });
});

describe("a credential helper", () => {
  const answer = `printf '{"ServerURL":"x","Username":"jane","Secret":"a:b"}'`;

  test("is asked for the host alone, on its standard input", async () => {
    install("test", `[ "$1" = get ] && [ "$(cat)" = r.example ] && ${answer}`);
    expect(await lookUp({ credHelpers: { "r.example": "test" } })).toEqual(jane);
  });

  test("knows Docker Hub by its old address", async () => {
    install("test", `[ "$(cat)" = https://index.docker.io/v1/ ] && ${answer}`);
    expect(await lookUp({ credsStore: "test" }, "docker.io", "library/x")).toEqual(jane);
  });

  test("of one host precedes the one for all", async () => {
    install("mine", answer);
    expect(await lookUp({ credsStore: "missing", credHelpers: { "r.example": "mine" } })).toEqual(jane);
  });

  test("that knows nothing leaves the word to the file", async () => {
    install("test", 'echo "credentials not found in native keychain"; exit 1');
    expect(await lookUp({ credsStore: "test", auths: { "r.example": auth("jane:a:b") } })).toEqual(jane);
    expect(await lookUp({ credsStore: "test" })).toBeUndefined();
  });

  test("may give an identity token", async () => {
    install("test", `printf '{"Username":"<token>","Secret":"refresh"}'`);
    expect(await lookUp({ credsStore: "test" })).toEqual({ kind: "identityToken", token: "refresh" });
  });

  test("need not read its input", async () => {
    install("test", `exec 0<&-; ${answer}`);
    expect(await lookUp({ credsStore: "test" })).toEqual(jane);
  });

  test.each([
    ["that fails", 'echo "secret" >&2; exit 3', 'failed for "r.example" with exit status 3'],
    ["that says no JSON", "echo secret", "gave no credentials in JSON"],
    ["that says no secret", `echo '{"Username":"secret"}'`, "gave no credentials in JSON"],
    ["that never ends to speak", "yes secret", "is too long"],
  ])("%s is an error, without what it said", async (_name, script, message) => {
    install("test", script);
    const error: Error = await lookUp({ credsStore: "test" }).then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    expect(error).toMatchObject({ code: "ERR_RUNLET_REGISTRY", message: expect.stringContaining(message) });
    expect(error.message).not.toContain("secret");
  });

  test.each(["missing", "../evil", "a b", "", "/bin/sh"])("%j is an error", async (name) => {
    await expect(askHelper({ name, server: "x", timeoutMs: 60_000 })).rejects.toMatchObject({
      code: "ERR_RUNLET_REGISTRY",
    });
  });

  test("that keeps silent is ended", async () => {
    install("test", "exec sleep 60");
    await expect(askHelper({ name: "test", server: "x", timeoutMs: 100 })).rejects.toMatchObject({
      code: "ERR_RUNLET_TIMEOUT",
    });
  });

  test("ends by the signal", async () => {
    install("test", "exec sleep 60");
    const signal = AbortSignal.timeout(100);
    await expect(askHelper({ name: "test", server: "x", timeoutMs: 60_000, signal })).rejects.toMatchObject({
      code: "ERR_RUNLET_ABORTED",
    });
  });
});

test("credentials that were given are for their host alone", async () => {
  const source = fixedCredentials("r.example", jane as Credentials);
  expect(await source({ host: "r.example", repository: "x" })).toEqual(jane);
  expect(await source({ host: "mirror.example", repository: "x" })).toBeUndefined();
});
