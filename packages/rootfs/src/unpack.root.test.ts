import { execFileSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { buildArchive, directory, file, pieces, symbolicLink, xattr } from "../test/archive.ts";
import { put, temporaryDirectory } from "../test/temporary.ts";
import { createBundle } from "./bundle.ts";
import { unpackArchive } from "./unpack.ts";
import type { UnpackOptions } from "./unpack-options.ts";

async function unpack(archive: Uint8Array, options: Partial<UnpackOptions> = {}) {
  const root = temporaryDirectory();
  return { root, ...(await unpackArchive({ rootHostPath: root, source: pieces(archive), ...options })) };
}

/** VFS_CAP_REVISION_2, effective, CAP_NET_RAW permitted: capabilities(7). */
const capability = Buffer.from([1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

function getXattr(hostPath: string, name: string): Buffer {
  return execFileSync("getfattr", ["-h", "--only-values", "-n", name, "--", hostPath], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

test("owners come first: set-user-ID, capabilities and times survive them", async () => {
  const owner = { uid: 12345, gid: 4_000_000 };
  const { root, skipped } = await unpack(
    buildArchive(
      file("suid", "x", { ...owner, mode: 0o6755 }),
      file("cap", "x", {
        ...owner,
        xattrs: [xattr("security.capability", capability), xattr("user.b", Buffer.from([0, 255]))],
      }),
      directory("d", { ...owner, mode: 0o2770, xattrs: [xattr("trusted.t", "v")] }),
      { ...symbolicLink("l", "/nowhere"), ...owner },
      { path: "f", type: "fifo", mode: 0o600, ...owner },
    ),
  );
  expect(skipped).toEqual([]);
  for (const name of ["suid", "cap", "d", "l", "f"]) expect(lstatSync(join(root, name))).toMatchObject(owner);
  expect(statSync(join(root, "suid")).mode & 0o7777).toBe(0o6755);
  expect(statSync(join(root, "d")).mode & 0o7777).toBe(0o2770);
  expect(getXattr(join(root, "cap"), "security.capability")).toEqual(capability);
  expect(getXattr(join(root, "cap"), "user.b")).toEqual(Buffer.from([0, 255]));
  expect(getXattr(join(root, "d"), "trusted.t").toString()).toBe("v");
});

test("the caller's owner, and an owner by function", async () => {
  const archive = buildArchive(file("a", "x", { uid: 5, gid: 6 }), symbolicLink("l", "a"));
  const own = await unpack(archive, { owner: "caller" });
  expect(statSync(join(own.root, "a"))).toMatchObject({ uid: 0, gid: 0 });
  const shifted = await unpack(archive, { owner: ({ uid, gid }) => ({ uid: uid + 100_000, gid: gid + 100_000 }) });
  expect(statSync(join(shifted.root, "a"))).toMatchObject({ uid: 100_005, gid: 100_006 });
  expect(lstatSync(join(shifted.root, "l"))).toMatchObject({ uid: 100_000, gid: 100_000 });
});

test("devices, if asked for", async () => {
  const { root } = await unpack(
    buildArchive({ path: "null", type: "character-device", deviceMajor: 1, deviceMinor: 3, mode: 0o666 }),
    { devices: "create" },
  );
  const status = statSync(join(root, "null"));
  expect(status.isCharacterDevice()).toBe(true);
  expect(status.mode & 0o777).toBe(0o666);
  expect(status.rdev).toBe(statSync("/dev/null").rdev);
});

test("a layer's whiteouts as overlayfs has them: mounted, they hide what lies below", async () => {
  const base = temporaryDirectory();
  // An overlay on the file system of the temporary directory itself may not be possible: a tmpfs is.
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", base]);
  onTestFinished(() => void execFileSync("umount", [base]));
  for (const name of ["lower/d", "lower/o", "upper", "work", "merged"])
    mkdirSync(join(base, name), { recursive: true });
  for (const name of ["d/gone", "d/stays", "o/old"]) put(base, `lower/${name}`, "");
  await unpackArchive({
    rootHostPath: join(base, "upper"),
    source: pieces(
      buildArchive(
        directory("d"),
        file("d/.wh.gone", ""),
        directory("o"),
        file("o/new", ""),
        file("o/.wh..wh..opq", ""),
      ),
    ),
    whiteouts: "overlay",
  });
  const options = ["lower", "upper", "work"].map((name) => `${name}dir=${join(base, name)}`).join(",");
  execFileSync("mount", ["-t", "overlay", "-o", options, "overlay", join(base, "merged")]);
  onTestFinished(() => void execFileSync("umount", [join(base, "merged")]));
  expect(readdirSync(join(base, "merged/d"))).toEqual(["stays"]);
  expect(readdirSync(join(base, "merged/o"))).toEqual(["new"]);
});

/** A tree with one of each. */
function prepareTree(): string {
  const tree = temporaryDirectory();
  put(tree, "usr/bin/tool", "tool", 0o4755);
  put(tree, "etc/with\nnewline", "x", 0o640);
  chownSync(join(tree, "etc/with\nnewline"), 33, 44);
  execFileSync("ln", [join(tree, "usr/bin/tool"), join(tree, "tool")]);
  execFileSync("ln", ["-s", "usr/bin", join(tree, "bin")]);
  execFileSync("mknod", [join(tree, "null"), "c", "1", "3"]);
  execFileSync("mkfifo", [join(tree, "fifo")]);
  execFileSync("setfattr", [
    "-n",
    "security.capability",
    "-v",
    `0x${capability.toString("hex")}`,
    join(tree, "usr/bin/tool"),
  ]);
  execFileSync("setfattr", ["-n", "user.blob", "-v", "0x00ff0a", join(tree, "etc")]);
  execFileSync("truncate", ["-s", "8M", join(tree, "holes")]);
  writeFileSync(join(tree, "holes"), "data", { flag: "r+" });
  execFileSync("touch", [
    "-h",
    "-d",
    "2009-02-13 23:31:30.123456789",
    ...["bin", "fifo", "holes", "usr", "."].map((name) => join(tree, name)),
  ]);
  return tree;
}

/** Every fact about a tree that stat and getfattr print. */
function describeTree(tree: string): string {
  const facts = execFileSync("find", [".", "-printf", "%p %y %m %U %G %T@ %s %n %l\\n"], {
    cwd: tree,
    encoding: "latin1",
  });
  const xattrs = execFileSync("getfattr", ["-R", "-h", "-d", "-m", "-", "-e", "hex", "."], {
    cwd: tree,
    encoding: "latin1",
  });
  const sums = execFileSync("sh", ["-c", "find . -type f -print0 | sort -z | xargs -0 sha256sum"], {
    cwd: tree,
    encoding: "latin1",
  });
  const sorted = (text: string) => text.split("\n").sort().join("\n");
  // A directory's size is the file system's own affair.
  return [sorted(facts.replace(/^(\S+ d .*?) \d+ (\d+) $/gm, "$1")), sorted(xattrs), sums].join("\n---\n");
}

test("a tree that GNU tar has archived comes back the same", async () => {
  const tree = prepareTree();
  const archive = execFileSync(
    "tar",
    ["-c", "--format=pax", "--xattrs", "--xattrs-include=*", "--sparse", "-C", tree, "."],
    { maxBuffer: 1 << 28 },
  );
  const { root } = await unpack(archive, { devices: "create" });
  expect(describeTree(root)).toBe(describeTree(tree));
  expect(statSync(join(root, "holes")).blocks).toBeLessThan(100);
});

test("a tree is copied with links, devices, attributes, holes and times", async () => {
  const tree = prepareTree();
  const bundleHostPath = join(temporaryDirectory(), "bundle");
  const { rootfsHostPath, notes } = await createBundle({
    bundleHostPath,
    from: [{ kind: "directory", hostPath: tree }],
  });
  expect(notes).toEqual([]);
  expect(describeTree(rootfsHostPath)).toBe(describeTree(tree));
  expect(statSync(join(rootfsHostPath, "holes")).blocks).toBeLessThan(100);
});

test("a bundle from an archive, and an executable that uses its libraries", async () => {
  const system = temporaryDirectory();
  const first = await createBundle({
    bundleHostPath: join(system, "first"),
    from: [{ kind: "executable", hostPath: "/bin/ls" }],
  });
  const archive = join(system, "system.tar.gz");
  execFileSync("tar", ["-czf", archive, "-C", first.rootfsHostPath, "."]);
  const bundle = await createBundle({
    bundleHostPath: join(system, "second"),
    from: [
      { kind: "archive", hostPath: archive },
      { kind: "executable", hostPath: "/bin/ls", containerPath: "/usr/bin/list" },
    ],
  });
  // Neither interpreter nor libraries came a second time.
  expect(bundle.files.map(({ containerPath }) => containerPath)).toEqual(["/usr/bin/list"]);
  expect(execFileSync("chroot", [bundle.rootfsHostPath, "/usr/bin/list", "/usr/bin"], { encoding: "utf8" })).toBe(
    "list\n",
  );
  const wrong = { kind: "archive", hostPath: archive, sha256: "0".repeat(64) } as const;
  await expect(createBundle({ bundleHostPath: join(system, "third"), from: [wrong] })).rejects.toMatchObject({
    code: "ERR_RUNLET_ARCHIVE",
  });
  expect(existsSync(join(system, "third"))).toBe(false);
  expect(readFileSync(join(system, "second/config.json"), "utf8")).toContain('"/usr/bin/list"');
});

test("an ordinary user unpacks as far as a user may", async () => {
  const root = temporaryDirectory();
  chownSync(root, 65534, 65534);
  const archive = buildArchive(
    file("f", "x", { uid: 0, gid: 0, mode: 0o755, xattrs: [xattr("security.capability", capability)] }),
    directory("locked", { mode: 0o500 }),
    file("locked/inside", "x"),
    file("read-only", "x", { mode: 0o444, xattrs: [xattr("user.of", "a file")] }),
    directory("closed", { mode: 0o555, xattrs: [xattr("user.of", "a directory")] }),
  );
  process.setegid?.(65534);
  process.seteuid?.(65534);
  onTestFinished(() => {
    process.seteuid?.(0);
    process.setegid?.(0);
  });
  const result = await unpackArchive({ rootHostPath: root, source: pieces(archive) });
  expect(result).toEqual({
    entries: 5,
    whiteouts: [],
    totalBytes: 3,
    skipped: [{ path: "f", part: "security.capability", reason: "EPERM" }],
    impliedDirectories: [Buffer.alloc(0)],
  });
  expect(statSync(join(root, "f"))).toMatchObject({ uid: 65534, gid: 65534 });
  expect(statSync(join(root, "locked/inside")).uid).toBe(65534);
  expect(statSync(join(root, "locked")).mode & 0o777).toBe(0o500);
  for (const [path, mode, of] of [
    ["read-only", 0o444, "a file"],
    ["closed", 0o555, "a directory"],
  ] as const) {
    expect(statSync(join(root, path)).mode & 0o7777, path).toBe(mode);
    expect(getXattr(join(root, path), "user.of").toString(), path).toBe(of);
  }
  const owned = unpackArchive({ rootHostPath: root, source: pieces(archive), owner: "archive" });
  await expect(owned).rejects.toMatchObject({ code: "ERR_RUNLET_ARCHIVE", errno: "EPERM" });
});
