import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { buildLayer, LayoutBuilder } from "../../packages/image/test/layout-builder.ts";
import type { Result } from "../harness/command.ts";
import { waitUntil } from "../harness/patience.ts";
import { Gate, Registry, TunnelProxy } from "../harness/registry.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ runtime: ["runlet"], program: "docker-registry" });
const { test } = e2e;
const user = { name: "jane", password: "s3cret:x" };

/** No credentials of whoever runs the tests. */
const clean = { XDG_CONFIG_HOME: "", XDG_RUNTIME_DIR: "/nonexistent", DOCKER_CONFIG: "", REGISTRY_AUTH_FILE: "" };

let open: Registry;
let closed: Registry;
let layout: LayoutBuilder;
beforeAll(async () => {
  if (e2e.unmet({ program: "docker-registry" }) !== undefined) return;
  open = await Registry.start(join(e2e.directory, "open"));
  closed = await Registry.start(join(e2e.directory, "closed"), { user, hasTls: true });
  layout = buildImages(join(e2e.directory, "layout"));
  await skopeo("copy", "--dest-tls-verify=false", from("web"), `docker://${open.host}/demo/web:1`);
});
afterAll(async () => {
  await open?.[Symbol.asyncDispose]();
  await closed?.[Symbol.asyncDispose]();
});

/** Two images over one base, and an index for two platforms. */
function buildImages(directory: string): LayoutBuilder {
  const builder = new LayoutBuilder(directory);
  const base = buildLayer({ path: "etc" }, { path: "etc/base", content: "base" });
  const web = buildLayer({ path: "srv" }, { path: "srv/noise", content: randomBytes(3_000_000) });
  const api = buildLayer({ path: "srv" }, { path: "srv/api", content: "api" });
  const arm64 = { os: "linux", architecture: "arm64", variant: "v8" };
  const amd64 = { os: "linux", architecture: "amd64" };
  const forArm = builder.image({ layers: [buildLayer({ path: "arm" })], platform: arm64 });
  const forAmd = builder.image({ layers: [base], platform: amd64 });
  const both = builder.index([
    { ...forArm, platform: arm64 },
    { ...forAmd, platform: amd64 },
  ]);
  builder.list(builder.image({ layers: [base, web] }), "web").list(builder.image({ layers: [base, api] }), "api");
  return builder.list(both, "both");
}

const from = (tag: string) => `oci:${layout.hostPath}:${tag}`;

async function skopeo(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("skopeo", ["--insecure-policy", ...args], { encoding: "utf8" });
  return stdout;
}

function digestOf(tag: string): string {
  const index = JSON.parse(readFileSync(join(layout.hostPath, "index.json"), "utf8"));
  const found = index.manifests.find(
    (manifest: { annotations: Record<string, string> }) =>
      manifest.annotations["org.opencontainers.image.ref.name"] === tag,
  );
  return found.digest;
}

let stores = 0;
/** A store of the running test's own: gives what runs `runlet image` with it. */
function openStore() {
  const hostPath = join(e2e.directory, `store-${stores++}`);
  const run = (command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Result> =>
    e2e.runtime.invoke(["image", command, "--store", hostPath, ...args], {
      env: { ...clean, HOME: e2e.directory, ...env },
    });
  const succeed = async (command: string, ...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await run(command, args);
    if (status !== 0) throw new Error(`image ${command} ${args.join(" ")}: ${stderr}`);
    return stdout.trimEnd();
  };
  return { hostPath, run, succeed };
}

/** Size of the files of a directory, which need not be there. */
function bytesBelow(hostPath: string): number {
  const names = existsSync(hostPath) ? readdirSync(hostPath) : [];
  const sizes = names.map((name) => statSync(join(hostPath, name), { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe("pull", () => {
  test("what skopeo has pushed", { program: "skopeo" }, async () => {
    const store = openStore();
    const name = `${open.host}/demo/web:1`;
    expect(await store.succeed("pull", name)).toBe(`${name}@${digestOf("web")}`);
    const image = JSON.parse(await store.succeed("inspect", name));
    expect(image).toMatchObject({ name, descriptor: { digest: digestOf("web") }, layers: [{}, { isUnpacked: true }] });
  });

  test("says on standard output only what programs read, a line of JSON for each step", {
    program: "skopeo",
  }, async () => {
    const store = openStore();
    const lines = (await store.succeed("pull", "--json", `${open.host}/demo/web:1`))
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ step: "done", image: digestOf("web") });
    const ends = lines.filter(({ step, doneBytes, totalBytes }) => step === "download" && doneBytes === totalBytes);
    expect(ends.length).toBe(3);
    expect(
      lines.filter(({ step, doneBytes, totalBytes }) => step === "unpack" && doneBytes === totalBytes).length,
    ).toBe(2);
  });

  test("goes on where a pull was killed", { program: "skopeo" }, async () => {
    const store = openStore();
    await using gate = await Gate.open(open.host);
    gate.stopAfterBytes = 1_500_000;
    const name = `${gate.host}/demo/web:1`;
    const call = e2e.runtime.start(["image", "pull", "--store", store.hostPath, name], {
      env: { ...clean, HOME: e2e.directory },
    });
    await waitUntil({
      look: () => bytesBelow(join(store.hostPath, "partial")),
      until: (bytes) => bytes > 500_000,
      complain: (bytes) => `${bytes} bytes have arrived: ${call.stderr()}`,
    });
    call.child.kill("SIGKILL");
    await call.ended;
    const usage = JSON.parse(await store.succeed("du", "--json"));
    expect(usage.partialBytes).toBeGreaterThan(500_000);
    gate.passedBytes = 0;
    gate.stopAfterBytes = Number.POSITIVE_INFINITY;
    await store.succeed("pull", name);
    expect(gate.passedBytes).toBeLessThan(2_700_000);
    expect(JSON.parse(await store.succeed("inspect", name)).descriptor.digest).toBe(digestOf("web"));
  });

  test("gives a registry up that keeps silent, and leaves the store unharmed", { program: "skopeo" }, async () => {
    const store = openStore();
    await using gate = await Gate.open(open.host);
    gate.stopAfterBytes = 0;
    const { status, stderr } = await store.run("pull", ["--timeout", "200ms", `${gate.host}/demo/web:1`]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("no answer for 0.2 s")]);
    expect(await store.succeed("ls", "-q")).toBe("");
  });

  test("what is not there", async () => {
    const store = openStore();
    const { status, stderr } = await store.run("pull", [`${open.host}/demo/web:2`]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("404, not found")]);
  });
});

describe("push", () => {
  test("what skopeo then reads, byte for byte", { program: "skopeo" }, async () => {
    const store = openStore();
    await store.succeed("pull", from("web"), "--name", "web");
    const name = `${open.host}/pushed/web:2`;
    expect(await store.succeed("push", "web", name)).toBe(`${name}@${digestOf("web")}`);
    const back = join(e2e.directory, "back");
    await skopeo("copy", "--src-tls-verify=false", `docker://${name}`, `oci:${back}:web`);
    expect(JSON.parse(readFileSync(join(back, "index.json"), "utf8")).manifests[0].digest).toBe(digestOf("web"));
    expect(await e2e.runtime.succeed(["image", "tags", `${open.host}/pushed/web`]).then(({ stdout }) => stdout)).toBe(
      "2\n",
    );
  });

  test("in chunks", { program: "skopeo" }, async () => {
    const store = openStore();
    await store.succeed("pull", from("web"), "--name", "web");
    const name = `${open.host}/chunked/web:1`;
    await store.succeed("push", "--chunk-size", "700k", "web", name);
    expect(JSON.parse(await skopeo("inspect", "--tls-verify=false", `docker://${name}`)).Digest).toBe(digestOf("web"));
  });

  test("sends nothing that is there, nor what another repository has", { program: "skopeo" }, async () => {
    const store = openStore();
    await store.succeed("pull", from("web"), "--name", `${open.host}/near/web:1`);
    await store.succeed("pull", from("api"), "--name", "api");
    await store.succeed("push", `${open.host}/near/web:1`);
    const lines = (await store.succeed("push", "--json", "api", `${open.host}/near/api:1`))
      .split("\n")
      .map((line) => JSON.parse(line));
    // The base came from the other repository, the layer above and the configuration from here.
    expect(lines.filter(({ step }) => step === "present").length).toBe(1);
    expect(lines.filter(({ step }) => step === "upload").length).toBe(2);
    const again = (await store.succeed("push", "--json", "api", `${open.host}/near/api:1`))
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(again.filter(({ step }) => step === "upload").length).toBe(0);
    expect(JSON.parse(await skopeo("inspect", "--tls-verify=false", `docker://${open.host}/near/api:1`)).Digest).toBe(
      digestOf("api"),
    );
  });

  test("of Docker's format keeps it in a registry, and gets the specification's in a layout, which is said", {
    program: "skopeo",
  }, async () => {
    const name = `${open.host}/docker/web:1`;
    await skopeo("copy", "--dest-tls-verify=false", "--format", "v2s2", from("web"), `docker://${name}`);
    const store = openStore();
    const pulled = await store.succeed("pull", name);
    expect(await store.succeed("push", name, `${open.host}/docker/again:1`)).toBe(
      pulled.replace("docker/web", "docker/again"),
    );
    const directory = join(e2e.directory, "converted");
    const { status, stdout, stderr } = await store.run("push", [name, `oci:${directory}:web`]);
    expect([status, stderr]).toEqual([0, expect.stringContaining("was converted and has the digest sha256:")]);
    const digest = stdout.trim().split("@")[1];
    expect(JSON.parse(await skopeo("inspect", `oci:${directory}:web`)).Digest).toBe(digest);
    const archive = join(e2e.directory, "converted.tar");
    const exported = await store.run("export", ["--output", archive, name]);
    expect([exported.status, exported.stderr]).toEqual([0, expect.stringContaining(`has the digest ${digest}`)]);
    expect(JSON.parse(await skopeo("inspect", `oci-archive:${archive}`)).Digest).toBe(digest);
  });

  test("an index with all its platforms, and one platform of it", { program: "skopeo" }, async () => {
    const store = openStore();
    await store.succeed("pull", "--all-platforms", from("both"), "--name", "both");
    await store.succeed("push", "--all-platforms", "both", `${open.host}/multi/both:1`);
    const raw = await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${open.host}/multi/both:1`);
    expect(JSON.parse(raw).manifests.map(({ platform }: { platform: object }) => platform)).toMatchObject([
      { architecture: "arm64" },
      { architecture: "amd64" },
    ]);
    const other = openStore();
    await other.succeed("pull", "--platform", "linux/arm64", `${open.host}/multi/both:1`);
    const image = JSON.parse(await other.succeed("inspect", "--platform", "arm64", `${open.host}/multi/both:1`));
    expect(image.configuration.architecture).toBe("arm64");
    const { status, stderr } = await other.run("pull", ["--platform", "linux/s390x", `${open.host}/multi/both:1`]);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/no image for linux\/s390x.*linux\/arm64/)]);
    const both = await store.run("push", ["--platform", "arm64", "--all-platforms", "both", `${open.host}/multi/x:1`]);
    expect([both.status, both.stderr]).toEqual([1, expect.stringContaining("exclude each other")]);
    await store.succeed("push", "--platform", "linux/arm64", "both", `${open.host}/multi/arm:1`);
    expect(
      JSON.parse(await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${open.host}/multi/arm:1`)).layers
        .length,
    ).toBe(1);
  });
});

test("an index with nothing for this machine is pulled and pushed", { program: "skopeo" }, async () => {
  const builder = new LayoutBuilder(join(e2e.directory, "foreign"));
  const platform = { os: "linux", architecture: "s390x" };
  const image = builder.image({ layers: [buildLayer({ path: "far" })], platform });
  const index = builder.index([{ ...image, platform }]);
  builder.list(index, "foreign");
  const store = openStore();
  await store.succeed("pull", "--all-platforms", `oci:${builder.hostPath}:foreign`, "--name", "foreign");
  const name = `${open.host}/foreign/image:1`;
  expect(await store.succeed("push", "--all-platforms", "foreign", name)).toBe(`${name}@${index.digest}`);
  const raw = await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${name}`);
  expect(JSON.parse(raw).manifests[0].digest).toBe(image.digest);
  const { status, stderr } = await store.run("push", ["foreign", name]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("choose one that it has: linux/s390x")]);
});

describe("a registry with TLS and users", () => {
  const destination = () => `${closed.host}/private/api:1`;
  const access = () => ["--ca-file", closed.certificatePath];

  test("is pushed to and pulled from with credentials on the command line", async () => {
    const store = openStore();
    await store.succeed("pull", from("api"), "--name", "api");
    await store.succeed("push", ...access(), "--creds", `${user.name}:${user.password}`, "api", destination());
    const other = openStore();
    await other.succeed("pull", "--tls-verify=false", "--creds", `${user.name}:${user.password}`, destination());
    expect(await other.succeed("ls", "-q")).toBe(destination());
  });

  test("with credentials that skopeo has stored, or a helper knows", { program: "skopeo" }, async () => {
    const store = openStore();
    await store.succeed("pull", from("api"), "--name", "api");
    const authFile = join(e2e.directory, "auth.json");
    const login = ["--authfile", authFile, "--tls-verify=false", "--username", user.name, "--password", user.password];
    const missing = await store.run("push", [...access(), "--authfile", authFile, "api", destination()]);
    expect([missing.status, missing.stderr]).toEqual([1, expect.stringContaining("cannot read the credentials in")]);
    await skopeo("login", ...login, closed.host);
    await store.succeed("push", ...access(), "--authfile", authFile, "api", destination());

    const home = join(e2e.directory, "home");
    mkdirSync(join(home, ".docker"), { recursive: true });
    writeFileSync(join(home, ".docker/config.json"), JSON.stringify({ credHelpers: { [closed.host]: "e2e" } }));
    const helper = join(home, "docker-credential-e2e");
    const answer = JSON.stringify({ Username: user.name, Secret: user.password });
    writeFileSync(helper, `#!/bin/sh\n[ "$1 $(cat)" = "get ${closed.host}" ] && printf '%s' '${answer}'\n`);
    chmodSync(helper, 0o755);
    const { status, stderr } = await store.run("pull", [...access(), "--name", "again", destination()], {
      HOME: home,
      PATH: `${home}:${process.env.PATH}`,
    });
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("refuses who has none, or wrong ones", async () => {
    const store = openStore();
    const nobody = await store.run("pull", [...access(), destination()]);
    expect([nobody.status, nobody.stderr]).toEqual([
      1,
      expect.stringContaining("wants credentials, and there are none"),
    ]);
    expect(nobody.stderr).toContain("log in to");
    const wrong = await store.run("pull", [...access(), "--creds", "jane:wrong", destination()]);
    expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining("401, unauthorized")]);
    expect(wrong.stderr).not.toContain("wrong");
  });

  test("is reached through a proxy, which sees no credentials but its own", async () => {
    const store = openStore();
    await using proxy = await TunnelProxy.open(closed.host);
    const environment = { HTTPS_PROXY: `http://proxy:word@${proxy.host}`, NO_PROXY: "", no_proxy: "", https_proxy: "" };
    await store.succeed("pull", from("api"), "--name", "api");
    const args = [...access(), "--creds", `${user.name}:${user.password}`];
    const pushed = await store.run("push", [...args, "api", "registry.test/proxied/api:1"], environment);
    expect([pushed.status, pushed.stderr]).toEqual([0, ""]);
    const pulled = await openStore().run("pull", [...args, "registry.test/proxied/api:1"], environment);
    expect([pulled.status, pulled.stderr]).toEqual([0, ""]);
    const basic = `Basic ${Buffer.from("proxy:word").toString("base64")}`;
    expect(new Set(proxy.seen)).toEqual(new Set([`registry.test:443 ${basic}`]));
  });

  test("is not trusted without its certificate, and never talked to in plain", async () => {
    const store = openStore();
    const { status, stderr } = await store.run("pull", ["--creds", `${user.name}:${user.password}`, destination()]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/self.signed certificate.*give the certificate authority/),
    ]);
    const missing = await store.run("pull", ["--ca-file", "/proc/nonexistent", destination()]);
    expect([missing.status, missing.stderr]).toEqual([1, expect.stringContaining("cannot read the certificates")]);
  });
});
