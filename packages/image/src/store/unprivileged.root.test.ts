import { execFileSync } from "node:child_process";
import { chownSync, existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildLayer, buildLayout } from "../../test/layout-builder.ts";
import { temporaryDirectory } from "../../test/temporary.ts";
import { MergedTree } from "../layers/merged-tree.ts";
import { LayoutSource } from "../layout/layout-source.ts";
import { ImageStore } from "./image-store.ts";
import { defaultStoreHostPath } from "./store-privileges.ts";

const nobody = 65534;
let home = "";
let layout = "";

const base = buildLayer(
  { path: "etc/", mode: 0o500, uid: 0, gid: 0 },
  { path: "etc/shadow", mode: 0, uid: 0, gid: 42, content: "secret" },
  { path: "old/file", content: "old" },
  { path: "gone", content: "gone" },
  { path: "null", type: "character-device", deviceMajor: 1, deviceMinor: 3 },
  { path: "tool", mode: 0o4755, uid: 0, gid: 0, content: "tool" },
);
const upper = buildLayer(
  { path: "etc/added", content: "added" },
  { path: ".wh.gone", content: "" },
  { path: "old/", mode: 0o755 },
  { path: "old/.wh..wh..opq", content: "" },
);

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

test("the directory of a store is where the user's data is", () => {
  expect(defaultStoreHostPath({ XDG_DATA_HOME: "/data" })).toBe("/data/runlet");
  expect(defaultStoreHostPath({ XDG_DATA_HOME: "relative" })).toMatch(/^\/.*\/\.local\/share\/runlet$/);
  process.seteuid?.(0);
  expect(defaultStoreHostPath({ XDG_DATA_HOME: "/data" })).toBe("/var/lib/runlet");
  expect(readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/)).toEqual(["0", "0", "4294967295"]);
});
