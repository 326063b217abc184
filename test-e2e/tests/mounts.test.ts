import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { RuntimeName } from "../harness/command.ts";
import { cgroupLayout } from "../harness/requirements.ts";
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

describe("[/mounts/*/destination] [/mounts/*/type] the default mounts", () => {
  test("are those of the config, with their options, in their order", async () => {
    const seen = await e2e.observe(e2e.bundle(), mountinfo);
    const table = (target: string) => {
      const { type, options } = seen.mountAt(target);
      return [type, ...options].join(" ");
    };
    expect(table("/proc")).toBe("proc rw relatime");
    expect(seen.mountAt("/dev").type).toBe("tmpfs");
    expect(seen.mountAt("/dev").options).toEqual(expect.arrayContaining(["rw", "nosuid"]));
    expect(seen.mountAt("/dev").superOptions).toEqual(expect.arrayContaining(["size=65536k", "mode=755"]));
    expect(table("/dev/pts")).toBe("devpts rw nosuid noexec relatime");
    expect(seen.mountAt("/dev/pts").superOptions).toEqual(
      expect.arrayContaining(["gid=5", "mode=620", "ptmxmode=666"]),
    );
    expect(table("/dev/shm")).toBe("tmpfs rw nosuid nodev noexec relatime");
    expect(table("/dev/mqueue")).toBe("mqueue rw nosuid nodev noexec relatime");
    expect(table("/sys")).toBe("sysfs ro nosuid nodev noexec relatime");
    const order = seen.mounts().map((mount) => mount.target);
    expect(order.indexOf("/proc")).toBeLessThan(order.indexOf("/dev"));
    expect(order.indexOf("/dev")).toBeLessThan(order.indexOf("/dev/pts"));
  });

  test("nothing of the host's mounts is left below the root", async () => {
    const seen = await e2e.observe(e2e.bundle(), mountinfo);
    const roots = seen.mounts().filter((mount) => mount.target === "/");
    expect(roots).toHaveLength(1);
    for (const mount of seen.mounts()) expect(mount.target).toMatch(/^\/($|proc|dev|sys)/);
  });

  test("the control groups are there to be read, and not to be written", async () => {
    const controllers = cgroupLayout === "v2" ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const seen = await e2e.observe(e2e.bundle(), `list=${controllers}`, `mkdir=${controllers}/mine`);
    expect(seen.of(`list=${controllers}`)).toContain("cgroup.procs");
    expect(seen.of(`mkdir=${controllers}/mine`)).toEqual({ errno: "EROFS" });
  });
});

describe("[/root/path] [/root/readonly] the root filesystem", () => {
  test("is read-only when root.readonly is set", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = true;
      }),
      "write=/new:x",
      "mkdir=/new",
      mountinfo,
    );
    expect(seen.of("write=/new:x")).toEqual({ errno: "EROFS" });
    expect(seen.of("mkdir=/new")).toEqual({ errno: "EROFS" });
    expect(seen.mountAt("/").options).toContain("ro");
  });

  test("is writable when root.readonly is not, and what is written is in the bundle", async () => {
    const bundle = e2e.bundle((config) => {
      config.root.readonly = false;
    });
    const seen = await e2e.observe(bundle, "write=/new:content");
    expect(seen.of("write=/new:content")).toBe("ok");
    expect(readFileSync(join(bundle.rootfs, "new"), "utf8")).toBe("content");
  });

  test("read-only has writable islands", async () => {
    const island = hostDirectory("island");
    const seen = await e2e.observe(
      e2e.bundle((config, bundle) => {
        bundle.add({ "island/": "" });
        config.mounts.push({ destination: "/island", type: "bind", source: island, options: ["rbind", "rw"] });
      }),
      "write=/island/new:x",
      "write=/new:x",
    );
    expect(seen.of("write=/island/new:x")).toBe("ok");
    expect(seen.of("write=/new:x")).toEqual({ errno: "EROFS" });
    expect(existsSync(join(island, "new"))).toBe(true);
  });
});

describe("[/mounts/*/destination] a file system at /", () => {
  for (const readonly of [false, true]) {
    const name = `is the root filesystem${readonly ? ", read-only after its mount points were made" : ""}`;
    // crun 1.8 goes on with the root below it.
    test(name, { runtime: ["runlet", "runc"] }, async () => {
      const lower = hostDirectory(`lower-${readonly}`, { file: "below" });
      const upper = hostDirectory(`upper-${readonly}`);
      const bundle = e2e.bundle((config, { rootfs }) => {
        const options = [
          `lowerdir=${lower}:${rootfs}`,
          `upperdir=${upper}`,
          `workdir=${hostDirectory(`work-${readonly}`)}`,
        ];
        config.root.path = hostDirectory(`root-${readonly}`);
        config.root.readonly = readonly;
        config.mounts.unshift({ destination: "/", type: "overlay", source: "overlay", options });
      });
      const seen = await e2e.observe(bundle, "read=/file", "write=/new:x", mountinfo);
      expect(seen.of("read=/file")).toBe("below");
      expect(
        seen
          .mounts()
          .filter(({ target }) => target === "/")
          .map(({ type }) => type),
      ).toEqual(["overlay"]);
      expect(existsSync(join(upper, "new"))).toBe(!readonly);
      expect(existsSync(join(upper, "proc"))).toBe(true);
      expect(seen.of("write=/new:x")).toEqual(readonly ? { errno: "EROFS" } : "ok");
    });
  }
});

describe("[/mounts/*/source] [/mounts/*/options] bind mounts", () => {
  test("of a directory show the host's files, and writes go there", async () => {
    const source = hostDirectory("shared", { greeting: "hello" });
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind"] });
      }),
      "read=/data/greeting",
      "write=/data/answer:yes",
    );
    expect(seen.of("read=/data/greeting")).toBe("hello");
    expect(seen.of("write=/data/answer:yes")).toBe("ok");
    expect(readFileSync(join(source, "answer"), "utf8")).toBe("yes");
  });

  test("of a file make a missing target, with its missing directories", async () => {
    const source = join(hostDirectory("file-source", { name: "content of the file" }), "name");
    const bundle = e2e.bundle((config) => {
      config.root.readonly = false;
      config.mounts.push({ destination: "/etc/deep/name", type: "bind", source, options: ["bind", "ro"] });
    });
    const seen = await e2e.observe(bundle, "read=/etc/deep/name", "overwrite=/etc/deep/name:x");
    expect(seen.of("read=/etc/deep/name")).toBe("content of the file");
    expect(seen.of("overwrite=/etc/deep/name:x")).toEqual({ errno: "EROFS" });
    expect(statSync(join(bundle.rootfs, "etc/deep/name")).isFile()).toBe(true);
    expect(statSync(join(bundle.rootfs, "etc/deep/name")).size).toBe(0);
  });

  test("need no type when the options say bind", async () => {
    const source = hostDirectory("untyped", { a: "b" });
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.mounts.push({ destination: "/data", source, options: ["bind", "ro"] });
      }),
      "read=/data/a",
    );
    expect(seen.of("read=/data/a")).toBe("b");
  });

  test("take a source relative to the bundle", async () => {
    const bundle = e2e.bundle((config, made) => {
      config.root.readonly = false;
      mkdirSync(join(made.hostPath, "beside"));
      writeFileSync(join(made.hostPath, "beside/file"), "relative");
      config.mounts.push({ destination: "/data", type: "bind", source: "beside", options: ["bind"] });
    });
    const seen = await e2e.observe(bundle, "read=/data/file");
    expect(seen.of("read=/data/file")).toBe("relative");
  });

  const attributes: [options: string[], shown: string[]][] = [
    [["ro"], ["ro"]],
    [["nosuid"], ["nosuid"]],
    [["nodev"], ["nodev"]],
    [["noexec"], ["noexec"]],
    [["noatime"], ["noatime"]],
    [["nodiratime"], ["nodiratime"]],
    [
      ["ro", "nosuid", "nodev", "noexec", "relatime"],
      ["ro", "nosuid", "nodev", "noexec", "relatime"],
    ],
  ];
  for (const [options, shown] of attributes) {
    test(`with ${options.join(", ")} have these attributes`, async () => {
      const source = hostDirectory(`attributes-${options.join("-")}`);
      const seen = await e2e.observe(
        e2e.bundle((config) => {
          config.root.readonly = false;
          config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind", ...options] });
        }),
        mountinfo,
      );
      expect(seen.mountAt("/data").options).toEqual(expect.arrayContaining(shown));
    });
  }

  test("with noexec do not run programs, with nosuid and nodev do not honour bits and nodes", async () => {
    const source = hostDirectory("programs");
    execFileSync("cp", [join(e2e.bundle().rootfs, "probe"), join(source, "probe")]);
    chmodSync(join(source, "probe"), 0o755);
    execFileSync("mknod", [join(source, "null"), "c", "1", "3"]);
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.mounts.push({ destination: "/free", type: "bind", source, options: ["bind"] });
        config.mounts.push({ destination: "/bound", type: "bind", source, options: ["bind", "noexec", "nodev"] });
      }),
      "execute=/free/probe",
      "execute=/bound/probe",
      "openRead=/bound/null",
    );
    expect(seen.of("execute=/free/probe")).toEqual({ status: 0 });
    expect(seen.of("execute=/bound/probe")).toEqual({ errno: "EACCES" });
    expect(seen.of("openRead=/bound/null")).toEqual({ errno: "EACCES" });
  });

  test("rbind takes the mounts below, bind leaves them", async () => {
    const source = hostDirectory("tree/below");
    execFileSync("mount", ["-t", "tmpfs", e2e.tag, source]);
    writeFileSync(join(source, "deep"), "in the tmpfs");
    try {
      const tree = join(e2e.directory, "tree");
      const seen = await e2e.observe(
        e2e.bundle((config) => {
          config.root.readonly = false;
          config.mounts.push({ destination: "/with", type: "bind", source: tree, options: ["rbind"] });
          config.mounts.push({ destination: "/without", type: "bind", source: tree, options: ["bind"] });
        }),
        "read=/with/below/deep",
        "read=/without/below/deep",
      );
      expect(seen.of("read=/with/below/deep")).toBe("in the tmpfs");
      expect(seen.of("read=/without/below/deep")).toEqual({ errno: "ENOENT" });
    } finally {
      execFileSync("umount", [source]);
    }
  });
});

describe("tmpfs", () => {
  test("has the size and mode of its options", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.mounts.push({
          destination: "/scratch",
          type: "tmpfs",
          source: "tmpfs",
          options: ["nosuid", "nodev", "size=1024k", "mode=1700"],
        });
      }),
      "statfs=/scratch",
      "stat=/scratch",
      "write=/scratch/file:x",
    );
    expect(seen.of("statfs=/scratch")).toMatchObject({ magic: 0x01021994, sizeBytes: 1024 * 1024 });
    expect(seen.of("stat=/scratch")).toMatchObject({ mode: 0o1700 });
    expect(seen.of("write=/scratch/file:x")).toBe("ok");
  });

  test("can be read-only", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.mounts.push({ destination: "/scratch", type: "tmpfs", source: "tmpfs", options: ["ro"] });
      }),
      "write=/scratch/file:x",
    );
    expect(seen.of("write=/scratch/file:x")).toEqual({ errno: "EROFS" });
  });

  test("over the same destination twice, the last one is seen", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.mounts.push({ destination: "/dev/shm", type: "tmpfs", source: "second", options: ["size=2048k"] });
      }),
      "statfs=/dev/shm",
    );
    expect(seen.of("statfs=/dev/shm")).toMatchObject({ sizeBytes: 2048 * 1024 });
  });
});

describe("propagation", () => {
  // A bind of a shared mount of the host's: what the container's copy is, shows in mountinfo's optional fields.
  const forms: [option: string, expected: RegExp][] = [
    ["private", /^$/],
    ["rprivate", /^$/],
    ["slave", /^master:\d+$/],
    ["rslave", /^master:\d+$/],
    ["shared", /^shared:\d+$/],
    ["rshared", /^shared:\d+$/],
    ["unbindable", /^unbindable$/],
    ["runbindable", /^unbindable$/],
  ];
  for (const [option, expected] of forms) {
    test(option, {
      runtime: option.includes("shared") || option.includes("slave") ? ["runlet", "runc"] : ["runlet", "runc", "crun"],
    }, async () => {
      const source = hostDirectory(`propagation-${option}`);
      execFileSync("mount", ["-t", "tmpfs", e2e.tag, source]);
      execFileSync("mount", ["--make-shared", source]);
      try {
        const seen = await e2e.observe(
          e2e.bundle((config) => {
            config.root.readonly = false;
            config.linux.rootfsPropagation = option.includes("shared") ? "shared" : "rslave";
            config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind", option] });
          }),
          mountinfo,
        );
        expect(seen.mountAt("/data").propagation.join(" ")).toMatch(expected);
      } finally {
        execFileSync("umount", [source]);
      }
    });
  }

  // runc 1.1 refuses an unbindable root, and gives a shared one only to what it mounts below.
  const rootForms: [value: "private" | "unbindable" | "shared", expected: RegExp, runtimes: RuntimeName[]][] = [
    ["private", /^$/, ["runlet", "runc", "crun"]],
    ["unbindable", /^unbindable$/, ["runlet", "crun"]],
    ["shared", /^shared:\d+$/, ["runlet", "crun"]],
  ];
  for (const [value, expected, runtime] of rootForms) {
    test(`rootfsPropagation ${value} is the root's`, { runtime }, async () => {
      const seen = await e2e.observe(
        e2e.bundle((config) => {
          config.linux.rootfsPropagation = value;
        }),
        mountinfo,
      );
      expect(seen.mountAt("/").propagation.join(" ")).toMatch(expected);
    });
  }

  test("a mount that the host makes later appears in a container that is its slave", async () => {
    const source = hostDirectory("later");
    mkdirSync(join(source, "below"), { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", e2e.tag, source]);
    execFileSync("mount", ["--make-shared", source]);
    mkdirSync(join(source, "below"));
    const below = join(source, "below");
    const id = e2e.id();
    try {
      const bundle = e2e
        .bundle((config) => {
          config.root.readonly = false;
          config.linux.rootfsPropagation = "rslave";
          config.mounts.push({ destination: "/data", type: "bind", source, options: ["rbind", "rslave"] });
        })
        .probing("stat=/data", "waitFile=/data/below/appeared");
      const call = e2e.runtime.start(["run", "--bundle", bundle.hostPath, id]);
      await call.waitForOutput("stat=/data");
      execFileSync("mount", ["-t", "tmpfs", e2e.tag, below]);
      writeFileSync(join(below, "appeared"), "");
      expect((await call.ended).status).toBe(0);
    } finally {
      execFileSync("umount", ["--recursive", source]);
    }
  });
});

describe("[/linux/maskedPaths] [/linux/readonlyPaths] maskedPaths and readonlyPaths", () => {
  test("masked files are empty, masked directories are empty, and neither can be written", async () => {
    const bundle = e2e.bundle((config, made) => {
      config.root.readonly = false;
      made.add({ "secret-file": "secret", "secret-directory/inside": "secret" });
      config.linux.maskedPaths = ["/secret-file", "/secret-directory", "/does/not/exist", "/proc/version"];
    });
    const seen = await e2e.observe(
      bundle,
      "read=/secret-file",
      "list=/secret-directory",
      "write=/secret-directory/x:y",
      "read=/proc/version",
    );
    expect(seen.of("read=/secret-file")).toBe("");
    expect(seen.of("list=/secret-directory")).toEqual([]);
    expect(seen.of("write=/secret-directory/x:y")).toEqual({ errno: "EROFS" });
    expect(seen.of("read=/proc/version")).toBe("");
    expect(readFileSync(join(bundle.rootfs, "secret-file"), "utf8")).toBe("secret");
  });

  test("read-only paths can be read and not written", async () => {
    const bundle = e2e.bundle((config, made) => {
      config.root.readonly = false;
      made.add({ "kept/file": "as it was" });
      config.linux.readonlyPaths = ["/kept", "/proc/sys", "/does/not/exist"];
    });
    const seen = await e2e.observe(
      bundle,
      "read=/kept/file",
      "overwrite=/kept/file:x",
      "overwrite=/proc/sys/kernel/hostname:x",
      "write=/free:x",
    );
    expect(seen.of("read=/kept/file")).toBe("as it was");
    expect(seen.of("overwrite=/kept/file:x")).toEqual({ errno: "EROFS" });
    expect(seen.of("overwrite=/proc/sys/kernel/hostname:x")).toEqual({ errno: "EROFS" });
    expect(seen.of("write=/free:x")).toBe("ok");
  });

  test("the default config's hold", async () => {
    const seen = await e2e.observe(
      e2e.bundle(),
      "read=/proc/keys",
      "overwrite=/proc/sys/kernel/hostname:x",
      "list=/sys/firmware",
    );
    expect(seen.of("read=/proc/keys")).toBe("");
    expect(seen.of("overwrite=/proc/sys/kernel/hostname:x")).toEqual({ errno: "EROFS" });
    expect([[], { errno: "ENOENT" }]).toContainEqual(seen.of("list=/sys/firmware"));
  });
});
