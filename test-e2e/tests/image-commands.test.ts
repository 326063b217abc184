import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect } from "vitest";
import { buildLayer, LayoutBuilder } from "../../packages/image/test/layout-builder.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ runtime: ["runlet"] });
const { test } = e2e;

let layout: LayoutBuilder;
let store = "";
beforeAll(async () => {
  if (e2e.unmet({ runtime: ["runlet"] }) !== undefined) return;
  layout = buildImages(join(e2e.directory, "layout"));
  store = join(e2e.directory, "store");
  await succeed("import", layout.hostPath);
});

/** Three images over one base of 100 kB, one of which adds nothing to it. */
function buildImages(directory: string): LayoutBuilder {
  const builder = new LayoutBuilder(directory);
  const base = buildLayer(
    { path: "etc" },
    { path: "etc/name", content: "base" },
    { path: "big", content: "x".repeat(100_000) },
  );
  const web = buildLayer({ path: "etc/name", content: "web" }, { path: "srv" }, { path: "srv/index", content: "hi" });
  const api = buildLayer({ path: "etc/.wh.name", content: "" }, { path: "api\u0001", content: "api" });
  builder.list(builder.image({ layers: [base], config: { Cmd: ["/bin/sh"] } }), "example.com/base:1");
  builder.list(builder.image({ layers: [base, web] }), "example.com/web:1");
  return builder.list(builder.image({ layers: [base, api] }), "example.com/api:1");
}

async function succeed(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await e2e.runtime.succeed(["image", command, "--store", store, ...args]);
  return stdout.trimEnd();
}

/** The message of a call that must fail. */
async function fail(command: string, ...args: string[]): Promise<string> {
  const { status, stderr } = await e2e.runtime.invoke(["image", command, "--store", store, ...args]);
  expect(status).toBe(1);
  return stderr;
}

describe("the list", () => {
  test("is a table for people, JSON for programs, or names alone", async () => {
    const rows = (await succeed("ls")).split("\n").map((line) => line.split(/ {2,}/));
    expect(rows[0]).toEqual(["NAME", "DIGEST", "PLATFORM", "LAYERS", "SIZE"]);
    expect(rows.slice(1).map(([name, digest, platform, layers]) => [name, digest?.length, platform, layers])).toEqual([
      ["example.com/api:1", 12, "linux/amd64", "2"],
      ["example.com/base:1", 12, "linux/amd64", "1"],
      ["example.com/web:1", 12, "linux/amd64", "2"],
    ]);
    expect(JSON.parse(await succeed("ls", "--json"))).toMatchObject([
      { name: "example.com/api:1", layers: 2 },
      { name: "example.com/base:1", layers: 1, mediaType: "application/vnd.oci.image.manifest.v1+json" },
      { name: "example.com/web:1" },
    ]);
    expect(await succeed("ls", "-q")).toBe("example.com/api:1\nexample.com/base:1\nexample.com/web:1");
  });

  test("keeps an image's own words from driving the terminal", async () => {
    const other = join(e2e.directory, "evil");
    const builder = new LayoutBuilder(join(e2e.directory, "evil-layout"));
    const platform = { os: "linux", architecture: "x\u001b[2J" };
    builder.list(builder.image({ layers: [buildLayer({ path: "etc" })], platform }), "evil");
    await e2e.runtime.succeed(["image", "pull", "--store", other, `oci:${builder.hostPath}:evil`]);
    const { stdout } = await e2e.runtime.succeed(["image", "ls", "--store", other]);
    expect(stdout).toContain("linux/x\\u001b[2J");
    expect(stdout).not.toContain("\u001b");
  });

  test("gains and loses names", async () => {
    await succeed("tag", "example.com/base:1", "again");
    expect(await succeed("ls", "-q")).toContain("docker.io/library/again:latest");
    await succeed("rm", "again");
    expect(await succeed("ls", "-q")).not.toContain("again");
    expect(await fail("rm", "again")).toContain("there is no image");
    expect(await fail("tag", "example.com/base:1", "UPPER")).toContain("upper-case");
    expect(await fail("rm")).toContain("which image is to be removed?");
  });
});

describe("the tree", () => {
  test("shows where images part", async () => {
    const lines = (await succeed("tree")).split("\n");
    expect(lines.map((line) => line.replace(/[0-9a-f]{12} {2}\S+ \S+/, "LAYER"))).toEqual([
      "● LAYER  in 3 images  ◂ example.com/base:1",
      "├─ ● LAYER  ◂ example.com/api:1",
      "└─ ● LAYER  ◂ example.com/web:1",
    ]);
  });

  test("of some images only", async () => {
    expect((await succeed("tree", "example.com/web:1")).split("\n").length).toBe(2);
    expect(await fail("tree", "nope")).toContain("there is no image");
  });

  test("as SVG and as JSON", { program: "xmllint" }, async () => {
    const file = join(e2e.directory, "tree.svg");
    await succeed("tree", "--svg", file);
    expect(readFileSync(file, "utf8")).toBe(`${await succeed("tree", "--svg", "-")}\n`);
    // A parser of XML takes it, and finds every layer, every name and every edge.
    const count = async (path: string) =>
      Number((await promisify(execFile)("xmllint", ["--xpath", `count(//*[local-name()='${path}'])`, file])).stdout);
    expect([await count("g"), await count("path")]).toEqual([6, 5]);
    const { roots } = JSON.parse(await succeed("tree", "--json"));
    expect(roots).toMatchObject([{ uses: 3, images: ["example.com/base:1"], children: [{ uses: 1 }, { uses: 1 }] }]);
    expect(await fail("tree", "--svg", "/proc/nonexistent/x.svg")).toMatch(/cannot write the drawing.*ENOENT/);
  });
});

describe("what is taken", () => {
  test("agrees with du(1), and the saving with the base that is there once", async () => {
    const usage = JSON.parse(await succeed("du", "--json"));
    const { stdout } = await promisify(execFile)("du", ["-s", "-B1", join(store, "layers")]);
    const layersBytes = Number(/^\d+/.exec(stdout)?.[0]);
    expect(usage.layerBytes).toBeGreaterThan(100_000);
    expect(Math.abs(layersBytes - usage.layerBytes)).toBeLessThan(64 * 1024);
    const base = Math.max(...usage.layers.map(({ diskBytes }: { diskBytes: number }) => diskBytes));
    expect(usage).toMatchObject({ images: 3, savedBytes: 2 * base, bundleBytes: usage.sharedBytes + 2 * base });
    expect(await succeed("du")).toMatch(new RegExp(`^saved +${2 * base} bytes  \\d+ KiB$`, "m"));
  });

  test("shrinks when nothing needs it", async () => {
    const other = join(e2e.directory, "other");
    const run = (...args: string[]) =>
      e2e.runtime.succeed(["image", ...args, "--store", other]).then(({ stdout }) => stdout);
    await run("import", layout.hostPath);
    await run("rm", "example.com/web:1");
    const before = JSON.parse(await run("du", "--json"));
    const promised = JSON.parse(await run("gc", "--dry-run", "--json"));
    expect(JSON.parse(await run("du", "--json"))).toEqual(before);
    const done = JSON.parse(await run("gc", "--json"));
    expect(done).toEqual(promised);
    expect([done.layers.length, done.blobs.length]).toEqual([1, 3]);
    const after = JSON.parse(await run("du", "--json"));
    expect([after.layers.length, after.blobs.length]).toEqual([2, before.blobs.length - 3]);
    expect(await run("gc")).toBe("removed 0 blobs, 0 unpacked layers and 0 leftovers: 0 B\n");
    await run("rm", "example.com/api:1", "example.com/base:1");
    expect(await run("gc")).toMatch(/^removed \d+ blobs, 2 unpacked layers/);
    expect(JSON.parse(await run("du", "--json"))).toMatchObject({
      blobBytes: 0,
      layerBytes: 0,
      partialBytes: 0,
      savedBytes: 0,
    });
  });
});

describe("a comparison", () => {
  test("of two images says what was added, changed and deleted", async () => {
    expect((await succeed("diff", "example.com/base:1", "example.com/web:1")).split("\n").sort()).toEqual([
      "A /srv",
      "A /srv/index",
      "C /etc/name",
    ]);
    expect((await succeed("diff", "example.com/base:1", "example.com/api:1")).split("\n").sort()).toEqual([
      "A /api\\u0001",
      "D /etc/name",
    ]);
    expect(await succeed("diff", "example.com/web:1", "example.com/web:1")).toBe("");
    expect(JSON.parse(await succeed("diff", "--json", "example.com/base:1", "example.com/web:1"))).toContainEqual({
      kind: "modified",
      path: "/etc/name",
    });
  });
});

describe("archives", () => {
  for (const format of ["oci", "docker"] as const) {
    test(`of the format ${format} hold several images, and come back the same`, { program: "skopeo" }, async () => {
      const file = join(e2e.directory, `${format}.tar`);
      await succeed("export", "--format", format, "-o", file, "example.com/web:1", "example.com/base:1");
      const transport = format === "oci" ? "oci-archive" : "docker-archive";
      const args = ["inspect", "--config", `${transport}:${file}:example.com/base:1`];
      const { stdout } = await promisify(execFile)("skopeo", args);
      expect(JSON.parse(stdout).config.Cmd).toEqual(["/bin/sh"]);
      const other = join(e2e.directory, `from-${format}`);
      await e2e.runtime.succeed(["image", "import", "--store", other, file]);
      const list = await e2e.runtime.succeed(["image", "ls", "--json", "--store", other]);
      const here = JSON.parse(await succeed("ls", "--json"));
      expect(JSON.parse(list.stdout)).toEqual(here.slice(1));
    });
  }

  test("of umoci are read, and added to", { program: "umoci" }, async () => {
    const made = join(e2e.directory, "umoci");
    await promisify(execFile)("umoci", ["init", "--layout", made]);
    await promisify(execFile)("umoci", ["new", "--image", `${made}:empty`]);
    await succeed("pull", `oci:${made}:empty`);
    expect(JSON.parse(await succeed("inspect", "localhost/umoci:empty")).layers).toEqual([]);
    expect(await succeed("tree")).toContain("(no layers) localhost/umoci:empty");
    await succeed("push", "example.com/web:1", `oci:${made}:web`);
    const { stdout } = await promisify(execFile)("umoci", ["list", "--layout", made]);
    expect(stdout.split("\n").sort()).toEqual(["", "empty", "web"]);
    const bundle = join(e2e.directory, "umoci-bundle");
    await promisify(execFile)("umoci", ["unpack", "--image", `${made}:web`, bundle]);
    expect(readFileSync(join(bundle, "rootfs/etc/name"), "utf8")).toBe("web");
    await succeed("rm", "localhost/umoci:empty");
  });

  test("appear whole or not at all", async () => {
    const directory = join(e2e.directory, "exports");
    mkdirSync(directory);
    expect(await fail("export", "-o", join(directory, "x.tar"), "example.com/web:1", "nope")).toContain("no image");
    expect(readdirSync(directory)).toEqual([]);
    expect(await fail("export", "example.com/web:1")).toContain("--output is missing");
    expect(await fail("export", "-o", join(directory, "x.tar"))).toContain("which image is to be exported?");
    expect(existsSync(join(directory, "x.tar"))).toBe(false);
  });

  test("that are none are refused", async () => {
    const file = join(e2e.directory, "no.tar");
    writeFileSync(file, "no archive");
    expect(await fail("import", file)).toContain("no.tar");
    expect(await fail("pull", `oci-archive:${file}`)).toContain("no.tar");
    expect(await fail("pull", file)).toContain("is a path, not the name of an image");
    expect(await fail("pull", `dir:${file}`)).toContain("use docker://, oci:");
    expect(await fail("import", "--name", "x", layout.hostPath)).toContain("holds several images");
    expect(await fail("pull", "--platform", "linux/amd64", "--all-platforms", "x")).toContain("exclude each other");
    expect(await fail("push", "--creds", "jane", "example.com/web:1")).toContain("--creds wants USER:PASSWORD");
  });
});

describe("the group", () => {
  test("has help, and knows what was meant", async () => {
    for (const args of [["image"], ["image", "--help"], ["help", "image"]]) {
      expect((await e2e.runtime.succeed(args)).stdout).toContain("   pull     copy an image into the store\n");
    }
    expect((await e2e.runtime.succeed(["help", "image", "tree"])).stdout).toContain("--svg FILE");
    const { status, stderr } = await e2e.runtime.invoke(["image", "pul"]);
    expect([status, stderr]).toEqual([3, expect.stringContaining("did you mean image pull?")]);
  });

  test("makes no store where only its help is asked for", async () => {
    const home = join(e2e.directory, "home");
    mkdirSync(home);
    await e2e.runtime.succeed(["image", "ls", "--help"], { env: { HOME: home, XDG_DATA_HOME: home } });
    expect(readdirSync(home)).not.toContain("runlet");
    expect(statSync(store).mode & 0o066).toBe(0);
  });
});
