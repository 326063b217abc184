import { chmodSync, chownSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { soundParts, temporaryDirectory, writeImage } from "../../test/criu-image.ts";
import { checkParentPath, ImageDirectory, makeImageDirectory, makeWorkDirectory } from "./image-directory.ts";

function imagesIn(name = "images"): string {
  const hostPath = join(temporaryDirectory(), name);
  writeImage(hostPath, soundParts());
  return hostPath;
}

function open(hostPath: string): readonly string[] {
  using images = ImageDirectory.open(hostPath);
  return images.names;
}

describe("a directory of images", () => {
  it("is opened with its files", () => {
    expect(open(imagesIn())).toContain("inventory.img");
  });

  it.each<[string, (hostPath: string) => void, string]>([
    ["a symbolic link", (at) => symlinkSync("/etc/passwd", join(at, "pages-1.img")), 'pages-1.img" is no plain file'],
    [
      "a link in the place of the log",
      (at) => symlinkSync("/etc/passwd", join(at, "restore.log")),
      'restore.log" is no plain file',
    ],
    ["a second name", (at) => linkSync(join(at, "core-1.img"), join(at, "other")), "has another name besides"],
    ["a directory", (at) => mkdirSync(join(at, "sub")), 'sub" is no plain file'],
    ["another owner", (at) => chownSync(join(at, "core-1.img"), 1000, 0), 'core-1.img" can be changed by others'],
    [
      "a file that everybody may write to",
      (at) => chmodSync(join(at, "core-1.img"), 0o666),
      "can be changed by others",
    ],
    ["a directory that a group may write to", (at) => chmodSync(at, 0o770), "can be changed by others"],
    ["a parent that is a file", (at) => writeFileSync(join(at, "parent"), ""), 'parent" is no link'],
    ["a parent elsewhere", (at) => symlinkSync("/etc", join(at, "parent")), "does not lead beside the image"],
    ["a parent far away", (at) => symlinkSync("../../etc", join(at, "parent")), "does not lead beside the image"],
    ["a parent that is itself", (at) => symlinkSync(".", join(at, "parent")), "leads on without an end"],
    ["a parent that is missing", (at) => symlinkSync("../nothing", join(at, "parent")), "leads to no directory"],
  ])("with %s is refused", (_, change, message) => {
    const hostPath = imagesIn();
    change(hostPath);
    expect(() => open(hostPath)).toThrow(message);
  });

  it("is checked together with its parent", () => {
    const hostPath = imagesIn();
    const parent = join(hostPath, "../earlier");
    writeImage(parent, soundParts());
    symlinkSync("../earlier", join(hostPath, "parent"));
    expect(open(hostPath)).toContain("inventory.img");
    symlinkSync("/etc/passwd", join(parent, "pages-1.img"));
    expect(() => open(hostPath)).toThrow("is no plain file");
  });

  it("that is not there is named", () => {
    expect(() => open(join(temporaryDirectory(), "none"))).toThrow("no such file or directory");
  });
});

describe("what CRIU writes to", () => {
  it("takes no link to elsewhere among the images", () => {
    const hostPath = temporaryDirectory();
    symlinkSync("/etc/passwd", join(hostPath, "core-1.img"));
    expect(() => makeImageDirectory(hostPath)).toThrow("is no plain file");
  });

  it("loses what bears the name of a log", () => {
    const hostPath = temporaryDirectory();
    const victim = join(temporaryDirectory(), "victim");
    writeFileSync(victim, "kept");
    symlinkSync(victim, join(hostPath, "restore.log"));
    linkSync(victim, join(hostPath, "stats-restore"));
    const fd = makeWorkDirectory(hostPath, "restore.log");
    writeFileSync(join(`/proc/self/fd/${fd}`, "restore.log"), "new", { flag: "wx" });
    expect(readFileSync(victim, "utf8")).toBe("kept");
  });
});

describe("checkParentPath", () => {
  it.each(["../earlier", "earlier", "./earlier", "../a/b"])("takes %s", (path) => {
    expect(() => checkParentPath(path)).not.toThrow();
  });
  it.each(["", "/earlier", "../../earlier", "../a/../../b", "a/..", "../a\0b"])("refuses %j", (path) => {
    expect(() => checkParentPath(path)).toThrow("does not lead beside the image");
  });
});
