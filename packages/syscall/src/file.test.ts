import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import {
  atFlags,
  chmodat,
  closeFd,
  copyFileRange,
  directoryEntryTypes,
  fgetxattr,
  flistxattr,
  fsetxattr,
  fstat,
  fstatfs,
  isUnchanged,
  leadsTo,
  linkat,
  lseek,
  lstatIfExists,
  mkdirat,
  mknodat,
  openat,
  openat2,
  openFlags,
  readDirectory,
  readlinkat,
  readNames,
  renameat2,
  renameFlags,
  replaceFile,
  resolveFlags,
  seekWhence,
  statPath,
  symlinkat,
  syncfs,
  unlinkat,
  utimensat,
} from "./index.ts";

let directory: string;
let dirFd: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runlet-file-"));
  dirFd = openat({
    dirFd: atFlags.AT_FDCWD,
    path: directory,
    flags: openFlags.O_RDONLY | openFlags.O_DIRECTORY,
  });
});

afterEach(() => {
  closeFd(dirFd);
  rmSync(directory, { recursive: true });
});

const mtime = { seconds: -5, nanoseconds: 999_999_999 };

test("names are bytes", () => {
  const name = Buffer.from([0x66, 0xff, 0xfe]);
  mkdirat({ dirFd, path: name, mode: 0o700 });
  expect(readDirectory(dirFd)).toEqual([{ name, type: directoryEntryTypes.DT_DIR }]);
});

test("names alone are text", () => {
  expect(readNames(dirFd)).toEqual([]);
  const names = ["a", "b.json", "é"];
  for (const path of names) mkdirat({ dirFd, path, mode: 0o700 });
  const fd = openat({ dirFd, path: ".", flags: openFlags.O_RDONLY });
  expect(readNames(fd).sort()).toEqual(names);
  closeFd(fd);
});

test("openat2 does not leave the root", () => {
  symlinkSync("/etc", join(directory, "escape"));
  const open = (resolve: number) => openat2({ dirFd, path: "escape/passwd", flags: openFlags.O_PATH, resolve });
  expect(() => open(resolveFlags.RESOLVE_IN_ROOT)).toThrow(
    expect.objectContaining({ code: "ENOENT", syscall: "openat2", path: "escape/passwd" }),
  );
  expect(() => open(resolveFlags.RESOLVE_BENEATH)).toThrow(expect.objectContaining({ code: "EXDEV" }));
});

test("a link, a FIFO, a second name, a new name and a removal", () => {
  symlinkat({ target: Buffer.from([0xff]), dirFd, path: "l" });
  expect(readlinkat({ dirFd, path: "l" })).toEqual(Buffer.from([0xff]));
  expect(() => chmodat({ dirFd, path: "l", mode: 0o600 })).toThrow(expect.objectContaining({ code: "EOPNOTSUPP" }));
  mknodat({ dirFd, path: "fifo", mode: 0o010600 });
  chmodat({ dirFd, path: "fifo", mode: 0o7777 });
  linkat({ from: { dirFd, path: "fifo" }, to: { dirFd, path: "second" } });
  expect(lstatIfExists({ dirFd, path: "second" })).toMatchObject({ mode: 0o017777, nlink: 2 });
  renameat2({ from: { dirFd, path: "l" }, to: { dirFd, path: "second" }, flags: renameFlags.RENAME_EXCHANGE });
  expect(readlinkat({ dirFd, path: "second" })).toEqual(Buffer.from([0xff]));
  unlinkat({ dirFd, path: "second" });
  expect(lstatIfExists({ dirFd, path: "second" })).toBeUndefined();
});

test("times of the descriptor itself and of a link", () => {
  symlinkat({ target: "x", dirFd, path: "l" });
  utimensat({ dirFd, path: "l", atime: mtime, mtime, flags: atFlags.AT_SYMLINK_NOFOLLOW });
  utimensat({ dirFd, path: null, atime: mtime, mtime: { seconds: 5e9, nanoseconds: 1 } });
  expect(lstatIfExists({ dirFd, path: "l" })?.mtime).toEqual(mtime);
  expect(fstat(dirFd).mtime).toEqual({ seconds: 5e9, nanoseconds: 1 });
});

test("extended attributes keep their bytes", () => {
  writeFileSync(join(directory, "a"), "");
  const fd = openat({ dirFd, path: "a", flags: openFlags.O_RDONLY });
  const value = Buffer.from(Array.from({ length: 2000 }, (_, index) => index & 255));
  fsetxattr({ fd, name: "user.blob", value });
  expect(flistxattr(fd)).toContainEqual(Buffer.from("user.blob"));
  expect(fgetxattr(fd, "user.blob")).toEqual(value);
  expect(fgetxattr(fd, "user.absent")).toBeUndefined();
  closeFd(fd);
});

test("holes are found and ranges copied", () => {
  writeFileSync(join(directory, "a"), "tail", { flag: "w" });
  const fd = openat({ dirFd, path: "a", flags: openFlags.O_RDWR });
  const out = openat({ dirFd, path: "b", flags: openFlags.O_RDWR | openFlags.O_CREAT, mode: 0o600 });
  expect(copyFileRange({ inFd: fd, inOffset: 1, outFd: out, outOffset: 1 << 20, lengthBytes: 3 })).toBe(3);
  expect(lseek(out, 0, seekWhence.SEEK_DATA)).toBe(1 << 20);
  expect(() => lseek(fd, 10, seekWhence.SEEK_DATA)).toThrow(expect.objectContaining({ code: "ENXIO" }));
  expect(statSync(join(directory, "b")).size).toBe((1 << 20) + 3);
  closeFd(fd);
  closeFd(out);
});

test("syncfs waits for a file system, and tells of a descriptor that is none", async () => {
  await expect(syncfs(dirFd)).resolves.toBeUndefined();
  const pathFd = openat({ dirFd, path: ".", flags: openFlags.O_PATH });
  onTestFinished(() => closeFd(pathFd));
  await expect(syncfs(pathFd)).rejects.toMatchObject({ code: "EBADF", syscall: "syncfs" });
});

test("fstatfs reads what statfs does", () => {
  expect(fstatfs(dirFd).blockSizeBytes).toBeGreaterThan(0);
});

test("a NUL in a name is a TypeError, not a shorter name", () => {
  expect(() => mkdirat({ dirFd, path: "a\0b", mode: 0o700 })).toThrow(TypeError);
});

test("a file is replaced as a whole, and says which step failed", () => {
  const hostPath = join(directory, "record");
  const temporaryHostPath = join(directory, ".record");
  for (const text of ["first", "", "é".repeat(50_000)]) {
    replaceFile({ temporaryHostPath, hostPath, text, mode: 0o600 });
    expect(readFileSync(hostPath, "utf8")).toBe(text);
    expect(statSync(hostPath).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(["record"]);
  }
  const absent = join(directory, "absent/record");
  const mode = 0o600;
  expect(() => replaceFile({ temporaryHostPath: absent, hostPath, text: "", mode })).toThrow(
    expect.objectContaining({ code: "ENOENT", syscall: "open" }),
  );
  expect(() => replaceFile({ temporaryHostPath: "/dev/full", hostPath, text: "x", mode })).toThrow(
    expect.objectContaining({ code: "ENOSPC", syscall: "write" }),
  );
  expect(() => replaceFile({ temporaryHostPath, hostPath: absent, text: "x", mode })).toThrow(
    expect.objectContaining({ code: "ENOENT", syscall: "rename" }),
  );
});

test("a path leads to a file until another is in its place", () => {
  const hostPath = join(directory, "file");
  writeFileSync(hostPath, "");
  const fd = openat({ dirFd, path: "file", flags: openFlags.O_RDONLY });
  try {
    expect(leadsTo(hostPath, fd)).toBe(true);
    // The old one is kept, so that its number cannot be the new one's.
    rmSync(hostPath);
    expect(leadsTo(hostPath, fd)).toBe(false);
    writeFileSync(hostPath, "");
    expect(leadsTo(hostPath, fd)).toBe(false);
    expect(() => leadsTo(join(hostPath, "below"), fd)).toThrow(expect.objectContaining({ code: "ENOTDIR" }));
  } finally {
    closeFd(fd);
  }
});

test("a change of a file is seen in its status, one of its times alone, too", () => {
  const hostPath = join(directory, "file");
  expect(statPath(hostPath)).toBeUndefined();
  writeFileSync(hostPath, "a");
  const before = statPath(hostPath);
  const again = statPath(hostPath);
  if (before === undefined || again === undefined) throw new Error("there is no file");
  expect(before).toEqual(fstat(openAndForget(hostPath)));
  expect(isUnchanged(before, again)).toBe(true);
  for (const part of ["mtime", "ctime"] as const) {
    const { seconds, nanoseconds } = again[part];
    expect(isUnchanged(before, { ...again, [part]: { seconds, nanoseconds: nanoseconds + 1 } })).toBe(false);
    expect(isUnchanged(before, { ...again, [part]: { seconds: seconds + 1, nanoseconds } })).toBe(false);
  }
  writeFileSync(hostPath, "ab");
  expect(isUnchanged(before, statPath(hostPath) ?? before)).toBe(false);
});

function openAndForget(path: string): number {
  const fd = openat({ dirFd, path, flags: openFlags.O_RDONLY });
  onTestFinished(() => closeFd(fd));
  return fd;
}
