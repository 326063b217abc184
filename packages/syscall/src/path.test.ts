import { execFileSync } from "node:child_process";
import {
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  closeFd,
  closeFds,
  makeDirectories,
  makeDirectory,
  openPath,
  openPaths,
  readTextFile,
  removeDirectories,
  removeDirectory,
  unlinkPath,
  writeValues,
} from "./index.ts";

let directory: string;
const at = (...names: string[]) => names.map((name) => join(directory, name));
const [absent, present] = ["absent", "present"];
const isCloseOnExec = (fd: number) =>
  (Number.parseInt(/^flags:\t(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "0", 8) &
    0o2000000) !==
  0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runlet-path-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("directories are made up to the first that cannot be", () => {
  mkdirSync(join(directory, "c"));
  expect(makeDirectories(at("a", "b", "c", "d"), 0o700)).toBe(2);
  expect(readdirSync(directory)).toEqual(["a", "b", "c"]);
  expect(makeDirectories([], 0o700)).toBe(0);
  makeDirectory(join(directory, "d"), 0o700);
  expect(() => makeDirectory(join(directory, "d"), 0o700)).toThrow(
    expect.objectContaining({ code: "EEXIST", syscall: "mkdir", path: join(directory, "d") }),
  );
});

test("each directory is removed, or it is said why not", () => {
  makeDirectories(at("a", "b", "b/inside", "c"), 0o700);
  writeFileSync(join(directory, "file"), "");
  expect(removeDirectories(at("a", "b", absent, "file", "c"))).toEqual(["", "ENOTEMPTY", "ENOENT", "ENOTDIR", ""]);
  expect(readdirSync(directory)).toEqual(["b", "file"]);
  expect(() => removeDirectory(join(directory, "b"))).toThrow(
    expect.objectContaining({ code: "ENOTEMPTY", syscall: "rmdir" }),
  );
});

test("all files are opened or none, and programs that are started have none of them", () => {
  for (const path of at("a", "b")) writeFileSync(path, path);
  const fds = openPaths(at("a", "b"), constants.O_RDONLY);
  const single = openPath(join(directory, "a"), constants.O_RDONLY);
  expect(fds.map((fd) => readFileSync(fd, "utf8"))).toEqual(at("a", "b"));
  expect([...fds, single].map(isCloseOnExec)).toEqual([true, true, true]);
  expect(execFileSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" })).not.toContain(directory);
  closeFds(fds);
  closeFd(single);
  for (const fd of [...fds, single]) expect(() => fstatSync(fd)).toThrow(/EBADF/);
  const before = readdirSync("/proc/self/fd").length;
  expect(() => openPaths(at("a", "b", absent), constants.O_RDONLY)).toThrow(
    expect.objectContaining({ code: "ENOENT", syscall: "open" }),
  );
  expect(readdirSync("/proc/self/fd")).toHaveLength(before);
});

test("a text is read to its end, however long it is", () => {
  const path = join(directory, present);
  for (const length of [0, 1, 4095, 4096, 4097, 100_000]) {
    writeFileSync(path, "é".repeat(length));
    expect(readTextFile(path)).toBe("é".repeat(length));
  }
  expect(readTextFile("/proc/self/stat")).toMatch(new RegExp(`^${process.pid} `));
  expect(() => readTextFile(join(directory, absent))).toThrow(
    expect.objectContaining({ code: "ENOENT", syscall: "open" }),
  );
  expect(() => readTextFile(directory)).toThrow(expect.objectContaining({ code: "EISDIR", syscall: "read" }));
});

test("values are written one by one, up to the first that is refused", () => {
  const path = join(directory, present);
  writeFileSync(path, "");
  const long = "x".repeat(10_000);
  expect(writeValues(path, ["a", "", long])).toBeNull();
  expect(readFileSync(path, "utf8")).toBe(`a${long}`);
  const refused = writeValues("/proc/self/oom_score_adj", ["0", "0", "none", "0"]);
  expect(refused).toMatchObject({ written: 2, error: { code: "EINVAL", syscall: "write" } });
  const missing = writeValues(join(directory, absent), ["a"]);
  expect(missing).toMatchObject({ written: 0, error: { code: "ENOENT", syscall: "open" } });
  expect(readdirSync(directory)).toEqual([present]);
});

test("a file is taken away, and one that is not there is no error", () => {
  const path = join(directory, present);
  writeFileSync(path, "");
  expect(unlinkPath(path)).toBe(true);
  expect(unlinkPath(path)).toBe(false);
  expect(() => unlinkPath(directory)).toThrow(expect.objectContaining({ code: "EISDIR", syscall: "unlink" }));
});

test("what is no path, or has a NUL inside, is refused", () => {
  expect(() => makeDirectories("a" as never, 0o700)).toThrow(TypeError);
  expect(makeDirectories([1 as never], 0o700)).toBe(0);
  expect(removeDirectories([`${directory}/a\0b`])).toEqual(["EINVAL"]);
  expect(() => openPaths([`${directory}/a\0b`], 0)).toThrow(expect.objectContaining({ code: "EINVAL" }));
});
