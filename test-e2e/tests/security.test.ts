import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { Bundle } from "../harness/bundle.ts";
import { Canary } from "../harness/canary.ts";
import { Person } from "../harness/person.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

/** Where a hole is closed that the runc of distributions still has. */
const fixed = { runtime: ["runlet", "crun"] } as const;

/** Both ways out of a root: a link that climbs, and one that is absolute. */
function escapes(canary: Canary, bundle: Bundle): [string, string][] {
  return [
    ["relative", canary.from(bundle, "")],
    ["absolute", canary.path],
    ["too many dots", `../../../../../../../../../..${canary.path}`],
  ];
}

describe("a symbolic link in the rootfs leads nowhere outside it", () => {
  for (const destination of ["/data", "/data/below/it", "/etc/config"]) {
    test(`CVE-2019-18837: as the destination of a bind mount, ${destination}`, async () => {
      const source = join(e2e.directory, "bind-source");
      mkdirSync(source, { recursive: true });
      writeFileSync(join(source, "mine"), "");
      const canary = new Canary(e2e.directory, `canary-bind-${destination.replaceAll("/", "-")}`);
      for (const [, target] of escapes(canary, e2e.bundle())) {
        const bundle = e2e.bundle((config, made) => {
          config.root.readonly = false;
          symlinkSync(target, join(made.rootfs, destination.split("/")[1] ?? ""));
          config.mounts.push({ destination, type: "bind", source, options: ["bind"] });
        });
        await e2e.run(bundle.probing("pid"));
        canary.check();
      }
    });
  }

  for (const where of ["/proc", "/sys"]) {
    test(`CVE-2019-19921, CVE-2023-27561: ${where} that is a link is refused`, async () => {
      const canary = new Canary(e2e.directory, `canary${where.replace("/", "-")}`);
      const bundle = e2e.bundle((config, made) => {
        config.root.readonly = false;
        made.add({ "elsewhere/": "" });
        symlinkSync("/elsewhere", join(made.rootfs, where));
      });
      const result = await e2e.run(bundle.probing("pid"));
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
      if (e2e.runtime.name !== "crun") expect(result.stderr).toMatch(/must be mounted on ordinary directory/);
      canary.check();
    });
  }

  // runc 1.1.5 still has this hole, as it has CVE-2025-31133, and crun 1.8 half of it: that these tests fail there is what
  // proves them.
  for (const [how, isCovered, needs] of [
    ["that a file system is mounted on", true, fixed],
    ["with nothing mounted on it", false, { runtime: ["runlet"] }],
  ] as const) {
    test(`CVE-2026-41579, CVE-2026-47766: /dev that is a link, ${how}, makes nothing on the host`, needs, async () => {
      const canary = new Canary(e2e.directory, `canary-dev-${isCovered}`);
      for (const [, target] of escapes(canary, e2e.bundle())) {
        const bundle = e2e.bundle((config, made) => {
          config.root.readonly = false;
          symlinkSync(target, join(made.rootfs, "dev"));
          if (!isCovered) config.mounts = config.mounts.filter((mount) => !mount.destination.startsWith("/dev"));
        });
        await e2e.run(bundle.probing("pid"));
        canary.check();
      }
    });
  }

  test("CVE-2025-24965: a device whose path leads through a link makes nothing on the host", async () => {
    const canary = new Canary(e2e.directory, "canary-device");
    for (const [, target] of escapes(canary, e2e.bundle())) {
      const bundle = e2e.bundle((config, made) => {
        config.root.readonly = false;
        symlinkSync(target, join(made.rootfs, "nodes"));
        config.linux.devices = [
          { path: "/nodes/made", type: "c", major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 },
        ];
      });
      await e2e.run(bundle.probing("pid"));
      canary.check();
    }
  });

  test("a masked path and a read-only path that are links cover what they lead to in the root", async () => {
    const canary = new Canary(e2e.directory, "canary-masks");
    const bundle = e2e.bundle((config, made) => {
      config.root.readonly = false;
      made.add({ [`${canary.path}/file`]: "hidden", [`${canary.path}/kept`]: "visible" });
      symlinkSync(`../../../../../../../../../..${canary.path}`, join(made.rootfs, "masked"));
      symlinkSync(canary.path, join(made.rootfs, "kept"));
      config.linux.maskedPaths = ["/masked/file"];
      config.linux.readonlyPaths = ["/kept/kept"];
    });
    const seen = await e2e.observe(bundle, `read=${canary.path}/file`, `openWrite=${canary.path}/kept`);
    expect(seen.of(`read=${canary.path}/file`)).toBe("");
    expect(seen.of(`openWrite=${canary.path}/kept`)).toEqual({ errno: "EROFS" });
    canary.check();
  });

  test("CVE-2024-45310: a missing cwd behind a link makes nothing on the host", async () => {
    const canary = new Canary(e2e.directory, "canary-cwd");
    for (const [, target] of escapes(canary, e2e.bundle())) {
      const bundle = e2e.bundle((config, made) => {
        config.root.readonly = false;
        symlinkSync(target, join(made.rootfs, "work"));
        config.process.cwd = "/work/made/here";
      });
      await e2e.run(bundle.probing("cwd"));
      canary.check();
    }
  });

  test("an executable behind a link is looked for inside the root", async () => {
    const bundle = e2e.bundle((config, made) => {
      symlinkSync("/bin/busybox", join(made.rootfs, "tool"));
      config.process.args = ["/tool", "true"];
    });
    expect((await e2e.run(bundle)).status).toBe(1);
  });
});

describe("CVE-2025-52565: a terminal of the rootfs' own", () => {
  /** Runs a bundle on a terminal, without the file systems that would cover what the rootfs has in /dev. */
  async function runOnTerminal(edit: (bundle: Bundle) => void) {
    const bundle = e2e.bundle((config, made) => {
      config.root.readonly = false;
      config.process.terminal = true;
      config.mounts = config.mounts.filter((mount) => !/^\/dev(\/pts)?$/.test(mount.destination));
      edit(made);
    });
    const person = new Person([
      ...["run", "24", "80"],
      ...e2e.runtime.argv(["run", "--bundle", bundle.probing("ids").hostPath, e2e.id()]),
    ]);
    return { status: await person.status, screen: person.screen, rootfs: bundle.rootfs };
  }

  test("/dev/pts/ptmx that is a file is no terminal", { runtime: ["runlet"] }, async () => {
    const { status, screen } = await runOnTerminal((made) => made.add({ "dev/pts/ptmx": "" }));
    expect(status).toBe(1);
    expect(screen).toContain("a terminal cannot be opened: no such device");
    expect(screen).not.toContain('"ids"');
  });

  test("/dev/pts/ptmx that is a link is not followed", { runtime: ["runlet"] }, async () => {
    const { status, screen } = await runOnTerminal((made) => {
      made.add({ "dev/pts/": "" });
      made.config.mounts.push({ destination: "/other", type: "devpts", source: "devpts", options: ["newinstance"] });
      symlinkSync("/other/ptmx", join(made.rootfs, "dev/pts/ptmx"));
    });
    expect(status).toBe(1);
    expect(screen).toContain("a terminal cannot be opened: too many levels of symbolic links");
  });

  test("CVE-2026-88264: /dev/console that is a link makes no file where it leads", {
    runtime: ["runlet"],
  }, async () => {
    const canary = new Canary(e2e.directory, "canary-console");
    for (const target of [`${canary.path}/made`, "/made", "/made/below"]) {
      const { status, screen, rootfs } = await runOnTerminal((made) => {
        made.config.mounts.push({
          destination: "/dev/pts",
          type: "devpts",
          source: "devpts",
          options: ["newinstance"],
        });
        made.add({ "dev/": "" });
        symlinkSync(target, join(made.rootfs, "dev/console"));
      });
      expect([target, status]).toEqual([target, 1]);
      expect(screen).toContain("a terminal cannot be opened: too many levels of symbolic links");
      expect(existsSync(join(rootfs, "made"))).toBe(false);
      canary.check();
    }
  });
});

describe("CVE-2025-52881: what is written to procfs goes to the host's own", () => {
  test("[/linux/sysctl] whatever the container has at /proc", { runtime: ["runlet"] }, async () => {
    const bundle = e2e.bundle((config, made) => {
      config.root.readonly = false;
      made.add({ "proc/sys/kernel/msgmax": "8192", "proc/self/oom_score_adj": "0" });
      config.mounts = config.mounts.filter((mount) => mount.destination !== "/proc");
      config.mounts.push({ destination: "/elsewhere", type: "proc", source: "proc" });
      config.linux.maskedPaths = [];
      config.linux.readonlyPaths = [];
      config.linux.sysctl = { "kernel.msgmax": "4096" };
      config.process.oomScoreAdj = 100;
    });
    const verbs = ["sys/kernel/msgmax", "self/oom_score_adj"].flatMap((name) => [
      `read=/proc/${name}`,
      `read=/elsewhere/${name}`,
    ]);
    const seen = await e2e.observe(bundle, ...verbs);
    expect(verbs.map((verb) => seen.of<string>(verb).trim())).toEqual(["8192", "4096", "0", "100"]);
  });
});

describe("CVE-2025-31133: /dev/null of the rootfs is not what masks", () => {
  // The kernel's hostname stands for core_pattern, which is the host's: a runtime with the hole writes to it.
  for (const target of ["/proc/sys/kernel/hostname", "/secret"]) {
    test(`a link to ${target}`, fixed, async () => {
      const bundle = e2e.bundle((config, made) => {
        config.root.readonly = false;
        // No tmpfs over /dev: the rootfs' own is used.
        config.mounts = config.mounts.filter((mount) => !mount.destination.startsWith("/dev"));
        made.add({ "dev/": "", secret: "the rootfs' own", masked: "hidden" });
        symlinkSync(target, join(made.rootfs, "dev/null"));
        config.linux.maskedPaths = ["/masked"];
      });
      const result = await e2e.run(bundle.probing("read=/masked"));
      // crun makes a device of its own in its place.
      if (e2e.runtime.name === "runlet") {
        expect(result.status).toBe(1);
        expect(result.stderr).toContain("/dev/null");
      }
      expect(result.stdout).not.toContain("hidden");
      expect(result.stdout).not.toContain("the rootfs' own");
      expect(result.stdout).not.toContain(bundle.config.hostname);
    });
  }
});

describe("CVE-2024-21626: no descriptor of the host's is left to the container", () => {
  test("cwd of /proc/self/fd/N leads to no directory of the host's", async () => {
    for (let fd = 0; fd <= 20; fd++) {
      const bundle = e2e.bundle((config) => {
        config.process.cwd = `/proc/self/fd/${fd}`;
      });
      bundle.probing("cwd", "list=.", "list=..");
      const result = await e2e.run(bundle);
      const listing = result.stdout;
      // Below the host's root there are both.
      expect([fd, /"usr".*"var"|"cgroup\.procs"|"state"/.test(listing.replaceAll("\n", " "))]).toEqual([fd, false]);
    }
  });

  test("descriptors that the caller has open do not reach the container", async () => {
    const bundle = e2e.bundle().probing("fds");
    const directoryFd = openSync("/", "r");
    // The shell hands descriptor 9 on, a directory of the host's.
    const [program = "", ...args] = e2e.runtime.argv(["run", "--bundle", bundle.hostPath, e2e.id()]);
    const output = execFileSync("sh", ["-c", 'exec 9</; exec "$0" "$@"', program, ...args], { encoding: "utf8" });
    expect(JSON.parse(output)).toEqual(["fds", [0, 1, 2]]);
    expect(directoryFd).toBeGreaterThan(2);
  });

  test("--preserve-fds passes as many as it says, from 3 on", async () => {
    const bundle = e2e.bundle().probing("fds", "fstat=3", "fstat=4");
    const [program = "", ...args] = e2e.runtime.argv([
      "run",
      "--preserve-fds",
      "2",
      "--bundle",
      bundle.hostPath,
      e2e.id(),
    ]);
    const output = execFileSync(
      "sh",
      ["-c", 'exec 3</dev/null 4</dev/zero 5</dev/full; exec "$0" "$@"', program, ...args],
      { encoding: "utf8" },
    );
    const lines = output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as [string, unknown]);
    expect(lines[0]).toEqual(["fds", [0, 1, 2, 3, 4]]);
    expect(lines[1]?.[1]).toMatchObject({ type: "c", major: 1, minor: 3 });
    expect(lines[2]?.[1]).toMatchObject({ type: "c", major: 1, minor: 5 });
  });
});

describe("CVE-2019-5736: what started the container cannot be changed from inside", () => {
  test("an entrypoint of #!/proc/self/exe does not get at the host's executables", async () => {
    const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
    const executables = [process.execPath, ...["/usr/sbin/runc", "/usr/bin/crun"].filter((path) => existsSync(path))];
    const before = executables.map(digest);
    const bundle = e2e.bundle((config, made) => {
      config.root.readonly = false;
      writeFileSync(join(made.rootfs, "entry"), "#!/proc/self/exe\n", { mode: 0o755 });
      config.process.args = ["/entry"];
    });
    await e2e.run(bundle);
    expect(executables.map(digest)).toEqual(before);
  });

  test("while a container waits to be started, its process lets nobody write its executable", async () => {
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", e2e.bundle().probing("wait").hostPath, id]);
    const { pid } = await e2e.runtime.state(id);
    expect(() => openSync(`/proc/${pid}/exe`, "r+")).toThrow(/ETXTBSY|EROFS|EPERM|EACCES/);
  });
});

describe("files in memory", () => {
  const needs = { runtime: ["runlet"], kernel: "6.3" } as const;

  /** Runs the probe where vm.memfd_noexec, which belongs to a pid namespace, has a value. */
  function runWith(memfdNoexec: number) {
    const script = `echo ${memfdNoexec} >/proc/sys/vm/memfd_noexec && exec "$0" "$@"`;
    const run = e2e.runtime.argv(["run", "--bundle", e2e.bundle().probing("pid").hostPath, e2e.id()]);
    const args = ["--pid", "--fork", "--mount-proc", "sh", "-c", script, ...run];
    return spawnSync("unshare", args, { encoding: "utf8" });
  }

  test("that are no programs by themselves do not keep the helper from being one", needs, () => {
    expect(runWith(1)).toMatchObject({ status: 0, stdout: expect.stringContaining('["pid",') });
  });

  test("that must not be programs: the error says so", needs, () => {
    const { status, stderr } = runWith(2);
    expect(status).toBe(1);
    expect(stderr).toContain("the helper cannot be executed from memory");
    expect(stderr).toContain("vm.memfd_noexec");
  });
});

describe("CVE-2016-9962: the process that waits to be started", () => {
  const waiting = async () => {
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", e2e.bundle().probing("wait").hostPath, id]);
    return (await e2e.runtime.state(id)).pid;
  };

  test("has its root in the container, and its current directory", async () => {
    const pid = await waiting();
    expect(readdirSync(`/proc/${pid}/root/`)).toContain("probe");
    expect(readdirSync(`/proc/${pid}/cwd/`)).toContain("probe");
  });

  test("holds no directory of the host's", async () => {
    const pid = await waiting();
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const path = `/proc/${pid}/fd/${fd}`;
      const listing = execFileSync("sh", ["-c", 'test -d "$0" && ls -a "$0" || true', path], { encoding: "utf8" });
      expect([fd, listing.includes("usr")]).toEqual([fd, false]);
    }
  });
});

describe("CVE-2023-25809: the host's control groups", () => {
  test("cannot be written, nor seen beyond the container's own when it has a cgroup namespace", async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = [
        ...(config.linux.namespaces ?? []).filter(({ type }) => type !== "cgroup"),
        { type: "cgroup" },
      ];
    });
    const seen = await e2e.observe(bundle, "read=/proc/self/mountinfo");
    const groups = seen.mounts().filter(({ type }) => type === "cgroup" || type === "cgroup2");
    expect(groups.length).toBeGreaterThan(0);
    for (const group of groups) {
      expect(group.options).toContain("ro");
      expect(group.root).toBe("/");
    }
  });
});

// crun 1.8 changes it.
const keepsOwners = { runtime: ["runlet", "runc"] } as const;

test("the owner of a file that is the container's standard output stays", keepsOwners, async () => {
  const bundle = e2e.bundle((config) => {
    config.process.user = { uid: 1000, gid: 1000 };
  });
  const outputs = [1, 2].map((fd) => join(e2e.directory, `owned-${fd}`));
  const [outputFd, errorFd] = outputs.map((path) => openSync(path, "w"));
  const [program = "", ...args] = e2e.runtime.argv(["run", "--bundle", bundle.probing("ids").hostPath, e2e.id()]);
  execFileSync(program, args, { stdio: ["ignore", outputFd, errorFd] });
  expect(readFileSync(outputs[0] ?? "", "utf8")).toContain('"uid":1000');
  expect(outputs.map((path) => lstatSync(path)).map(({ uid, gid }) => [uid, gid])).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

test("CVE-2024-3154: an annotation of a systemd property does nothing", async () => {
  const marker = join(e2e.directory, "executed");
  const bundle = e2e.bundle((config) => {
    config.annotations = {
      "org.systemd.property.ExecStartPre": `[('/bin/touch', ['/bin/touch', '${marker}'], false)]`,
    };
  });
  await e2e.run(bundle.probing("pid"));
  expect(existsSync(marker)).toBe(false);
});
