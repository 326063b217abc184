import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { buildElf } from "../test/elf-builder.ts";
import { put, temporaryDirectory } from "../test/temporary.ts";
import { type Diagnosis, diagnoseExecutable } from "./executable.ts";
import { RootDirectory } from "./root-directory.ts";

function diagnose(
  prepare: (directory: string) => void,
  options: { containerPath?: string; executor?: { uid: number; gids: number[] } } = {},
): Diagnosis | undefined {
  const directory = temporaryDirectory();
  prepare(directory);
  const root = RootDirectory.open(directory);
  onTestFinished(() => root.close());
  return diagnoseExecutable({ root, containerPath: "/app", ...options });
}

const app = (content: string | Uint8Array, mode?: number) => (directory: string) =>
  put(directory, "app", content, mode);

test("nothing is wrong with a static executable, nor with a script whose interpreter is there", () => {
  expect(diagnose(app(buildElf()))).toBeUndefined();
  expect(
    diagnose((directory) => {
      put(directory, "bin/sh", buildElf());
      put(directory, "app", "#!/bin/sh\n");
    }),
  ).toBeUndefined();
});

test("missing, and which directory is missing", () => {
  expect(diagnose(() => {})).toMatchObject({ reason: "missing", message: '"/app" does not exist' });
  expect(diagnose((directory) => put(directory, "opt/x", ""), { containerPath: "/opt/bin/app" })).toMatchObject({
    reason: "missing",
    message: '"/opt/bin/app" does not exist: there is no directory "/opt/bin"',
  });
});

test("a link that leads out of the container leads nowhere", () => {
  expect(diagnose((directory) => symlinkSync("/bin/sh", join(directory, "app")))).toMatchObject({
    reason: "missing",
    message: '"/app" is a link that leads nowhere inside the container',
  });
});

test("a directory", () => {
  expect(diagnose((directory) => mkdirSync(join(directory, "app")))).toMatchObject({ reason: "not-a-file" });
});

test("no execute bit, and one that is not the executor's", () => {
  expect(diagnose(app(buildElf(), 0o644))).toMatchObject({
    reason: "not-executable",
    message: '"/app" may not be executed: its mode is 0644',
    hint: "give it execute permission: chmod +x",
  });
  const onlyOwner = (directory: string) => chmodSync(put(directory, "app", buildElf()), 0o700);
  const uid = process.geteuid?.() ?? 0;
  const other = { uid: uid + 1, gids: [(process.getegid?.() ?? 0) + 1] };
  expect(diagnose(onlyOwner, { executor: other })).toMatchObject({ reason: "not-executable" });
  expect(diagnose(onlyOwner, { executor: { uid, gids: [] } })).toBeUndefined();
});

test("empty, and neither ELF nor script", () => {
  expect(diagnose(app(""))).toMatchObject({ reason: "empty" });
  expect(diagnose(app("echo hello\n"))).toMatchObject({ reason: "unknown-format" });
});

test("another architecture is named, and this one", () => {
  expect(diagnose(app(buildElf({ machine: 22, byteOrder: "big" })))).toMatchObject({
    reason: "wrong-architecture",
    message: `"/app" is for s390x, this machine is ${process.arch === "arm64" ? "aarch64" : "x86_64"}`,
  });
});

test("damaged", () => {
  expect(diagnose(app(buildElf({ interpreter: "/lib/ld.so" }).subarray(0, 100)))).toMatchObject({
    reason: "damaged",
    message: '"/app" is an ELF file that ends too early',
  });
  expect(diagnose(app(buildElf({ type: 1 })))).toMatchObject({ reason: "damaged" });
});

test("without its dynamic linker, or with one that does not fit", () => {
  const dynamic = buildElf({ interpreter: "/lib/ld.so" });
  expect(diagnose(app(dynamic))).toMatchObject({
    reason: "interpreter-missing",
    message: '"/app" is dynamically linked and needs "/lib/ld.so", which does not exist in the root filesystem',
  });
  const withLinker = (content: string | Uint8Array, mode?: number) =>
    diagnose((directory) => {
      put(directory, "app", dynamic);
      put(directory, "lib/ld.so", content, mode);
    });
  expect(withLinker("text")).toMatchObject({ reason: "interpreter-unfit" });
  expect(withLinker(buildElf({ machine: 3, bits: 32 }))).toMatchObject({ reason: "interpreter-unfit" });
  expect(withLinker(buildElf(), 0o644)).toMatchObject({ reason: "interpreter-unfit" });
  expect(withLinker(buildElf())).toBeUndefined();
});

test("a script without its interpreter, or with Windows line ends", () => {
  expect(diagnose(app("#!/bin/sh\n"))).toMatchObject({
    reason: "script-interpreter-missing",
    message: '"/app" is a script for "/bin/sh", which does not exist in the root filesystem',
  });
  expect(diagnose(app("#!/bin/sh\r\n"))?.hint).toContain("carriage return");
  expect(diagnose(app("#!\n"))).toMatchObject({ reason: "script-line" });
});

test("the fault of a script's interpreter is that of the script", () => {
  const result = diagnose((directory) => {
    put(directory, "app", "#!/bin/sh\n");
    put(directory, "bin/sh", buildElf(), 0o644);
  });
  expect(result).toMatchObject({ reason: "not-executable", containerPath: "/bin/sh" });
});

test("a script that interprets itself", () => {
  expect(diagnose(app("#!/app\n"))).toMatchObject({ reason: "script-too-deep" });
});

test("names from a root filesystem are quoted", () => {
  expect(diagnose(app("#!/bin/\u001b[2J\n"))?.message).toContain("\\u001b[2J");
});
