import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { RuntimeName } from "../harness/command.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;
const mountinfo = "read=/proc/self/mountinfo";

function hostDirectory(name: string, files: Readonly<Record<string, string>> = {}): string {
  const path = join(e2e.directory, name);
  mkdirSync(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  return path;
}

/** A container with one mount more at /data. */
function bundleWith(mount: { type?: string; source: string; options: string[] }) {
  return e2e.bundle((config, made) => {
    made.add({ "data/": "" });
    config.root.readonly = false;
    config.mounts.push({ destination: "/data", ...mount });
  });
}

describe("[/mounts] attributes of the whole tree", () => {
  let source: string;

  e2e.beforeAll(() => {
    source = hostDirectory("tree");
    execFileSync("mount", ["-t", "tmpfs", e2e.tag, source]);
    mkdirSync(join(source, "below"));
    execFileSync("mount", ["-t", "tmpfs", e2e.tag, join(source, "below")]);
    writeFileSync(join(source, "below/deep"), "");
  });

  e2e.afterAll(() => {
    execFileSync("umount", ["--recursive", source]);
  });

  // runc 1.1 and crun 1.8.1 put the modes of access time beside the one that is there, which the kernel refuses.
  const setting: [option: string, shown: string, runtimes?: RuntimeName[]][] = [
    ["rro", "ro"],
    ["rnosuid", "nosuid"],
    ["rnodev", "nodev"],
    ["rnoexec", "noexec"],
    ["rnodiratime", "nodiratime", ["runlet", "runc"]],
    ["rnosymfollow", "nosymfollow", ["runlet"]],
    ["rnoatime", "noatime", ["runlet"]],
    ["rrelatime", "relatime", ["runlet"]],
  ];
  for (const [option, shown, runtime = ["runlet", "runc", "crun"] as RuntimeName[]] of setting) {
    test(`${option} holds for what is mounted below too`, { runtime }, async () => {
      const seen = await e2e.observe(bundleWith({ type: "bind", source, options: ["rbind", option] }), mountinfo);
      expect(seen.mountAt("/data").options).toContain(shown);
      expect(seen.mountAt("/data/below").options).toContain(shown);
    });
  }

  test("rstrictatime takes the other modes of access time away", { runtime: ["runlet"] }, async () => {
    const seen = await e2e.observe(bundleWith({ type: "bind", source, options: ["rbind", "rstrictatime"] }), mountinfo);
    for (const target of ["/data", "/data/below"]) {
      for (const mode of ["relatime", "noatime"]) expect(seen.mountAt(target).options).not.toContain(mode);
    }
  });

  const clearing: [set: string, clear: string, shown: string, runtimes?: RuntimeName[]][] = [
    ["ro", "rrw", "ro"],
    ["nosuid", "rsuid", "nosuid"],
    ["nodev", "rdev", "nodev"],
    ["noexec", "rexec", "noexec"],
    ["nodiratime", "rdiratime", "nodiratime"],
    ["nosymfollow", "rsymfollow", "nosymfollow", ["runlet"]],
    ["noatime", "ratime", "noatime", ["runlet"]],
    ["noatime", "rnoatime", "relatime", ["runlet"]],
  ];
  for (const [set, clear, absent, runtime = ["runlet"] as RuntimeName[]] of clearing) {
    test(`${clear} takes it from what is mounted below, which the host mounted ${set}`, { runtime }, async () => {
      const target = hostDirectory(`cleared-${clear}`);
      execFileSync("mount", ["-t", "tmpfs", "-o", set, e2e.tag, target]);
      try {
        const seen = await e2e.observe(
          bundleWith({ type: "bind", source: target, options: ["rbind", clear] }),
          mountinfo,
        );
        expect(seen.mountAt("/data").options).not.toContain(absent);
      } finally {
        execFileSync("umount", [target]);
      }
    });
  }

  test("ro holds for the mount alone, rro for those below: a write tells", async () => {
    const plain = bundleWith({ type: "bind", source, options: ["rbind", "ro"] });
    const first = await e2e.observe(plain, "write=/data/new:x", "write=/data/below/new:x", "remove=/data/below/new");
    expect(first.of("write=/data/new:x")).toEqual({ errno: "EROFS" });
    expect(first.of("write=/data/below/new:x")).toBe("ok");
    const whole = bundleWith({ type: "bind", source, options: ["rbind", "rro"] });
    const second = await e2e.observe(whole, "write=/data/new:x", "write=/data/below/new:x");
    expect(second.of("write=/data/new:x")).toEqual({ errno: "EROFS" });
    expect(second.of("write=/data/below/new:x")).toEqual({ errno: "EROFS" });
  });

  test("the host's own mounts stay as they are", async () => {
    await e2e.observe(bundleWith({ type: "bind", source, options: ["rbind", "rro", "rnoexec"] }), mountinfo);
    writeFileSync(join(source, "below/deep"), "still writable");
    expect(readFileSync(join(source, "below/deep"), "utf8")).toBe("still writable");
  });
});

describe("[/mounts] attributes of one mount", () => {
  test("nosymfollow follows no link", { runtime: ["runlet"] }, async () => {
    const source = hostDirectory("links", { file: "content" });
    execFileSync("ln", ["-s", "file", join(source, "link")]);
    const seen = await e2e.observe(
      bundleWith({ type: "bind", source, options: ["bind", "nosymfollow"] }),
      "read=/data/file",
      "read=/data/link",
      "readlink=/data/link",
    );
    expect(seen.of("read=/data/file")).toBe("content");
    expect(seen.of("read=/data/link")).toEqual({ errno: "ELOOP" });
    expect(seen.of("readlink=/data/link")).toBe("file");
  });

  test("symfollow after nosymfollow follows them again: the last of a pair holds", {
    runtime: ["runlet"],
  }, async () => {
    const source = hostDirectory("links-again", { file: "content" });
    execFileSync("ln", ["-s", "file", join(source, "link")]);
    const bundle = bundleWith({ type: "bind", source, options: ["bind", "nosymfollow", "symfollow"] });
    expect((await e2e.observe(bundle, "read=/data/link")).of("read=/data/link")).toBe("content");
  });

  // crun 1.8.1 lets ro win over rw.
  for (const [options, shown, absent, runtime] of [
    [["ro", "rw"], "rw", "ro", ["runlet", "runc"]],
    [["exec", "noexec"], "noexec", "exec", ["runlet", "runc", "crun"]],
    [["noatime", "strictatime"], "rw", "noatime", ["runlet", "runc", "crun"]],
  ] as const) {
    test(`of ${options.join(",")} the last holds`, { runtime }, async () => {
      const source = hostDirectory(`pair-${options.join("-")}`);
      const bundle = bundleWith({ type: "bind", source, options: ["bind", ...options] });
      const seen = (await e2e.observe(bundle, mountinfo)).mountAt("/data");
      expect(seen.options).toContain(shown);
      expect(seen.options).not.toContain(absent);
    });
  }

  test("sync, dirsync and lazytime are the file system's", { runtime: ["runlet", "runc"] }, async () => {
    const options = ["sync", "dirsync", "lazytime"];
    const seen = await e2e.observe(bundleWith({ type: "tmpfs", source: "tmpfs", options }), mountinfo);
    expect(seen.mountAt("/data").superOptions).toEqual(expect.arrayContaining(options));
  });

  test("defaults, silent and loud change nothing", { runtime: ["runlet"] }, async () => {
    const options = ["defaults", "silent", "loud"];
    const seen = await e2e.observe(bundleWith({ type: "tmpfs", source: "tmpfs", options }), mountinfo);
    expect(seen.mountAt("/data")).toMatchObject({ type: "tmpfs", options: ["rw", "relatime"] });
  });

  test("an option that the file system does not know is refused, in the kernel's words", async () => {
    const result = await e2e.run(
      bundleWith({ type: "tmpfs", source: "tmpfs", options: ["no-such-option"] }).probing("ids"),
    );
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    if (e2e.runtime.name === "runlet") {
      expect(result.stderr).toContain("/mounts/7");
      expect(result.stderr).toContain("no-such-option");
    }
  });

  test("a type that the kernel does not know is refused", async () => {
    const result = await e2e.run(bundleWith({ type: "nosuchfs", source: "x", options: [] }).probing("ids"));
    expect(result.status).toBe(1);
    if (e2e.runtime.name === "runlet") expect(result.stderr).toContain("nosuchfs");
  });

  test("a source that does not exist is refused, with its path", async () => {
    const source = join(e2e.directory, "no-such-source");
    const result = await e2e.run(bundleWith({ type: "bind", source, options: ["bind"] }).probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("no-such-source");
  });
});

describe("[/mounts] a remount", () => {
  test("changes the attributes of what is there, and keeps the others", { runtime: ["runlet"] }, async () => {
    const source = hostDirectory("again", { file: "" });
    const bundle = bundleWith({ type: "bind", source, options: ["bind", "nosuid", "noexec"] });
    bundle.config.mounts.push({ destination: "/data", options: ["remount", "bind", "ro"] });
    const seen = await e2e.observe(bundle, mountinfo, "write=/data/new:x");
    expect(seen.mounts().filter(({ target }) => target === "/data")).toHaveLength(1);
    expect(seen.mountAt("/data").options).toEqual(expect.arrayContaining(["ro", "nosuid", "noexec"]));
    expect(seen.of("write=/data/new:x")).toEqual({ errno: "EROFS" });
  });

  test("of a path that is no mount is refused", { runtime: ["runlet"] }, async () => {
    const bundle = e2e.bundle((config, made) => {
      made.add({ "plain/": "" });
      config.mounts.push({ destination: "/plain", options: ["remount", "ro"] });
    });
    const result = await e2e.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/mounts/7");
  });
});

describe("[/mounts] tmpcopyup", () => {
  test("fills the new tmpfs with what the directory holds, modes and owners too", async () => {
    const bundle = e2e.bundle((config, made) => {
      made.add({ "seed/file": "content", "seed/deep/er": "below", "seed/empty/": "" });
      execFileSync("chmod", ["0604", join(made.rootfs, "seed/file")]);
      execFileSync("chown", ["12:34", join(made.rootfs, "seed/file")]);
      execFileSync("ln", ["-s", "file", join(made.rootfs, "seed/link")]);
      config.mounts.push({ destination: "/seed", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "nodev"] });
    });
    const seen = await e2e.observe(
      bundle,
      mountinfo,
      "read=/seed/file",
      "stat=/seed/file",
      "read=/seed/deep/er",
      "readlink=/seed/link",
      "list=/seed",
      "overwrite=/seed/deep/er:changed",
    );
    expect(seen.mountAt("/seed")).toMatchObject({ type: "tmpfs" });
    expect(seen.of("read=/seed/file")).toBe("content");
    expect(seen.of("stat=/seed/file")).toMatchObject({ mode: 0o604, uid: 12, gid: 34 });
    expect(seen.of("read=/seed/deep/er")).toBe("below");
    expect(seen.of("readlink=/seed/link")).toBe("file");
    expect(seen.of<string[]>("list=/seed").sort()).toEqual(["deep", "empty", "file", "link"]);
    expect(seen.of("overwrite=/seed/deep/er:changed")).toBe("ok");
    expect(readFileSync(join(bundle.rootfs, "seed/deep/er"), "utf8")).toBe("below");
  });

  test("leaves mode and owner of the directory to the options, the mode to the directory where they say none", async () => {
    const bundle = e2e.bundle((config, made) => {
      made.add({ "given/": "", "silent/": "" });
      execFileSync("chmod", ["0750", join(made.rootfs, "given"), join(made.rootfs, "silent")]);
      const tmpfs = { type: "tmpfs", source: "tmpfs" };
      config.mounts.push(
        { ...tmpfs, destination: "/silent", options: ["tmpcopyup", "uid=5"] },
        { ...tmpfs, destination: "/absent", options: ["tmpcopyup", "mode=0711"] },
      );
      // runc takes the directory's mode even then.
      if (e2e.runtime.name === "runlet")
        config.mounts.push({ ...tmpfs, destination: "/given", options: ["tmpcopyup", "mode=0711"] });
    });
    const seen = await e2e.observe(bundle, "stat=/silent", "stat=/absent", "stat=/given");
    // With the peers of distributions the tmpfs keeps a mode of its own.
    const isOurs = e2e.runtime.name === "runlet";
    expect(seen.of("stat=/silent")).toMatchObject({ uid: 5, ...(isOurs ? { mode: 0o750 } : {}) });
    expect(seen.of("stat=/absent")).toMatchObject({ mode: 0o711 });
    if (isOurs) expect(seen.of("stat=/given")).toMatchObject({ mode: 0o711 });
  });

  test("can be read-only afterwards", async () => {
    const bundle = e2e.bundle((config, made) => {
      made.add({ "seed/file": "content" });
      config.mounts.push({ destination: "/seed", type: "tmpfs", source: "tmpfs", options: ["ro", "tmpcopyup"] });
    });
    const seen = await e2e.observe(bundle, "read=/seed/file", "write=/seed/new:x");
    expect(seen.of("read=/seed/file")).toBe("content");
    expect(seen.of("write=/seed/new:x")).toEqual({ errno: "EROFS" });
  });

  test("follows no link out of the root while it copies", { runtime: ["runlet"] }, async () => {
    const secret = join(hostDirectory("secret", { file: "of the host" }), "file");
    const bundle = e2e.bundle((config, made) => {
      made.add({ "seed/": "" });
      execFileSync("ln", ["-s", secret, join(made.rootfs, "seed/out")]);
      config.mounts.push({ destination: "/seed", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] });
    });
    const seen = await e2e.observe(bundle, "readlink=/seed/out", "read=/seed/out");
    expect(seen.of("readlink=/seed/out")).toBe(secret);
    expect(seen.of("read=/seed/out")).toEqual({ errno: "ENOENT" });
  });

  test("is for tmpfs alone", { runtime: ["runlet"] }, async () => {
    const source = hostDirectory("no-copy");
    const result = await e2e.run(bundleWith({ type: "bind", source, options: ["bind", "tmpcopyup"] }).probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/mounts/7/options");
  });
});

describe("[/mounts] over what other mounts and devices are at", () => {
  test("a tmpfs over /dev gets the devices, and a read-only one is sealed when they are there", async () => {
    const bundle = e2e.bundle((config) => {
      config.mounts = config.mounts.map((mount) =>
        mount.destination === "/dev" ? { ...mount, options: [...(mount.options ?? []), "ro"] } : mount,
      );
    });
    const seen = await e2e.observe(bundle, "stat=/dev/null", "write=/dev/null:x", "write=/dev/new:x", "stat=/dev/shm");
    expect(seen.of("stat=/dev/null")).toMatchObject({ type: "c", major: 1, minor: 3 });
    expect(seen.of("write=/dev/null:x")).toBe("ok");
    expect(seen.of("write=/dev/new:x")).toEqual({ errno: "EROFS" });
    expect(seen.of("stat=/dev/shm")).toMatchObject({ type: "directory" });
  });

  test("the host's /dev bound over /dev keeps its devices, and gets none", async () => {
    const before = execFileSync("ls", ["/dev"], { encoding: "utf8" });
    const bundle = e2e.bundle((config) => {
      config.mounts = config.mounts
        .filter(({ destination }) => !destination.startsWith("/dev"))
        .concat({ destination: "/dev", type: "bind", source: "/dev", options: ["rbind", "rslave"] });
    });
    const seen = await e2e.observe(bundle, "stat=/dev/null", "stat=/dev/full", mountinfo);
    expect(seen.of("stat=/dev/null")).toMatchObject({ type: "c", major: 1, minor: 3 });
    expect(seen.mountAt("/dev").type).toBe("devtmpfs");
    expect(execFileSync("ls", ["/dev"], { encoding: "utf8" })).toBe(before);
  });

  test("a file bound over a device takes its place", async () => {
    const source = join(hostDirectory("not-random", { bytes: "not random" }), "bytes");
    const bundle = e2e.bundle((config) => {
      config.mounts.push({ destination: "/dev/urandom", type: "bind", source, options: ["bind", "ro"] });
    });
    expect((await e2e.observe(bundle, "read=/dev/urandom")).of("read=/dev/urandom")).toBe("not random");
  });

  test("a read-only root with a writable island in an island that is read-only", async () => {
    const outer = hostDirectory("outer", { file: "" });
    mkdirSync(join(outer, "inner"));
    const inner = hostDirectory("inner");
    const bundle = e2e.bundle((config, made) => {
      made.add({ "outer/": "" });
      config.mounts.push({ destination: "/outer", type: "bind", source: outer, options: ["bind", "ro"] });
      config.mounts.push({ destination: "/outer/inner", type: "bind", source: inner, options: ["bind", "rw"] });
    });
    const seen = await e2e.observe(bundle, "write=/outer/new:x", "write=/outer/inner/new:x", "write=/new:x");
    expect(seen.of("write=/outer/new:x")).toEqual({ errno: "EROFS" });
    expect(seen.of("write=/outer/inner/new:x")).toBe("ok");
    expect(seen.of("write=/new:x")).toEqual({ errno: "EROFS" });
    expect(statSync(join(inner, "new")).size).toBe(1);
  });

  test("a missing target is made as the source is: a directory, or a file", async () => {
    const source = hostDirectory("kinds", { file: "content" });
    const bundle = e2e.bundle((config) => {
      config.root.readonly = false;
      config.mounts.push(
        { destination: "/made/directory", type: "bind", source, options: ["bind"] },
        { destination: "/made/too/file", type: "bind", source: join(source, "file"), options: ["bind"] },
        { destination: "/made/tmpfs", type: "tmpfs", source: "tmpfs", options: [] },
      );
    });
    const seen = await e2e.observe(bundle, "read=/made/directory/file", "read=/made/too/file", "stat=/made/tmpfs");
    expect(seen.of("read=/made/directory/file")).toBe("content");
    expect(seen.of("read=/made/too/file")).toBe("content");
    expect(seen.of("stat=/made/tmpfs")).toMatchObject({ type: "directory" });
    expect(statSync(join(bundle.rootfs, "made/directory")).isDirectory()).toBe(true);
    expect(statSync(join(bundle.rootfs, "made/too/file")).isFile()).toBe(true);
  });

  test("a link of the rootfs leads the target within the root, also a link that climbs", async () => {
    const source = hostDirectory("linked", { file: "content" });
    const bundle = e2e.bundle((config, made) => {
      made.add({ "real/place/": "" });
      execFileSync("ln", ["-s", "../../../../../real", join(made.rootfs, "link")]);
      config.mounts.push({ destination: "/link/place", type: "bind", source, options: ["bind", "ro"] });
    });
    const seen = await e2e.observe(bundle, "read=/real/place/file", mountinfo);
    expect(seen.of("read=/real/place/file")).toBe("content");
    expect(seen.mountAt("/real/place").options).toContain("ro");
  });

  test("a relative destination is refused, with what to write", { runtime: ["runlet"] }, async () => {
    const bundle = e2e.bundle((config) => {
      config.mounts.push({ destination: "data", type: "tmpfs", source: "tmpfs", options: [] });
    });
    const result = await e2e.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/mounts/7/destination");
  });
});
