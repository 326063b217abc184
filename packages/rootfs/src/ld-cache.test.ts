import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type CacheEntry, compareNames, formatLdCache, parseLdCache } from "./ld-cache.ts";

const entry = (name: string): CacheEntry => ({ name, path: `/x/${name}`, flags: 0x303, isForCapabilities: false });

test("what is written is read, in the order of the linker's binary search", () => {
  const names = ["libz.so.1", "libfoo.so.10", "libfoo.so.9", "libc.so.6"];
  expect(parseLdCache(formatLdCache(["libc.so.6", "libfoo.so.10", "libfoo.so.9", "libz.so.1"].map(entry)))).toEqual(
    names.map(entry),
  );
});

test("names compare as glibc compares them", () => {
  expect(compareNames("libfoo.so.10", "libfoo.so.9")).toBeGreaterThan(0);
  expect(compareNames("lib1", "liba")).toBeGreaterThan(0);
  expect(compareNames("liba", "lib1")).toBeLessThan(0);
  expect(compareNames("liba", "liba")).toBe(0);
  expect(compareNames("lib", "liba")).toBeLessThan(0);
  expect(compareNames("lib007", "lib7")).toBe(0);
});

function oldFormat(entries: readonly CacheEntry[]): Buffer {
  const head = Buffer.alloc(16 + entries.length * 12);
  head.write("ld.so-1.7.0\0", "latin1");
  head.writeUInt32LE(entries.length, 12);
  let strings = "";
  for (const [index, { name, path, flags }] of entries.entries()) {
    head.writeInt32LE(flags, 16 + index * 12);
    head.writeUInt32LE(strings.length, 20 + index * 12);
    strings += `${name}\0`;
    head.writeUInt32LE(strings.length, 24 + index * 12);
    strings += `${path}\0`;
  }
  return Buffer.concat([head, Buffer.from(strings)]);
}

test("the older format alone", () => {
  expect(parseLdCache(oldFormat([entry("liba.so.1"), entry("libb.so.2")]))).toEqual([
    entry("liba.so.1"),
    entry("libb.so.2"),
  ]);
});

test("the newer format behind the older one wins", () => {
  const old = oldFormat([entry("libold.so.1")]).subarray(0, 28);
  const padded = Buffer.concat([old, Buffer.alloc((8 - (old.length % 8)) % 8)]);
  expect(parseLdCache(Buffer.concat([padded, formatLdCache([entry("libnew.so.1")])]))).toEqual([entry("libnew.so.1")]);
});

test("another file, a damaged count or offset: no entries", () => {
  expect(parseLdCache(Buffer.from("something else"))).toEqual([]);
  const count = formatLdCache([entry("liba.so")]);
  count.writeUInt32LE(0xffffffff, 20);
  expect(parseLdCache(count)).toEqual([]);
  const offset = formatLdCache([entry("liba.so")]);
  offset.writeUInt32LE(0xfffffff0, 52);
  expect(parseLdCache(offset)).toEqual([]);
});

test("texts that no path could be, of which each entry could name the same: no entries", () => {
  const entry = (path: string) => ({ name: "liba.so", path, flags: 0x303, isForCapabilities: false });
  expect(parseLdCache(formatLdCache([entry(`/${"x".repeat(4094)}`)]))).toHaveLength(1);
  expect(parseLdCache(formatLdCache([entry(`/${"x".repeat(4095)}`)]))).toEqual([]);
});

test("this machine's cache is sorted by compareNames and names files", ({ task, skip }) => {
  if (!existsSync("/etc/ld.so.cache")) {
    task.meta.skipReason = "needs /etc/ld.so.cache";
    skip();
  }
  const entries = parseLdCache(readFileSync("/etc/ld.so.cache"));
  expect(entries.length).toBeGreaterThan(0);
  for (const [index, { name, path }] of entries.entries()) {
    expect(path.startsWith("/")).toBe(true);
    const next = entries[index + 1];
    if (next !== undefined) expect(compareNames(name, next.name)).toBeGreaterThanOrEqual(0);
  }
});
