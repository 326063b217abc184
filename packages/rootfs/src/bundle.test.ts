import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { defaultSpec } from "@runlet/spec";
import { atFlags, mkdirat, openat, openFlags } from "@runlet/syscall";
import { expect, onTestFinished, test } from "vitest";
import { buildElf } from "../test/elf-builder.ts";
import { put, temporaryDirectory } from "../test/temporary.ts";
import { createBundle } from "./bundle.ts";
import { type BundleSource, readBundleSource } from "./bundle-source.ts";
import { removeTree } from "./remove-tree.ts";

function make(prepare: (directory: string) => BundleSource[]) {
  const directory = temporaryDirectory();
  const from = prepare(directory);
  return { directory, bundleHostPath: join(directory, "bundle"), from };
}

const printme = (directory: string): BundleSource[] => [
  { kind: "executable", hostPath: put(directory, "printme", buildElf()) },
];

test("a bundle of one static executable", async () => {
  const { bundleHostPath, directory, from } = make(printme);
  const bundle = await createBundle({ bundleHostPath, from });
  expect(readdirSync(bundleHostPath).sort()).toEqual(["config.json", "rootfs"]);
  expect(readFileSync(join(bundleHostPath, "rootfs/printme"))).toEqual(buildElf());
  expect(statSync(join(bundleHostPath, "rootfs/printme")).mode & 0o777).toBe(0o755);
  expect(statSync(bundleHostPath).mode & 0o777).toBe(0o755);
  expect(readdirSync(join(bundleHostPath, "rootfs")).sort()).toEqual(["dev", "etc", "printme", "proc", "sys", "tmp"]);
  expect(bundle.files).toEqual([
    { hostPath: join(directory, "printme"), containerPath: "/printme", role: "executable" },
  ]);
  const config = JSON.parse(readFileSync(join(bundleHostPath, "config.json"), "utf8"));
  expect(config).toEqual(JSON.parse(JSON.stringify(bundle.spec)));
  expect(config.process).toMatchObject({ args: ["/printme"], terminal: false, cwd: "/" });
  expect(config.root).toEqual({ path: "rootfs", readonly: true });
});

test("a bundle is open to all users of its container, whatever the umask", async () => {
  const { bundleHostPath, directory } = make(printme);
  const umask = process.umask(0o077);
  try {
    const from: BundleSource[] = [
      { kind: "file", hostPath: put(directory, "printme", buildElf()), containerPath: "/opt/bin/printme" },
    ];
    await createBundle({ bundleHostPath, from });
  } finally {
    process.umask(umask);
  }
  for (const path of ["", "rootfs", "rootfs/opt/bin", "rootfs/etc"])
    expect(statSync(join(bundleHostPath, path)).mode & 0o777, path).toBe(0o755);
});

test("the configuration's edits", async () => {
  const { bundleHostPath, from } = make(printme);
  const mount = { destination: "/data", type: "tmpfs", source: "tmpfs" };
  const { spec } = await createBundle({
    bundleHostPath,
    from,
    config: {
      args: ["/printme", "-v"],
      env: ["A=1", "TERM=dumb"],
      cwd: "/tmp",
      hostname: "HAL-9000",
      memoryLimitBytes: 64 << 20,
      mounts: [mount],
      terminal: true,
      readonly: false,
      user: { uid: 7, gid: 8 },
    },
  });
  expect(spec.process).toMatchObject({
    args: ["/printme", "-v"],
    cwd: "/tmp",
    terminal: true,
    user: { uid: 7, gid: 8 },
  });
  expect(spec.process?.env?.slice(1)).toEqual(["TERM=dumb", "A=1"]);
  expect(spec.hostname).toBe("HAL-9000");
  expect(spec.root?.readonly).toBe(false);
  expect(spec.mounts?.at(-1)).toEqual(mount);
  expect(spec.linux?.resources?.memory).toEqual({ limit: 64 << 20 });
});

test("a spec of the caller's own is written as it is, large numbers in full", async () => {
  const { bundleHostPath, from } = make(printme);
  const spec = defaultSpec();
  spec.process = { cwd: "/", user: { uid: 0, gid: 0 }, args: ["/x"], rlimits: [] };
  spec.linux = { resources: { memory: { limit: 2n ** 60n + 1n } } };
  await createBundle({ bundleHostPath, from, spec });
  expect(readFileSync(join(bundleHostPath, "config.json"), "utf8")).toContain('"limit": 1152921504606846977\n');
});

test("an existing directory is filled, an existing rootfs or config.json is not touched", async () => {
  const { bundleHostPath, directory, from } = make(printme);
  mkdirSync(bundleHostPath);
  writeFileSync(join(bundleHostPath, "notes"), "mine");
  await createBundle({ bundleHostPath, from });
  expect(readdirSync(bundleHostPath).sort()).toEqual(["config.json", "notes", "rootfs"]);
  await expect(createBundle({ bundleHostPath, from })).rejects.toMatchObject({
    code: "ERR_RUNLET_EXISTS",
    message: `cannot make a bundle: ${JSON.stringify(join(bundleHostPath, "rootfs"))} exists already`,
  });
  const other = join(directory, "other");
  put(other, "config.json", "{}");
  await expect(createBundle({ bundleHostPath: other, from })).rejects.toMatchObject({ code: "ERR_RUNLET_EXISTS" });
  expect(readdirSync(other)).toEqual(["config.json"]);
});

test("several files, each at its place", async () => {
  const { bundleHostPath, from } = make((directory) => {
    put(directory, "a", buildElf());
    put(directory, "b", buildElf());
    put(directory, "data.txt", "hello", 0o640);
    return ["a", "b:/bin/", "data.txt:/etc/data"].map((text) => readBundleSource(join(directory, text)));
  });
  const { files, spec } = await createBundle({ bundleHostPath, from });
  expect(files.map(({ containerPath, role }) => [containerPath, role])).toEqual([
    ["/a", "executable"],
    ["/bin/b", "executable"],
    ["/etc/data", "file"],
  ]);
  expect(readFileSync(join(bundleHostPath, "rootfs/etc/data"), "utf8")).toBe("hello");
  expect(spec.process?.args).toEqual(["/a"]);
});

test("set-user-ID is not carried over", async () => {
  const { bundleHostPath, from } = make((directory) => {
    const hostPath = put(directory, "a", buildElf());
    chmodSync(hostPath, 0o4755);
    return [{ kind: "executable", hostPath }];
  });
  await createBundle({ bundleHostPath, from });
  expect(statSync(join(bundleHostPath, "rootfs/a")).mode & 0o7777).toBe(0o755);
});

const bad: [name: string, content: string | Uint8Array, mode: number, expected: Record<string, unknown>][] = [
  ["not executable", buildElf(), 0o644, { message: expect.stringContaining("may not be executed: its mode is 0644") }],
  ["not ELF", "hello", 0o755, { message: expect.stringContaining("neither an ELF executable nor a script") }],
  [
    "another architecture",
    buildElf({ machine: 8 }),
    0o755,
    { message: expect.stringContaining("is for mips, this machine is") },
  ],
  [
    "no dynamic linker",
    buildElf({ interpreter: "/nowhere/ld.so" }),
    0o755,
    { message: expect.stringContaining('needs "/nowhere/ld.so", which does not exist on this host') },
  ],
  [
    "no interpreter of a script",
    "#!/nowhere/python\n",
    0o755,
    { message: expect.stringContaining('script for "/nowhere/python", which does not exist on this host') },
  ],
  [
    "env without its program",
    "#!/usr/bin/env no-such-program\n",
    0o755,
    { message: expect.stringContaining("no-such-program") },
  ],
];
for (const [name, content, mode, expected] of bad) {
  test(`an executable that cannot be bundled: ${name}; nothing is left behind`, async () => {
    const { bundleHostPath, directory, from } = make((directory) => [
      { kind: "executable", hostPath: put(directory, "app", content, mode) },
    ]);
    await expect(createBundle({ bundleHostPath, from })).rejects.toMatchObject({
      code: "ERR_RUNLET_EXECUTABLE",
      ...expected,
    });
    expect(readdirSync(directory)).toEqual(["app"]);
  });
}

test("every missing library is named, with what needs it and where it was looked for", async () => {
  const { bundleHostPath, directory, from } = make((directory) => {
    const interpreter = put(directory, "ld.so", buildElf({ soname: "ld.so" }));
    const elf = buildElf({ interpreter, needed: ["libno.so.1", "libnone.so.2"], runpath: "$ORIGIN/lib" });
    return [{ kind: "executable", hostPath: put(directory, "app", elf) }];
  });
  const app = JSON.stringify(join(directory, "app"));
  const lib = JSON.stringify(join(directory, "lib"));
  await expect(createBundle({ bundleHostPath, from })).rejects.toMatchObject({
    code: "ERR_RUNLET_EXECUTABLE",
    message: expect.stringMatching(/libno\.so\.1.*libnone\.so\.2/),
    details: {
      reason: "library-missing",
      missing: [{ name: "libno.so.1" }, { name: "libnone.so.2" }],
    },
  });
  await expect(createBundle({ bundleHostPath, from })).rejects.toThrow(
    `library "libno.so.1", needed by ${app}, is in none of ${lib}, "/etc/ld.so.cache"`,
  );
  expect(existsSync(bundleHostPath)).toBe(false);
});

test("sources that cannot be read", () => {
  expect(() => readBundleSource("/nowhere/app")).toThrow(
    expect.objectContaining({ code: "ERR_RUNLET_EXECUTABLE", errno: "ENOENT" }),
  );
  const directory = temporaryDirectory();
  const hostPath = put(directory, "app", buildElf());
  expect(() => readBundleSource(hostPath, { sha256: "0".repeat(64) })).toThrow(
    expect.objectContaining({ code: "ERR_RUNLET_USAGE" }),
  );
  const junk = put(directory, "layer.tar.gz", "\x00junk", 0o644);
  expect(() => readBundleSource(junk)).toThrow(
    expect.objectContaining({
      code: "ERR_RUNLET_EXECUTABLE",
      message: expect.stringContaining("neither an archive nor a program"),
    }),
  );
  expect(readBundleSource(`${junk}:/layer`)).toMatchObject({ kind: "file", containerPath: "/layer" });
});

test("a place that cannot be written to, and no source at all", async () => {
  const { from } = make(printme);
  await expect(createBundle({ bundleHostPath: "/nowhere/else/bundle", from })).rejects.toMatchObject({
    code: "ERR_RUNLET_BUNDLE",
    errno: "ENOENT",
  });
  await expect(createBundle({ bundleHostPath: "/nowhere/bundle", from: [] })).rejects.toMatchObject({
    code: "ERR_RUNLET_USAGE",
  });
});

test("a directory in which the bundle would lie is no source, however deep; nothing is left behind", async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "a/b"), { recursive: true });
  put(directory, "a/file", "hello");
  for (const place of ["bundle", "a/b/bundle", "a/b"]) {
    const from: BundleSource[] = [{ kind: "directory", hostPath: directory }];
    await expect(createBundle({ bundleHostPath: join(directory, place), from })).rejects.toMatchObject({
      code: "ERR_RUNLET_BUNDLE",
      message: "cannot copy a directory into itself: the bundle lies in it",
    });
  }
  expect(readdirSync(directory, { recursive: true }).sort()).toEqual(["a", "a/b", "a/file"]);
});

test("a directory that is nested too deep is no source", async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "deep"));
  let fd = openSync(join(directory, "deep"), "r");
  for (let depth = 0; depth < 1500; depth++) {
    mkdirat({ dirFd: fd, path: "d", mode: 0o755 });
    const inner = openat({ dirFd: fd, path: "d", flags: openFlags.O_RDONLY });
    closeSync(fd);
    fd = inner;
  }
  closeSync(fd);
  onTestFinished(() => void removeTree({ dirFd: atFlags.AT_FDCWD, path: join(directory, "deep") }));
  const from: BundleSource[] = [{ kind: "directory", hostPath: join(directory, "deep") }];
  await expect(createBundle({ bundleHostPath: join(directory, "bundle"), from })).rejects.toMatchObject({
    code: "ERR_RUNLET_BUNDLE",
    message: expect.stringContaining("directories lie too deep"),
  });
  expect(readdirSync(directory)).toEqual(["deep"]);
});
