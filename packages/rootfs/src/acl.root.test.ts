import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { put, temporaryDirectory } from "../test/temporary.ts";
import { unpackArchive } from "./unpack.ts";

/** A file system that has access control lists, whatever the temporary directory is on. */
function scratch(): string {
  const hostPath = temporaryDirectory();
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", hostPath]);
  onTestFinished(() => void execFileSync("umount", [hostPath]));
  return hostPath;
}

/** The lists of all files of a tree, in the order of their names. */
const listOf = (hostPath: string) =>
  execFileSync("getfacl", ["--recursive", "--numeric", "--absolute-names", "."], { cwd: hostPath, encoding: "utf8" })
    .split("\n\n")
    .sort()
    .join("\n\n");

test.each([
  ["GNU tar, as text", ["tar", "--acls", "--numeric-owner", "--format=pax"]],
  ["GNU tar, as attributes", ["tar", "--xattrs", "--xattrs-include=system.*", "--format=pax"]],
  ["bsdtar", ["bsdtar", "--acls", "--numeric-owner", "--format=pax"]],
])("access control lists by %s", async (_name, [program = "", ...options]) => {
  const base = scratch();
  const tree = join(base, "tree");
  const unpacked = join(base, "unpacked");
  for (const directory of [tree, unpacked]) mkdirSync(directory);
  put(tree, "file", "x", 0o640);
  put(tree, "d/inside", "x");
  execFileSync("setfacl", ["-m", "u:4242:rw,g:4343:r,m::rw", join(tree, "file")]);
  execFileSync("setfacl", ["-m", "u:4242:rwx,d:u:4242:rx,d:g::r", join(tree, "d")]);
  const archive = join(base, "archive.tar");
  execFileSync(program, [...options, "-cf", archive, "-C", tree, "."]);
  const { skipped } = await unpackArchive({ rootHostPath: unpacked, source: archive });
  expect(skipped).toEqual([]);
  expect(listOf(unpacked)).toContain("user:4242:rw-");
  expect(listOf(unpacked)).toBe(listOf(tree));
});

test("lists that name users are left out, and told", async () => {
  const base = scratch();
  const unpacked = join(base, "unpacked");
  mkdirSync(unpacked);
  put(base, "tree/file", "x");
  const archive = join(base, "archive.tar");
  const record = "--pax-option=SCHILY.acl.access:=user::rw-\nuser:daemon:rw-\ngroup::r--\nmask::rw-\nother::r--";
  execFileSync("tar", ["--format=pax", record, "-cf", archive, "-C", join(base, "tree"), "file"]);
  const { skipped } = await unpackArchive({ rootHostPath: unpacked, source: archive });
  expect(skipped).toEqual([{ path: "file", part: "system.posix_acl_access", reason: "policy" }]);
});
