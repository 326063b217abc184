import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { atFlags, closeFd, FileWriter, lstatIfExists, openat, openFlags } from "./index.ts";

let directory: string;
let dirFd: number;
let writer: FileWriter;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runlet-writer-"));
  dirFd = openat({ dirFd: atFlags.AT_FDCWD, path: directory, flags: openFlags.O_RDONLY | openFlags.O_DIRECTORY });
  writer = new FileWriter();
});

afterEach(() => {
  writer.close();
  closeFd(dirFd);
  rmSync(directory, { recursive: true });
});

const newFile = (path: string, content: string | Uint8Array = path) => ({
  dirFd,
  path: Buffer.from(path),
  bytes: Buffer.from(content as string),
  mode: 0o640,
  uid: -1,
  gid: -1,
  mtime: { seconds: 5, nanoseconds: 7 },
});

test("a file has its content, mode and time", () => {
  const mtime = { seconds: -5, nanoseconds: 999_999_999 };
  writer.push({ ...newFile("a", "hello"), mode: 0o4711, mtime });
  expect(writer.flush()).toEqual({ done: 1, error: undefined });
  expect(lstatIfExists({ dirFd, path: "a" })).toMatchObject({ mode: 0o104711, mtime, atime: mtime, sizeBytes: 5 });
  expect(readFileSync(join(directory, "a"), "utf8")).toBe("hello");
});

test.each([0o000, 0o022, 0o077, 0o777])(
  "owner and mode do not depend on the umask %o or the directory's group",
  (umask) => {
    const previous = process.umask(umask);
    onTestFinished(() => void process.umask(previous));
    // Root of a user namespace may not have these ids.
    const hasAllIds = / 0 +0 +4294967295/.test(readFileSync("/proc/self/uid_map", "utf8"));
    const isRoot = process.geteuid?.() === 0 && hasAllIds;
    if (isRoot) chownSync(directory, 0, 1234);
    chmodSync(directory, 0o2755);
    const modes = [0, 0o400, 0o444, 0o600, 0o640, 0o644, 0o755, 0o775, 0o777, 0o4755, 0o2755, 0o1644, 0o7777];
    const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    const others = [1234, 2 ** 32 - 2].map((id) => ({ uid: id, gid: id }));
    const cases = modes.flatMap((mode) => [own, ...(isRoot ? others : [])].map((owner) => ({ mode, ...owner })));
    for (const [index, wanted] of cases.entries()) writer.push({ ...newFile(`${index}`), ...wanted });
    expect(writer.flush().error).toBeUndefined();
    for (const [index, wanted] of cases.entries())
      expect(lstatIfExists({ dirFd, path: `${index}` })).toMatchObject({ ...wanted, mode: 0o100000 | wanted.mode });
  },
);

test("files are made in order, with bytes as they were when pushed", () => {
  const names = Array.from({ length: 2000 }, (_, index) => `file-${index}`);
  const shared = Buffer.alloc(20);
  for (const name of names) {
    shared.fill(0);
    shared.write(name);
    expect(writer.push({ ...newFile(name), bytes: shared })).toBe(true);
  }
  expect(writer.flush()).toEqual({ done: 2000, error: undefined });
  expect(readdirSync(directory)).toHaveLength(2000);
  for (const name of ["file-0", "file-999", "file-1999"])
    expect(readFileSync(join(directory, name), "utf8").replace(/\0+$/, "")).toBe(name);
});

test("more than fits into the queue waits for the thread", () => {
  const bytes = Buffer.alloc(5 << 20, "x");
  for (let index = 0; index < 12; index++) writer.push(newFile(`large-${index}`, bytes));
  expect(writer.flush().done).toBe(12);
  expect(readFileSync(join(directory, "large-11")).equals(bytes)).toBe(true);
});

test("a file that cannot be made stalls the queue until it can", () => {
  mkdirSync(join(directory, "b"));
  for (const name of ["a", "b", "c"]) writer.push(newFile(name));
  expect(writer.flush()).toMatchObject({ done: 1, error: { code: "EEXIST" } });
  expect(readdirSync(directory).sort()).toEqual(["a", "b"]);
  expect(writer.push(newFile("d"))).toBe(false);
  rmdirSync(join(directory, "b"));
  writer.resume();
  expect(writer.flush()).toEqual({ done: 4, error: undefined });
  expect(readdirSync(directory).sort()).toEqual(["a", "b", "c", "d"]);
});

test("nothing is replaced, and no link followed", () => {
  writeFileSync(join(directory, "a"), "kept");
  symlinkSync("nowhere", join(directory, "link"));
  for (const name of ["a", "link"]) {
    const other = new FileWriter();
    onTestFinished(() => other.close());
    other.push(newFile(name, "new"));
    expect(other.flush().error?.code).toBe("EEXIST");
  }
  expect(readFileSync(join(directory, "a"), "utf8")).toBe("kept");
  expect(readlinkSync(join(directory, "link"))).toBe("nowhere");
  expect(readdirSync(directory).sort()).toEqual(["a", "link"]);
});

test("a file that cannot be made does not keep those of its batch before it from being made", () => {
  const names = Array.from({ length: 300 }, (_, index) => `file-${index}`);
  writeFileSync(join(directory, "file-200"), "");
  for (const name of names) writer.push(newFile(name));
  expect(writer.flush()).toMatchObject({ done: 200, error: { code: "EEXIST" } });
  expect(readdirSync(directory)).toHaveLength(201);
  rmSync(join(directory, "file-200"));
  writer.resume();
  expect(writer.flush()).toEqual({ done: 300, error: undefined });
  expect(readFileSync(join(directory, "file-200"), "utf8")).toBe("file-200");
});

test("files of all sizes lie in one batch or in several", () => {
  const sizes = [0, 1, 255, 256 << 10, (256 << 10) - 20, 0, 1 << 20, 5, 200 << 10, 200 << 10];
  for (const [index, size] of sizes.entries()) writer.push(newFile(`f${index}`, Buffer.alloc(size, index + 1)));
  expect(writer.flush()).toEqual({ done: sizes.length, error: undefined });
  for (const [index, size] of sizes.entries())
    expect(readFileSync(join(directory, `f${index}`)).equals(Buffer.alloc(size, index + 1)), `f${index}`).toBe(true);
});

test("what is no name or no number is a TypeError, and nothing is made of it", () => {
  const wrong = [
    { ...newFile("a\0b") },
    { ...newFile("a"), mode: 0o10000 },
    { ...newFile("a"), uid: 2 ** 32 },
    { ...newFile("a"), gid: -2 },
    { ...newFile("a"), mtime: { seconds: Number.NaN, nanoseconds: 0 } },
    { ...newFile("a"), mtime: { seconds: 0, nanoseconds: 1e9 } },
    { ...newFile("a"), dirFd: 2 ** 31 },
  ];
  for (const file of wrong) {
    writer.push(file);
    expect(() => writer.flush()).toThrow(TypeError);
  }
  expect(writer.flush()).toEqual({ done: 0, error: undefined });
  expect(readdirSync(directory)).toEqual([]);
});

test("a closed writer takes nothing, and closing twice is harmless", () => {
  writer.close();
  writer.close();
  expect(() => writer.push(newFile("a"))).toThrow(expect.objectContaining({ code: "EBADF" }));
  expect(writer.flush()).toEqual({ done: 0, error: undefined });
});
