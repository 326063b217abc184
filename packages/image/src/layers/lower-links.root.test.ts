import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildLayer, buildLayout, type LayerEntry } from "../../test/layout-builder.ts";
import { temporaryDirectory } from "../../test/temporary.ts";
import type { TreeListing } from "../../test/tree-listing.ts";
import { listByUmoci, listImage, pullFile, scratch } from "../../test/unpacked-image.ts";
import { ImageStore } from "../store/image-store.ts";

const link = (path: string, linkTarget: string): LayerEntry => ({ path, type: "hard-link", linkTarget });
const symbolic = (path: string, linkTarget: string): LayerEntry => ({ path, type: "symbolic-link", linkTarget });
const file = (path: string, content = path): LayerEntry => ({ path, content });
const whiteout = (path: string): LayerEntry => ({ path, content: "" });
const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");

const base: readonly LayerEntry[] = [
  { path: "./", mode: 0o755 },
  { path: "d/", mode: 0o1751, uid: 7, gid: 8, mtime: { seconds: 1000, nanoseconds: 5 } },
  {
    path: "d/tool",
    content: "x".repeat(100_000),
    mode: 0o4755,
    uid: 12,
    gid: 34,
    mtime: { seconds: 1_234_567, nanoseconds: 891 },
    xattrs: [
      { name: Buffer.from("user.plain"), value: Buffer.from("v") },
      { name: Buffer.from("security.capability"), value: capability },
    ],
  },
  file("d/other"),
  { path: "d/sub/", mode: 0o700, uid: 9 },
  file("d/sub/deep"),
  { path: "d/null", type: "character-device", deviceMajor: 1, deviceMinor: 3, mode: 0o666 },
  { path: "d/fifo", type: "fifo", mode: 0o640 },
  symbolic("d/link", "../nowhere"),
  symbolic("lib", "d/sub"),
  symbolic("absolute", "/d"),
];

/** umoci leaves the time at which it made a link to the link's directory. */
function withoutDirectoryTimes(listing: TreeListing): TreeListing {
  const changed = Object.entries(listing).map(([path, line]) => [path, line.replace(/^(mode=4.*) mtime=\d+/, "$1")]);
  return Object.fromEntries(changed) as TreeListing;
}

function imageOf(...layers: (readonly LayerEntry[])[]): string {
  return buildLayout(temporaryDirectory(), { layers: layers.map((entries) => buildLayer(...entries)) }).hostPath;
}

describe("a layer's hard links to files of the layers below give what umoci makes of them", () => {
  const cases: Readonly<Record<string, readonly (readonly LayerEntry[])[]>> = {
    "a file with all that it carries": [[link("tool", "d/tool")]],
    "every kind of file": [[link("n", "d/null"), link("f", "d/fifo"), link("l", "d/link"), link("d/l2", "lib")]],
    "a link to the link": [[link("a", "d/other"), link("b", "a"), link("c", "d/other")]],
    "through links of the layer below": [[link("a", "lib/deep"), link("b", "absolute/other")]],
    "through a link of its own": [[symbolic("new", "d/sub"), link("a", "new/deep")]],
    "of the base, two layers up": [[file("d/new")], [link("a", "d/tool"), link("d/b", "d/new")]],
    "the target is replaced afterwards": [[link("a", "d/other"), file("d/other", "replaced")]],
    "the target is taken away afterwards": [[link("a", "d/other"), whiteout("d/.wh.other")]],
    "the target's directory is taken away afterwards": [[link("a", "d/sub/deep"), whiteout("d/.wh.sub")]],
    "the link's own directory is cleared afterwards": [[link("d/sub/a", "d/sub/deep"), whiteout("d/.wh.sub")]],
    "the target's directory is opaque afterwards": [
      [link("d/a", "d/sub/deep"), link("d/b", "d/other"), whiteout("d/.wh..wh..opq")],
    ],
    "a directory far above is opaque afterwards": [
      [
        { path: "d/", mode: 0o700 },
        link("a", "d/sub/deep"),
        { path: "d/sub/", mode: 0o711 },
        whiteout("./.wh..wh..opq"),
      ],
    ],
    "the target was taken away and put back": [
      [whiteout("d/.wh.other")],
      [file("d/other", "back")],
      [link("a", "d/other")],
    ],
    "a directory in place of a file that is taken away": [[whiteout(".wh.lib"), file("lib/new")]],
    "whiteouts of what is not there": [
      [whiteout("none/.wh.x"), whiteout("no/ne/.wh..wh..opq"), { path: "d2/" }, whiteout("d2/.wh.y"), file("d2/z")],
      [whiteout("d/.wh..wh..opq"), whiteout("d/.wh.other"), whiteout("lib/.wh.x")],
    ],
    "an opaque root": [[whiteout(".wh..wh..opq"), file("new"), file("d/sub/new")], [link("d/a", "new")]],
    "an opaque directory with another one in it": [[whiteout("d/.wh..wh..opq"), file("d/sub/new")]],
    "a whiteout above a whiteout": [[whiteout("d/sub/.wh.deep"), whiteout("d/.wh.sub")]],
  };

  test.each(Object.entries(cases))("%s", async (_name, layers) => {
    const layout = imageOf(base, ...layers);
    const { listing } = await listImage(layout);
    expect(withoutDirectoryTimes(listing)).toEqual(withoutDirectoryTimes(listByUmoci(layout, "latest")));
  });
});

describe("a directory is as old as its entry says, whatever the layers below have made of what lies in it", () => {
  const own = (path: string): LayerEntry => ({ path, mtime: { seconds: 5, nanoseconds: 7 } });
  const cases: Readonly<Record<string, readonly LayerEntry[]>> = {
    "a whiteout of nothing": [own("new/"), whiteout("new/.wh.x"), own("d/"), whiteout("d/.wh.nothing")],
    "a directory of whiteouts of nothing": [
      own("new/"),
      whiteout("new/none/.wh.x"),
      own("./"),
      whiteout("no/ne/.wh.x"),
    ],
    "an opaque root": [own("./"), whiteout(".wh..wh..opq"), file("new")],
  };

  test.each(Object.entries(cases))("%s", async (_name, entries) => {
    const layout = imageOf(base, entries);
    const { listing } = await listImage(layout);
    expect(listing).toEqual(listByUmoci(layout, "latest"));
    expect(Object.values(listing).join()).toContain("mtime=5000000007");
  });
});

describe("what is not there any more gets no second name", () => {
  const cases: Readonly<Record<string, readonly (readonly LayerEntry[])[]>> = {
    "nowhere at all": [[link("a", "d/nothing")]],
    "a link that leads out of the tree": [[symbolic("out", "../../../etc"), link("a", "out/passwd")]],
    "a whiteout before the link": [[whiteout("d/.wh.other"), link("a", "d/other")]],
    "a whiteout in a layer between": [[whiteout("d/.wh.other")], [link("a", "d/other")]],
    "an opaque directory before the link": [[whiteout("d/.wh..wh..opq"), link("a", "d/other")]],
    "an opaque directory in a layer between": [[whiteout("d/.wh..wh..opq")], [link("a", "d/other")]],
    "an opaque root before the link": [[whiteout(".wh..wh..opq"), link("a", "d/other")]],
    "an opaque root in a layer between": [[whiteout(".wh..wh..opq"), file("n")], [link("a", "d/other")]],
    "a file in place of the directory": [[file("d")], [link("a", "d/other")]],
  };

  test.each(Object.entries(cases))("%s", async (_name, layers) => {
    const layout = imageOf(base, ...layers);
    const store = await ImageStore.open({ hostPath: join(scratch(), "store") });
    const image = await pullFile(store, layout);
    await expect(store.unpack(image)).rejects.toMatchObject({
      code: "ERR_RUNLET_IMAGE",
      message: expect.stringContaining("another name of a file that is not there"),
    });
    expect(store.isUnpacked(image.layers.at(-1)?.chainId ?? "")).toBe(false);
    expect(readdirSync(join(store.hostPath, "staging"))).toEqual([]);
    expect(() => listByUmoci(layout, "latest")).toThrow(/umoci/);
  });

  test("a base has nothing below", async () => {
    const store = await ImageStore.open({ hostPath: join(scratch(), "store") });
    const image = await pullFile(store, imageOf([link("a", "b")]));
    await expect(store.unpack(image)).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
  });
});

test("an opaque root without an entry carries what the one below does", async () => {
  const root: LayerEntry = { path: "./", mode: 0o711, uid: 3, gid: 4, mtime: { seconds: 5, nanoseconds: 7 } };
  const layout = imageOf([root, file("a")], [whiteout(".wh..wh..opq"), file("b")]);
  const { listing } = await listImage(layout);
  expect(Object.keys(listing)).toEqual([".", "b"]);
  expect(listing["."]).toBe("mode=40711 uid=3 gid=4 mtime=5000000007");
});

test("whoever unpacks an image with a narrow umask has the same tree", async () => {
  const layout = imageOf([file("a/b/c")], [whiteout("a/.wh..wh..opq"), file("new/d"), whiteout(".wh.a"), file("a/x")]);
  const { listing } = await listImage(layout);
  const umask = process.umask(0o077);
  try {
    expect((await listImage(layout)).listing).toEqual(listing);
  } finally {
    process.umask(umask);
  }
  for (const path of [".", "a", "new"]) expect(listing[path]).toBe("mode=40755 uid=0 gid=0 mtime=0");
});

test("copies count as the layer's own bytes, and progress never goes back", async () => {
  const layout = imageOf(base, [file("first", "y".repeat(50_000)), link("a", "d/tool")]);
  const store = await ImageStore.open({ hostPath: join(scratch(), "store") });
  const image = await pullFile(store, layout);
  await expect(store.unpack(image, { limits: { totalBytes: 149_999 } })).rejects.toMatchObject({
    code: "ERR_RUNLET_IMAGE",
    message: expect.stringContaining("more than 149999 bytes"),
  });
  const told = new Map<string, number[]>();
  await store.unpack(image, {
    limits: { totalBytes: 150_000 },
    onProgress: ({ digest, doneBytes }) => void told.set(digest, [...(told.get(digest) ?? []), doneBytes]),
  });
  const [, upper] = image.layers;
  const steps = told.get(upper?.chainId ?? "") ?? [];
  expect(steps).toEqual(steps.toSorted((a, b) => a - b));
  expect(steps.at(-1)).toBe(upper?.descriptor.size);
});
