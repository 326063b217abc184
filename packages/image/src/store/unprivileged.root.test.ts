import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { buildLayer, buildLayout } from "../../test/layout-builder.ts";
import { temporaryDirectory } from "../../test/temporary.ts";
import { MergedTree } from "../layers/merged-tree.ts";
import { LayoutSource } from "../layout/layout-source.ts";
import { createSnapshot } from "../snapshot/snapshot.ts";
import { ImageStore } from "./image-store.ts";
import { defaultStoreHostPath } from "./store-privileges.ts";

const require = createRequire(import.meta.url);
const bun = join(dirname(require.resolve("@oven/bun-linux-x64/package.json")), "bin/bun");
const repository = resolve(import.meta.dirname, "../../../..");
const nobody = 65534;
let home = "";
let layout = "";

const base = buildLayer(
  { path: "etc/", mode: 0o500, uid: 0, gid: 0 },
  { path: "etc/shadow", mode: 0, uid: 0, gid: 42, content: "secret" },
  { path: "old/file", content: "old" },
  { path: "gone", content: "gone" },
  { path: "null", type: "character-device", deviceMajor: 1, deviceMinor: 3 },
  { path: "foreign", uid: 5000, gid: 7, content: "" },
  { path: "tool", mode: 0o4755, uid: 0, gid: 0, content: "tool" },
);
const upper = buildLayer(
  { path: "etc/added", content: "added" },
  { path: ".wh.gone", content: "" },
  { path: "old/", mode: 0o755 },
  { path: "old/.wh..wh..opq", content: "" },
);

/** What is loaded when it is needed is loaded by root: the repository may lie where no other user may look. */
beforeAll(async () => {
  const directory = mkdtempSync(join(tmpdir(), "runlet-loading-"));
  try {
    const linking = buildLayer({ path: "tool2", type: "hard-link", linkTarget: "tool" });
    const store = await ImageStore.open({ hostPath: join(directory, "store") });
    await using source = await LayoutSource.open(
      buildLayout(join(directory, "layout"), { layers: [base, upper, linking] }).hostPath,
    );
    await store.unpack(await store.pull({ source, name: "loading" }));
    await store.remove("loading");
    await store.gc();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
beforeEach(() => {
  home = temporaryDirectory();
  layout = buildLayout(temporaryDirectory(), { layers: [base, upper] }).hostPath;
  for (const hostPath of [home, layout]) execFileSync("chown", ["-R", `${nobody}:${nobody}`, hostPath]);
  process.setegid?.(nobody);
  process.seteuid?.(nobody);
});
afterEach(() => {
  process.seteuid?.(0);
  process.setegid?.(0);
});

test("an ordinary user has a store, layers are the user's, and gc removes what may not be entered", async () => {
  const store = await ImageStore.open({ hostPath: join(home, "store") });
  expect(store.overlayXattrs).toBe("user");
  await using source = await LayoutSource.open(layout);
  const image = await store.pull({ source, name: "test" });
  const layers = await store.unpack(image);
  const [lower = "", top = ""] = layers.map(({ hostPath }) => hostPath);
  expect(statSync(join(lower, "tool"))).toMatchObject({ uid: nobody, gid: nobody });
  expect(statSync(join(lower, "tool")).mode & 0o7777).toBe(0o4755);
  expect(existsSync(join(lower, "null"))).toBe(false);
  // The directory that the upper layer has no entry for is as below.
  expect(statSync(join(top, "etc")).mode & 0o777).toBe(0o500);
  expect(lstatSync(join(top, "gone"))).toMatchObject({ rdev: 0 });
  expect(lstatSync(join(top, "gone")).isCharacterDevice()).toBe(true);
  const attributes = execFileSync("getfattr", ["--absolute-names", "-d", "-m", "-", join(top, "old")], {
    encoding: "utf8",
  });
  expect(attributes).toContain('user.overlay.opaque="y"');
  {
    using tree = MergedTree.open(layers.map(({ hostPath }) => hostPath));
    expect(tree.readFileIfExists("etc/added", 100)?.toString()).toBe("added");
    for (const path of ["old/file", "gone"]) expect(tree.readFileIfExists(path, 100), path).toBeUndefined();
  }
  await store.remove("test");
  expect((await store.gc()).layers).toHaveLength(2);
  expect(readdirSync(join(store.hostPath, "layers/sha256"))).toEqual([]);
});

test("a hard link to a file of the layer below is the user's own copy, and stands in its place", async () => {
  const linking = buildLayer(
    { path: "tool2", type: "hard-link", linkTarget: "tool" },
    { path: "etc/gone", type: "hard-link", linkTarget: "gone" },
    { path: ".wh.gone", content: "" },
  );
  const { hostPath } = buildLayout(temporaryDirectory(), { layers: [base, linking] });
  const store = await ImageStore.open({ hostPath: join(home, "store") });
  await using source = await LayoutSource.open(hostPath);
  const [lower, top] = (await store.unpack(await store.pull({ source, name: "test" }))).map((layer) => layer.hostPath);
  const at = (path: string) => statSync(join(top ?? "", path));
  expect(at("tool2").ino).toBe(at("tool").ino);
  expect(at("tool2")).toMatchObject({ uid: nobody, gid: nobody, nlink: 2, mode: 0o104755, mtimeMs: 1_700_000_000_000 });
  expect(readFileSync(join(top ?? "", "etc/gone"), "utf8")).toBe("gone");
  expect(at("etc").mode & 0o777).toBe(0o500);
  expect(lstatSync(join(top ?? "", "gone")).isCharacterDevice()).toBe(true);
  expect(statSync(join(lower ?? "", "tool")).nlink).toBe(1);
});

const unpackAll = () => Promise.resolve();

test("directories that the user may not write to have what layers below call for, and stay as they are", async () => {
  const xattrs = [{ name: Buffer.from("user.of"), value: Buffer.from("the base") }];
  const closed = { mode: 0o555, mtime: { seconds: 5, nanoseconds: 7 }, xattrs };
  const removing = buildLayer(
    { path: "./", ...closed },
    { path: "old/", ...closed },
    { path: "old/.wh.nothing", content: "" },
    { path: "old/none/.wh.nothing", content: "" },
  );
  const adding = buildLayer({ path: "old/added", content: "" });
  const hiding = buildLayer(
    { path: "./", ...closed },
    { path: "old/", ...closed },
    { path: ".wh..wh..opq", content: "" },
  );
  const layers = [base, removing, adding, hiding];
  const store = await ImageStore.open({ hostPath: join(home, "store") });
  await using source = await LayoutSource.open(buildLayout(temporaryDirectory(), { layers }).hostPath);
  const unpacked = await store.unpack(await store.pull({ source, name: "test" }));
  const [, removed = "", added = "", top = ""] = unpacked.map((layer) => layer.hostPath);
  for (const directory of [removed, added, top])
    for (const path of ["", "old"]) {
      const status = statSync(join(directory, path), { bigint: true });
      expect(status.mode & 0o7777n, path).toBe(0o555n);
      expect(status.mtimeNs, path).toBe(5_000_000_007n);
    }
  expect(readdirSync(join(removed, "old"))).toEqual([]);
  expect(readdirSync(top)).toEqual(["etc", "foreign", "gone", "old", "tool"]);
  expect(lstatSync(join(top, "tool")).isCharacterDevice()).toBe(true);
  const attributesOf = (path: string) =>
    execFileSync("getfattr", ["--absolute-names", "-d", "-m", "-", path], { encoding: "utf8" });
  expect(attributesOf(join(top, "old"))).toContain('user.overlay.opaque="y"');
  expect(attributesOf(join(added, "old"))).toContain('user.of="the base"');
  const hostPath = join(home, "snapshot");
  mkdirSync(hostPath);
  const { storage } = await createSnapshot({ hostPath, layerHostPaths: [removed], xattrs: "user", unpackAll });
  // A copy where the temporary directory takes no overlay.
  if (storage === "overlay") {
    expect(attributesOf(join(hostPath, "upper"))).toContain('user.of="the base"');
    expect(statSync(join(hostPath, "upper")).mode & 0o7777).toBe(0o555);
  }
});

test("another user's store is nobody else's", async () => {
  const hostPath = join(home, "store");
  await ImageStore.open({ hostPath });
  process.seteuid?.(0);
  await expect(ImageStore.open({ hostPath })).rejects.toMatchObject({
    code: "ERR_RUNLET_STORE",
    message: expect.stringContaining("belongs to another user"),
  });
  const mine = join(home, "mine");
  await ImageStore.open({ hostPath: mine });
  chownSync(mine, nobody, nobody);
  execFileSync("chmod", ["644", join(mine, "store.json")]);
  process.seteuid?.(nobody);
  await expect(ImageStore.open({ hostPath: mine })).rejects.toMatchObject({
    message: expect.stringContaining("root of the machine made it"),
  });
  await expect(ImageStore.open({ hostPath: "/proc/1/store" })).rejects.toMatchObject({ code: "ERR_RUNLET_STORE" });
});

test("a directory that others may write to is no store", async () => {
  const hostPath = join(home, "store");
  mkdirSync(hostPath);
  chmodSync(hostPath, 0o775);
  await expect(ImageStore.open({ hostPath })).rejects.toMatchObject({
    code: "ERR_RUNLET_STORE",
    message: expect.stringContaining("others may write to it"),
  });
});

test("root of a user namespace keeps the owners that the namespace has", async () => {
  process.seteuid?.(0);
  process.setegid?.(0);
  const script = `
    for await (const _ of console) break;
    process.setgid(0);
    process.setuid(0);
    const { ImageStore, LayoutSource } = await import("@runlet/image");
    const store = await ImageStore.open({ hostPath: process.argv[1] });
    const image = await store.pull({ source: await LayoutSource.open(process.argv[2]) });
    console.log(store.overlayXattrs, (await store.unpack(image)).map(({ hostPath }) => hostPath).join(" "));`;
  execFileSync("chown", ["-R", "100000:100000", home, layout]);
  // A place that every user can reach.
  const shown = temporaryDirectory();
  chmodSync(shown, 0o755);
  const enter = `mount --bind "$1" "$2"; cd "$2/packages/image"; shift 2; exec unshare --user --keep-caps "$@"`;
  const shell = ["--mount", "--propagation", "private", "sh", "-c", enter, "sh", repository, shown];
  const program = [join(shown, relative(repository, bun)), "--conditions=@runlet/source", "-e", script];
  const child = spawn("unshare", [...shell, ...program, join(home, "store"), layout], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  // The namespace is there once it is another one than ours. Its ids 0 to 99 are 100000 to 100099 here.
  const ours = readlinkSync("/proc/self/ns/user");
  while (readlinkSync(`/proc/${child.pid}/ns/user`) === ours) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const name of ["uid_map", "gid_map"]) writeFileSync(`/proc/${child.pid}/${name}`, "0 100000 100\n");
  child.stdin.end("go\n");
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  const [kind, lower = ""] = output.trim().split(" ");
  expect(kind).toBe("user");
  expect(statSync(join(lower, "etc/shadow"))).toMatchObject({ uid: 100_000, gid: 100_042 });
  expect(statSync(join(lower, "foreign"))).toMatchObject({ uid: 100_000, gid: 100_007 });
});

test("the directory of a store is where the user's data is", () => {
  expect(defaultStoreHostPath({ XDG_DATA_HOME: "/data" })).toBe("/data/runlet");
  expect(defaultStoreHostPath({ XDG_DATA_HOME: "relative" })).toMatch(/^\/.*\/\.local\/share\/runlet$/);
  process.seteuid?.(0);
  expect(defaultStoreHostPath({ XDG_DATA_HOME: "/data" })).toBe("/var/lib/runlet");
  expect(readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/)).toEqual(["0", "0", "4294967295"]);
});
