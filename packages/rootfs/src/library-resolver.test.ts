import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { buildElf, type ElfClaims } from "../test/elf-builder.ts";
import { put, temporaryDirectory } from "../test/temporary.ts";
import { parseElf } from "./elf.ts";
import { formatLdCache } from "./ld-cache.ts";
import { type Libraries, resolveLibraries } from "./library-resolver.ts";
import { RootDirectory } from "./root-directory.ts";

const glibc = "/lib64/ld-linux.so.2";
const musl = "/lib/ld-musl-x86_64.so.1";

function resolve(
  files: Record<string, ElfClaims | Uint8Array>,
  executable = "/bin/app",
  containerPath = executable,
): Libraries {
  const directory = temporaryDirectory();
  for (const [path, content] of Object.entries(files)) {
    put(directory, path, content instanceof Uint8Array ? content : buildElf(content));
  }
  const root = RootDirectory.open(directory);
  onTestFinished(() => root.close());
  const claims = files[executable];
  if (claims === undefined || claims instanceof Uint8Array) throw new Error("no executable");
  const bytes = buildElf(claims);
  const elf = parseElf((offset, length) => bytes.subarray(offset, offset + length));
  if (typeof elf === "string") throw new Error(elf);
  return resolveLibraries({ open: (path) => root.openIfExists(path), sourcePath: executable, containerPath, elf });
}

/** `${NAME}`, as the dynamic linker writes it. */
function braced(name: string): string {
  return `\${${name}}`;
}

function places({ libraries }: Libraries): string[] {
  return libraries.map((library) => library.containerPath);
}

/** A dynamic linker that has these default directories compiled in. */
function linker(...directories: string[]): Uint8Array {
  return Buffer.concat([buildElf({ soname: "ld-linux.so.2" }), Buffer.from(`\0${directories.join("/\0")}/\0`)]);
}

test("a static executable needs nothing", () => {
  expect(resolve({ "/bin/app": {} })).toEqual({ libraries: [], missing: [] });
});

test("default directories are those of the dynamic linker, breadth first, each library once", () => {
  const result = resolve({
    "/bin/app": { interpreter: glibc, needed: ["liba.so", "libb.so"] },
    [glibc]: linker("/own/lib", "/usr/own/lib"),
    "/usr/own/lib/liba.so": { needed: ["libc.so", "libb.so", "ld-linux.so.2"] },
    "/own/lib/libb.so": { needed: ["libc.so"] },
    "/own/lib/libc.so": {},
  });
  expect(places(result)).toEqual(["/usr/own/lib/liba.so", "/own/lib/libb.so", "/own/lib/libc.so"]);
  expect(result.missing).toEqual([]);
});

test("$ORIGIN follows the executable to its place in the container, and libraries to theirs", () => {
  const result = resolve(
    {
      "/opt/app/bin/app": { interpreter: glibc, needed: ["liba.so"], runpath: "$ORIGIN/../lib" },
      [glibc]: linker("/lib"),
      "/opt/app/lib/liba.so": { needed: ["libp.so"], runpath: `${braced("ORIGIN")}/plugins` },
      "/opt/app/lib/plugins/libp.so": {},
    },
    "/opt/app/bin/app",
    "/app",
  );
  expect(places(result)).toEqual(["//../lib/liba.so", "//../lib/plugins/libp.so"]);
  expect(result.libraries[1]?.sourcePath).toBe("/opt/app/bin/../lib/plugins/libp.so");
});

test("DT_RPATH is inherited by what a library needs, DT_RUNPATH is not", () => {
  const files = {
    [glibc]: linker("/lib"),
    "/private/liba.so": { needed: ["libb.so"] },
    "/private/libb.so": {},
  };
  const inherited = resolve({ ...files, "/bin/app": { interpreter: glibc, needed: ["liba.so"], rpath: "/private" } });
  expect(places(inherited)).toEqual(["/private/liba.so", "/private/libb.so"]);
  const own = resolve({ ...files, "/bin/app": { interpreter: glibc, needed: ["liba.so"], runpath: "/private" } });
  expect(places(own)).toEqual(["/private/liba.so"]);
  expect(own.missing).toEqual([
    { name: "libb.so", neededBy: "/private/liba.so", searched: ["/etc/ld.so.cache", "/lib"], passedOver: [] },
  ]);
});

test("DT_RUNPATH of an object silences every DT_RPATH for what it needs", () => {
  const result = resolve({
    "/bin/app": { interpreter: glibc, needed: ["liba.so"], rpath: "/private" },
    [glibc]: linker("/lib"),
    "/private/liba.so": { needed: ["libb.so"], runpath: "/elsewhere" },
    "/private/libb.so": {},
  });
  expect(result.missing.map(({ name }) => name)).toEqual(["libb.so"]);
});

test("ld.so.cache comes before the default directories, its plain entry before one for some processors", () => {
  const cacheEntry = (path: string, isForCapabilities: boolean) => ({
    name: "liba.so",
    path,
    flags: 0x303,
    isForCapabilities,
  });
  const cache = formatLdCache([cacheEntry("/hwcaps/liba.so", true), cacheEntry("/cached/liba.so", false)]);
  // formatLdCache writes plain entries only: mark the first.
  cache.writeBigUInt64LE(1n << 62n, 48 + 16);
  const result = resolve({
    "/bin/app": { interpreter: glibc, needed: ["liba.so"] },
    [glibc]: linker("/lib"),
    "/etc/ld.so.cache": cache,
    "/hwcaps/liba.so": {},
    "/cached/liba.so": {},
    "/lib/liba.so": {},
  });
  expect(places(result)).toEqual(["/cached/liba.so"]);
  expect(result.libraries[0]?.cacheEntry).toMatchObject({ path: "/cached/liba.so", flags: 0x303 });
});

test("DF_1_NODEFLIB: neither cache nor default directories", () => {
  const result = resolve({
    "/bin/app": { interpreter: glibc, needed: ["liba.so"], runpath: "/own", flags1: 0x800 },
    [glibc]: linker("/lib"),
    "/lib/liba.so": {},
  });
  expect(result.missing).toEqual([{ name: "liba.so", neededBy: "/bin/app", searched: ["/own"], passedOver: [] }]);
});

test("a library of another architecture, or no library, is passed over and named", () => {
  const result = resolve({
    "/bin/app": { interpreter: glibc, needed: ["liba.so", "libb.so"], runpath: "/first:/second" },
    [glibc]: linker("/lib"),
    "/first/liba.so": { machine: 8 },
    "/second/liba.so": {},
    "/first/libb.so": Buffer.from("/* GNU ld script */"),
  });
  expect(places(result)).toEqual(["/second/liba.so"]);
  expect(result.missing).toEqual([
    {
      name: "libb.so",
      neededBy: "/bin/app",
      searched: ["/first", "/second", "/etc/ld.so.cache", "/lib"],
      passedOver: ["/first/libb.so"],
    },
  ]);
});

test("$LIB and $PLATFORM", () => {
  const result = resolve({
    "/bin/app": {
      interpreter: glibc,
      needed: ["liba.so", "libb.so"],
      runpath: `/opt/$LIB:/opt/${braced("PLATFORM")}/x`,
    },
    [glibc]: linker("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"),
    "/opt/lib/x86_64-linux-gnu/liba.so": {},
    [`/opt/${process.arch === "arm64" ? "aarch64" : "x86_64"}/x/libb.so`]: {},
  });
  expect(result.missing).toEqual([]);
  expect(places(result)[0]).toBe("/opt/lib/x86_64-linux-gnu/liba.so");
});

test("a name with a slash is a path", () => {
  const result = resolve({
    "/bin/app": { interpreter: glibc, needed: ["/opt/liba.so", "$ORIGIN/libb.so", "relative/libc.so"] },
    [glibc]: linker("/lib"),
    "/opt/liba.so": {},
    "/bin/libb.so": {},
    "/lib/relative/libc.so": {},
  });
  expect(places(result)).toEqual(["/opt/liba.so", "/bin/libb.so"]);
  expect(result.missing.map(({ name }) => name)).toEqual(["relative/libc.so"]);
});

test("musl: its own names, its path file, run paths of all loaders", () => {
  const result = resolve({
    "/bin/app": { interpreter: musl, needed: ["libc.musl-x86_64.so.1", "libpthread.so.0", "liba.so"], runpath: "/own" },
    [musl]: buildElf(),
    "/etc/ld-musl-x86_64.path": Buffer.from("/first\n/second:/third\n"),
    "/third/liba.so": { needed: ["libb.so", "libcrypto.so"] },
    "/own/libb.so": {},
    "/second/libcrypto.so": {},
  });
  expect(result.missing).toEqual([]);
  expect(places(result)).toEqual(["/third/liba.so", "/own/libb.so", "/second/libcrypto.so"]);
});

test("a circle of libraries ends", () => {
  const result = resolve({
    "/bin/app": { interpreter: glibc, needed: ["liba.so"] },
    [glibc]: linker("/lib"),
    "/lib/liba.so": { needed: ["libb.so"] },
    "/lib/libb.so": { needed: ["liba.so"] },
  });
  expect(places(result)).toEqual(["/lib/liba.so", "/lib/libb.so"]);
});

test("a directory of the library's name is passed over", () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "lib/liba.so"), { recursive: true });
  const root = RootDirectory.open(directory);
  onTestFinished(() => root.close());
  put(directory, glibc, linker("/lib"));
  const bytes = buildElf({ interpreter: glibc, needed: ["liba.so"] });
  const elf = parseElf((offset, length) => bytes.subarray(offset, offset + length));
  if (typeof elf === "string") throw new Error(elf);
  const open = (path: string) => root.openIfExists(path);
  const { missing } = resolveLibraries({ open, sourcePath: "/a", containerPath: "/a", elf });
  expect(missing[0]?.passedOver).toEqual(["/lib/liba.so"]);
});

test("a directory where the linker's cache should be is no cache", () => {
  const app = { interpreter: glibc, needed: ["liba.so"] };
  const found = resolve({ "/bin/app": app, [glibc]: {}, "/etc/ld.so.cache/file": Buffer.of(), "/lib/liba.so": {} });
  expect(places(found)).toEqual(["/lib/liba.so"]);
});
