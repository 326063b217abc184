import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { RootDirectory } from "@runlet/rootfs";
import type { Spec } from "@runlet/spec";
import { describe, expect, onTestFinished, test } from "vitest";
import { buildLayer, buildLayout } from "../test/layout-builder.ts";
import { put, temporaryDirectory } from "../test/temporary.ts";
import { run, skopeoCopy, storageTool } from "../test/tools.ts";
import { listByUmoci, listImage, pullFile, scratch } from "../test/unpacked-image.ts";
import { ArchiveTarget } from "./archive/archive-target.ts";
import { createImageSpec, filesOf } from "./config/image-spec.ts";
import { copyImage } from "./copy.ts";
import { LayoutSource } from "./layout/layout-source.ts";
import { LayoutTarget } from "./layout/layout-target.ts";
import { ImageStore } from "./store/image-store.ts";

const capability = "0x0100000200200000000000000000000000000000";

/** Everything that a layer can carry. */
function fill(rootfs: string): void {
  put(rootfs, "etc/passwd", "root:x:0:0:::\n");
  put(rootfs, "usr/bin/tool", "#!/bin/sh\n", 0o755);
  put(rootfs, "usr/bin/ping", "ping", 0o755);
  execFileSync("setfattr", ["-n", "security.capability", "-v", capability, join(rootfs, "usr/bin/ping")]);
  put(rootfs, "usr/bin/suid", "suid");
  chownSync(join(rootfs, "usr/bin/suid"), 12345, 54321);
  chmodSync(join(rootfs, "usr/bin/suid"), 0o6755);
  linkSync(join(rootfs, "usr/bin/tool"), join(rootfs, "usr/bin/tool2"));
  symlinkSync("usr/bin", join(rootfs, "bin"));
  symlinkSync("/etc/../../../outside", join(rootfs, "etc/out"));
  chownSync(join(rootfs, "etc/passwd"), 3_000_000, 0);
  put(rootfs, "var/lib/data/deep/er/file", "x".repeat(300_000));
  put(rootfs, `long/${"n".repeat(200)}/${"m".repeat(200)}`, "long");
  put(rootfs, "unicode/ünï✓", "u");
  put(rootfs, "empty", "");
  writeFileSync(join(rootfs, "sparse"), "");
  truncateSync(join(rootfs, "sparse"), 5_000_000);
  mkdirSync(join(rootfs, "tmp"));
  chmodSync(join(rootfs, "tmp"), 0o1777);
  execFileSync("mknod", [join(rootfs, "null"), "c", "1", "3"]);
  execFileSync("mknod", [join(rootfs, "block"), "b", "259", "70000"]);
  execFileSync("mkfifo", [join(rootfs, "fifo")]);
  for (const [name, value] of [
    ["user.plain", "v"],
    ["user.binary", "0x00ff00"],
    ["trusted.t", "t"],
  ] as const)
    execFileSync("setfattr", ["-n", name, "-v", value, join(rootfs, "etc/passwd")]);
  utimesSync(join(rootfs, "empty"), 1, 1_234_567.891_234);
  lutimesSync(join(rootfs, "bin"), 5, 6);
  mkdirSync(join(rootfs, "gone/with/all"), { recursive: true });
  for (const name of ["a", "b", "c"]) put(rootfs, `replaced/${name}`, name);
}

/** What a second layer takes away, replaces and adds. */
function change(rootfs: string): void {
  rmSync(join(rootfs, "gone"), { recursive: true });
  rmSync(join(rootfs, "replaced"), { recursive: true });
  put(rootfs, "replaced/new", "new");
  rmSync(join(rootfs, "usr/bin/tool2"));
  rmSync(join(rootfs, "bin"));
  mkdirSync(join(rootfs, "bin"));
  put(rootfs, "bin/now-a-directory", "x");
  rmSync(join(rootfs, "var/lib/data"), { recursive: true });
  put(rootfs, "var/lib/data", "now a file");
  put(rootfs, "etc/added", "added");
  chmodSync(join(rootfs, "tmp"), 0o700);
}

/** An image of two layers by umoci. */
function buildByUmoci(): string {
  const layout = join(temporaryDirectory(), "layout");
  const bundle = join(temporaryDirectory(), "bundle");
  run("umoci", "init", "--layout", layout);
  run("umoci", "new", "--image", `${layout}:latest`);
  run("umoci", "unpack", "--image", `${layout}:latest`, bundle);
  fill(join(bundle, "rootfs"));
  run("umoci", "repack", "--refresh-bundle", "--image", `${layout}:latest`, bundle);
  change(join(bundle, "rootfs"));
  run("umoci", "repack", "--image", `${layout}:latest`, bundle);
  run("umoci", "config", "--image", `${layout}:latest`, "--config.cmd", "/bin/sh", "--config.user", "1:2");
  return layout;
}

describe("unpacked as by umoci, byte for byte", () => {
  test("an image by umoci", async () => {
    const layout = buildByUmoci();
    const { image, listing } = await listImage(layout, "latest");
    expect(image.layers).toHaveLength(2);
    expect(image.configuration.config).toMatchObject({ Cmd: ["/bin/sh"], User: "1:2" });
    expect(Object.keys(listing).length).toBeGreaterThan(25);
    expect(listing).toEqual(listByUmoci(layout, "latest"));
  });

  test("an image by buildah, in both formats", async () => {
    const buildah = storageTool("buildah");
    const rootfs = temporaryDirectory();
    fill(rootfs);
    const container = buildah("from", "scratch");
    buildah("copy", container, rootfs, "/");
    buildah("config", "--cmd", "/bin/tool", "--user", "7", "--env", "A=b", "--label", "l=1", container);
    for (const format of ["oci", "docker"]) {
      const archive = join(temporaryDirectory(), "image.tar");
      buildah("commit", "--quiet", "--format", format, container, `${format}-archive:${archive}:name:tag`);
      const layout = temporaryDirectory();
      skopeoCopy(`${format}-archive:${archive}`, `oci:${layout}:latest`);
      const { image, listing } = await listImage(archive);
      expect(image.configuration.config).toMatchObject({ Cmd: ["/bin/tool"], User: "7", Labels: { l: "1" } });
      expect(listing).toEqual(listByUmoci(layout, "latest"));
    }
  });

  test("an image of two layers by buildah, saved by podman in both formats", async () => {
    const storage = temporaryDirectory();
    const buildah = storageTool("buildah", storage);
    const base = buildah("from", "scratch");
    fill(buildah("mount", base));
    buildah("commit", "--quiet", base, "localhost/base");
    const container = buildah("from", "localhost/base");
    change(buildah("mount", container));
    buildah("commit", "--quiet", container, "localhost/saved");
    const podman = storageTool("podman", storage);
    for (const format of ["docker-archive", "oci-archive"]) {
      const archive = join(temporaryDirectory(), "image.tar");
      podman("save", "--quiet", "--format", format, "--output", archive, "localhost/saved:latest");
      const layout = temporaryDirectory();
      skopeoCopy(`${format}:${archive}`, `oci:${layout}:latest`);
      const { image, listing } = await listImage(archive);
      expect(image.layers).toHaveLength(2);
      expect(listing, format).toEqual(listByUmoci(layout, "latest"));
    }
  });

  test("layers compressed by zstd, and by nothing", async () => {
    const layout = buildByUmoci();
    const expected = listByUmoci(layout, "latest");
    const zstd = temporaryDirectory();
    skopeoCopy(`oci:${layout}:latest`, `oci:${zstd}:latest`, "--dest-compress-format", "zstd");
    const { image, listing } = await listImage(zstd);
    expect(image.layers.map(({ descriptor }) => descriptor.mediaType)).toEqual(
      Array(2).fill("application/vnd.oci.image.layer.v1.tar+zstd"),
    );
    expect(listing).toEqual(expected);
    const plain = temporaryDirectory();
    skopeoCopy(`oci:${layout}:latest`, `dir:${plain}`, "--dest-decompress");
    const unpacked = temporaryDirectory();
    skopeoCopy(`dir:${plain}`, `oci:${unpacked}:latest`, "--dest-decompress");
    expect((await listImage(unpacked)).listing).toEqual(expected);
  });
});

test("a config.json says what umoci's says", async () => {
  const layout = buildByUmoci();
  const image = `${layout}:latest`;
  const options = [
    ["--config.entrypoint", "/bin/init"],
    ["--config.cmd", "run"],
    ["--config.user", "root:0"],
    ["--config.workingdir", "/var/lib"],
    ["--config.env", "A=1"],
    ["--config.env", "PATH=/bin:/usr/bin"],
    ["--config.exposedports", "80/tcp"],
    ["--config.label", "mine=label"],
    ["--config.stopsignal", "SIGUSR1"],
    ["--author", "somebody"],
    ["--created", "2024-01-02T03:04:05Z"],
    ["--config.volume", "/var/volume"],
  ].flat();
  run("umoci", "config", "--image", image, ...options);
  const bundle = join(temporaryDirectory(), "bundle");
  run("umoci", "unpack", "--image", image, bundle);
  const theirs = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8")) as Spec;
  const store = await ImageStore.open({ hostPath: join(scratch(), "store") });
  const { configuration } = await pullFile(store, layout, "latest");
  const root = RootDirectory.open(join(bundle, "rootfs"));
  onTestFinished(() => root.close());
  const ours = createImageSpec({ configuration, files: filesOf(root) });
  expect(ours.process?.args).toEqual(theirs.process?.args);
  expect(ours.process?.cwd).toBe(theirs.process?.cwd);
  expect(ours.process?.user).toMatchObject({ uid: theirs.process?.user.uid, gid: theirs.process?.user.gid });
  expect(theirs.process?.env).toEqual(expect.arrayContaining(ours.process?.env ?? ["no environment"]));
  expect(ours.annotations).toMatchObject(theirs.annotations ?? { none: "" });
  const volumeOf = (spec: Spec) => spec.mounts?.find(({ destination }) => destination === "/var/volume")?.type;
  expect(volumeOf(ours)).toBe(volumeOf(theirs));
});

describe("what is written, read by others", () => {
  test("the store itself is an image layout", async () => {
    const layout = buildByUmoci();
    const hostPath = join(temporaryDirectory(), "store");
    const image = await pullFile(await ImageStore.open({ hostPath }), layout);
    const copied = temporaryDirectory();
    skopeoCopy(`oci:${hostPath}:docker.io/library/test:latest`, `oci:${copied}:copied`);
    expect(listByUmoci(copied, "copied")).toEqual(listByUmoci(layout, "latest"));
    expect(readdirSync(join(copied, "blobs/sha256"))).toContain(image.descriptor.digest.slice(7));
  });

  test("a layout, and archives of both formats", async () => {
    const layout = buildByUmoci();
    const expected = listByUmoci(layout, "latest");
    const directory = temporaryDirectory();
    const written = join(directory, "layout");
    await using from = await LayoutSource.open(layout);
    await using to = await LayoutTarget.open(written);
    await copyImage({ from, to, reference: "latest", targetReference: "v1" });
    expect(listByUmoci(written, "v1")).toEqual(expected);
    for (const format of ["oci", "docker"] as const) {
      const hostPath = join(directory, `${format}.tar`);
      await using archive = await ArchiveTarget.create({ hostPath, format });
      await copyImage({ from, to: archive, targetReference: "docker.io/library/name:v1" });
      await archive.finish();
      const copied = temporaryDirectory();
      const name = format === "oci" ? "docker.io/library/name:v1" : "name:v1";
      skopeoCopy(`${format}-archive:${hostPath}:${name}`, `oci:${copied}:latest`);
      expect(listByUmoci(copied, "latest"), format).toEqual(expected);
    }
    expect(readdirSync(directory).sort()).toEqual(["docker.tar", "layout", "oci.tar"]);
  });
});

describe("directories that a layer has no entry for", () => {
  test("are as in the layer below", async () => {
    const base = buildLayer(
      { path: "./", mode: 0o751 },
      { path: "a/", mode: 0o2711, uid: 7, gid: 8, mtime: { seconds: 1000, nanoseconds: 5 } },
      { path: "a/b/", mode: 0o700, xattrs: [{ name: Buffer.from("trusted.x"), value: Buffer.from("y") }] },
      { path: "link", type: "symbolic-link", linkTarget: "a" },
    );
    const upper = buildLayer({ path: "a/b/new", content: "x" }, { path: "only/here", content: "x" });
    const { hostPath } = buildLayout(temporaryDirectory(), { layers: [base, upper] });
    const { listing } = await listImage(hostPath);
    expect(listing["."]).toContain("mode=40751");
    expect(listing.a).toBe("mode=42711 uid=7 gid=8 mtime=1000000000005");
    expect(listing["a/b"]).toMatch(/^mode=40700 .* trusted\.x=0x79$/);
    expect(listing.only).toBe("mode=40755 uid=0 gid=0 mtime=0");
  });

  test("two unpackings give the same tree", async () => {
    const layers = [buildLayer({ path: "a/b/c", content: "x" }), buildLayer({ path: "d/e", content: "y" })];
    const { hostPath } = buildLayout(temporaryDirectory(), { layers });
    expect((await listImage(hostPath)).listing).toEqual((await listImage(hostPath)).listing);
  });
});

describe("hostile layers", () => {
  test("a layer does not write through a link of the one below", async () => {
    const outside = temporaryDirectory();
    put(outside, "victim", "untouched");
    const base = buildLayer(
      { path: "abs", type: "symbolic-link", linkTarget: outside },
      { path: "rel", type: "symbolic-link", linkTarget: "../".repeat(30) + outside.slice(1) },
      { path: "file", type: "symbolic-link", linkTarget: join(outside, "victim") },
    );
    const upper = buildLayer(
      { path: "abs/victim", content: "written" },
      { path: "rel/victim", content: "written" },
      { path: "file", content: "written" },
      { path: "abs/.wh.victim", content: "" },
      { path: "rel/.wh..wh..opq", content: "" },
    );
    const { hostPath } = buildLayout(temporaryDirectory(), { layers: [base, upper] });
    const { listing } = await listImage(hostPath);
    expect(readdirSync(outside)).toEqual(["victim"]);
    expect(readFileSync(join(outside, "victim"), "utf8")).toBe("untouched");
    // As with Docker: a directory of the upper layer stands in place of the link.
    expect(listing.abs).toMatch(/^mode=4/);
    expect(listing["abs/victim"]).toMatch(/^mode=10/);
  });

  test("a layer brings no whiteouts in overlayfs's own form beside its entries", async () => {
    const overlayXattr = { name: Buffer.from("trusted.overlay.opaque"), value: Buffer.from("y") };
    const base = buildLayer({ path: "d/" }, { path: "d/below", content: "x" });
    const upper = buildLayer({ path: "d/", xattrs: [overlayXattr] });
    const { hostPath } = buildLayout(temporaryDirectory(), { layers: [base, upper] });
    expect(Object.keys((await listImage(hostPath)).listing)).toContain("d/below");
  });
});
