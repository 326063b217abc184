import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { buildElf } from "../test/elf-builder.ts";
import { put, temporaryDirectory } from "../test/temporary.ts";
import { createBundle } from "./bundle.ts";
import { diagnoseExecutable } from "./executable.ts";
import { formatLdCache, parseLdCache } from "./ld-cache.ts";
import { RootDirectory } from "./root-directory.ts";

const program = `
#include <stdio.h>
int word(void);
int main(void) { printf("%d\\n", word()); return 0; }
`;

function compile(directory: string, args: string[]): void {
  execFileSync("cc", args, { cwd: directory, stdio: ["ignore", "inherit", "inherit"] });
}

/** Runs an executable with the bundle's root filesystem as its root. */
async function bundleAndRun(hostPath: string, directory: string): Promise<string> {
  const bundle = await createBundle({
    bundleHostPath: join(directory, "bundle"),
    from: [{ kind: "executable", hostPath }],
  });
  const name = bundle.files[0]?.containerPath ?? "";
  return execFileSync("chroot", [bundle.rootfsHostPath, name], { encoding: "utf8" });
}

function prepareSources(): string {
  const directory = temporaryDirectory();
  put(directory, "main.c", program);
  put(directory, "word.c", "int inner(void); int word(void) { return inner() + 1; }");
  put(directory, "inner.c", "int inner(void) { return 41; }");
  return directory;
}

test("a dynamic executable runs with libraries found by $ORIGIN, by their own $ORIGIN, and by default", async () => {
  const directory = prepareSources();
  mkdirSync(join(directory, "app/bin"), { recursive: true });
  mkdirSync(join(directory, "app/lib/inner"), { recursive: true });
  compile(directory, ["-shared", "-fPIC", "-o", "app/lib/inner/libinner.so.1", "-Wl,-soname,libinner.so.1", "inner.c"]);
  compile(directory, [
    ..."-shared -fPIC -o app/lib/libword.so.1 -Wl,-soname,libword.so.1 word.c app/lib/inner/libinner.so.1".split(" "),
    "-Wl,-rpath,$ORIGIN/inner,--enable-new-dtags",
  ]);
  compile(directory, [
    ..."-o app/bin/main main.c app/lib/libword.so.1 -Wl,-rpath-link,app/lib/inner".split(" "),
    "-Wl,-rpath,$ORIGIN/../lib,--enable-new-dtags",
  ]);
  // $ORIGIN is the file's own directory, not the link's.
  symlinkSync(join(directory, "app/bin/main"), join(directory, "link"));
  expect(await bundleAndRun(join(directory, "link"), directory)).toBe("42\n");
});

test("static, static PIE and a script with its interpreter run", async () => {
  const directory = prepareSources();
  compile(directory, ["-static", "-o", "static", "main.c", "word.c", "inner.c"]);
  compile(directory, ["-static-pie", "-o", "pie", "main.c", "word.c", "inner.c"]);
  put(directory, "script", "#!/bin/sh -e\necho 42\n");
  for (const name of ["static", "pie", "script"]) {
    expect(await bundleAndRun(join(directory, name), directory), name).toBe("42\n");
    rmSync(join(directory, "bundle"), { recursive: true });
  }
});

test("a library that only ld.so.cache knows is found in the container by a cache of its own", async () => {
  const directory = prepareSources();
  compile(directory, ["-shared", "-fPIC", "-o", "libword.so.1", "-Wl,-soname,libword.so.1", "word.c", "inner.c"]);
  compile(directory, ["-o", "main", "main.c", "libword.so.1"]);
  const bundle = await createBundle({
    bundleHostPath: join(directory, "bundle"),
    from: [
      { kind: "executable", hostPath: "/bin/true" },
      { kind: "file", hostPath: join(directory, "libword.so.1"), containerPath: "/odd/place/libword.so.1" },
      { kind: "file", hostPath: join(directory, "main"), containerPath: "/main" },
    ],
  });
  // What the cache of the bundle says about libc alone lets the dynamic linker run; the odd place is added by it.
  const run = () => execFileSync("chroot", [bundle.rootfsHostPath, "/main"], { encoding: "utf8", stdio: "pipe" });
  expect(run).toThrow(/libword\.so\.1: cannot open shared object file/);
  const cacheHostPath = join(bundle.rootfsHostPath, "etc/ld.so.cache");
  const entries = parseLdCache(readFileSync(cacheHostPath));
  const flags = entries[0]?.flags ?? 0;
  const added = { name: "libword.so.1", path: "/odd/place/libword.so.1", flags, isForCapabilities: false };
  writeFileSync(cacheHostPath, formatLdCache([...entries, added]));
  expect(run()).toBe("42\n");
});

test("a noexec mount is seen", () => {
  const directory = temporaryDirectory();
  execFileSync("mount", ["-t", "tmpfs", "-o", "noexec", "tmpfs", directory]);
  onTestFinished(() => void execFileSync("umount", [directory]));
  put(directory, "app", buildElf());
  const root = RootDirectory.open(directory);
  onTestFinished(() => root.close());
  expect(diagnoseExecutable({ root, containerPath: "/app" })).toMatchObject({
    reason: "noexec-mount",
    message: '"/app" lies on a mount with the option noexec',
  });
});
