import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { atFlags, closeFd, FileWriter, openat, openFlags } from "./index.ts";

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
  path,
  bytes: Buffer.from(content as string),
  mode: 0o640,
  uid: -1,
  gid: -1,
  mtime: { seconds: 5, nanoseconds: 7 },
});

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

test("nothing is replaced", () => {
  writeFileSync(join(directory, "a"), "kept");
  writer.push(newFile("a", "new"));
  expect(writer.flush().error?.code).toBe("EEXIST");
  expect(readFileSync(join(directory, "a"), "utf8")).toBe("kept");
});

test("a closed writer takes nothing, and closing twice is harmless", () => {
  writer.close();
  writer.close();
  expect(() => writer.push(newFile("a"))).toThrow(expect.objectContaining({ code: "EBADF" }));
  expect(writer.flush()).toEqual({ done: 0, error: undefined });
});
