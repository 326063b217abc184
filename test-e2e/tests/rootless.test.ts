import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { capabilitySets } from "../harness/capability.ts";
import { Observation } from "../harness/observation.ts";
import { OrdinaryUser } from "../harness/ordinary-user.ts";
import { patienceMs } from "../harness/patience.ts";
import { cgroupLayout, type Requirements } from "../harness/requirements.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ userNamespace: true });
const { test } = e2e;
const mountinfo = "read=/proc/self/mountinfo";
const uidMap = "read=/proc/self/uid_map";
const gidMap = "read=/proc/self/gid_map";
let user: OrdinaryUser;

/** A map as numbers, line by line. */
function mapOf(text: unknown): number[][] {
  return String(text)
    .trimEnd()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
}

e2e.beforeAll(() => {
  user = new OrdinaryUser({ suite: e2e });
});

e2e.afterEach(async () => {
  await user.deleteContainers();
});

describe("a config of `spec --rootless`", () => {
  test("[/linux/uidMappings] makes the ordinary user root of the container and nobody else", async () => {
    const seen = await user.observe(await user.bundle(), "ids", uidMap, gidMap);
    expect(seen.of("ids")).toMatchObject({ uid: 0, euid: 0, suid: 0, gid: 0, egid: 0, sgid: 0 });
    expect(mapOf(seen.of(uidMap))).toEqual([[0, user.uid, 1]]);
    expect(mapOf(seen.of(gidMap))).toEqual([[0, user.uid, 1]]);
  });

  test("[/linux/gidMappings] gives up setgroups(2) for good, also with the capability (CVE-2014-8989)", async () => {
    const bundle = await user.bundle((config) => {
      const names = ["CAP_SETGID"];
      config.process.capabilities = { bounding: names, effective: names, permitted: names };
    });
    const seen = await user.observe(bundle, "capabilities", "read=/proc/self/setgroups", "setgroups=0");
    expect(seen.of("capabilities")).toMatchObject({
      effective: capabilitySets({ effective: ["CAP_SETGID"] }).effective,
    });
    expect(seen.of("read=/proc/self/setgroups")).toBe("deny\n");
    expect(seen.of("setgroups=0")).toEqual({ errno: "EPERM" });
  });

  test("[/linux/devices] has the default devices, bound from the host since mknod(2) is denied", async () => {
    const seen = await user.observe(
      await user.bundle(),
      "stat=/dev/null",
      "stat=/dev/tty",
      "write=/dev/null:x",
      "openRead=/dev/zero",
      "stat=/dev/pts/ptmx",
      "mknod=/dev/mine:c:1:3",
    );
    expect(seen.of("stat=/dev/null")).toMatchObject({ type: "c", major: 1, minor: 3 });
    expect(seen.of("stat=/dev/tty")).toMatchObject({ type: "c", major: 5, minor: 0 });
    expect(seen.of("write=/dev/null:x")).toBe("ok");
    expect(seen.of("stat=/dev/pts/ptmx")).toMatchObject({ type: "c", major: 5, minor: 2, uid: 0 });
    expect(seen.of("mknod=/dev/mine:c:1:3")).toMatchObject({ errno: expect.any(String) });
  });

  test("[/process/user] owns its own /proc/self, which an overflow id would not", async () => {
    const seen = await user.observe(await user.bundle(), "dumpable", "stat=/proc/self", "stat=/proc/self/fd");
    expect(seen.of("dumpable")).toBe(1);
    expect(seen.of("stat=/proc/self")).toMatchObject({ uid: 0, gid: 0 });
    expect(seen.of("stat=/proc/self/fd")).toMatchObject({ uid: 0, gid: 0 });
  });

  test("[/mounts] writes to a bind mount as the user", async () => {
    const source = join(user.home, "shared");
    mkdirSync(source);
    user.give(source);
    const bundle = await user.bundle((config, made) => {
      made.add({ "data/": "" });
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind"] });
    });
    const seen = await user.observe(bundle, "write=/data/new:x", "stat=/data/new");
    expect(seen.of("write=/data/new:x")).toBe("ok");
    expect(seen.of("stat=/data/new")).toMatchObject({ uid: 0, gid: 0 });
    expect(statSync(join(source, "new"))).toMatchObject({ uid: user.uid, gid: user.uid });
  });

  test("[/mounts] shows the control groups and lets nobody write them (CVE-2023-25809)", async () => {
    const group = cgroupLayout === "v2" ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const seen = await user.observe(await user.bundle(), `list=${group}`, `mkdir=${group}/mine`, mountinfo);
    expect(seen.of(`list=${group}`)).toContain("cgroup.procs");
    expect(seen.of(`mkdir=${group}/mine`)).toEqual({ errno: "EROFS" });
  });

  test("[/mounts] does not leave the control groups below a read-only /sys writable, without a mount of their own", {
    runtime: ["runlet"],
  }, async () => {
    const bundle = await user.bundle((config) => {
      config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
    });
    const seen = await user.observe(bundle, mountinfo);
    const groups = seen.mounts().filter(({ target }) => target.startsWith("/sys/fs/cgroup"));
    // Later mounts cover earlier ones at the same place.
    const uppermost = new Map(groups.map((mount) => [mount.target, mount]));
    expect(uppermost.size).toBeGreaterThan(0);
    for (const mount of uppermost.values()) expect(mount.options, mount.target).toContain("ro");
  });

  test("[/linux/namespaces] mounts a sysfs of its own with a network namespace", async () => {
    const bundle = await user.bundle((config) => {
      config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "network" }];
      config.mounts = config.mounts
        .filter(({ destination }) => !destination.startsWith("/sys"))
        .concat({ destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] });
    });
    const seen = await user.observe(bundle, mountinfo, "list=/sys/class/net", "loopback");
    expect(seen.mountAt("/sys")).toMatchObject({ type: "sysfs", root: "/" });
    expect(seen.of<string[]>("list=/sys/class/net")).toEqual(["lo"]);
    expect(seen.of("loopback")).toBe("ok");
  });

  test("[/mounts] shows the host's sysfs where the kernel permits no new one", {
    runtime: ["runlet", "crun"],
  }, async () => {
    const bundle = await user.bundle((config) => {
      config.mounts = config.mounts
        .filter(({ destination }) => !destination.startsWith("/sys"))
        .concat({ destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] });
    });
    const seen = await user.observe(bundle, mountinfo, "mkdir=/sys/new");
    expect(seen.mountAt("/sys").type).toBe("sysfs");
    expect(seen.mountAt("/sys").options).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev", "noexec"]));
    expect(seen.of("mkdir=/sys/new")).toEqual({ errno: "EROFS" });
  });

  test("[/process/oomScoreAdj] can be raised", async () => {
    const bundle = await user.bundle((config) => {
      config.process.oomScoreAdj = 321;
    });
    const seen = await user.observe(bundle, "read=/proc/self/oom_score_adj");
    expect(seen.of<string>("read=/proc/self/oom_score_adj").trim()).toBe("321");
  });

  test("[/process/oomScoreAdj] below the caller's is refused, or left alone", async () => {
    const bundle = await user.bundle((config) => {
      config.process.oomScoreAdj = -500;
    });
    const result = await user.run(bundle.probing("read=/proc/self/oom_score_adj"));
    if (user.runtimeName === "runlet") {
      expect(result.status).toBe(1);
      expect(result.stderr).toContain("/process/oomScoreAdj");
    } else {
      expect(result.stdout).not.toContain("-500");
    }
  });

  test("[/process/rlimits] are lowered, and raised up to the caller's", async () => {
    const bundle = await user.bundle((config) => {
      config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 99, hard: 100 }];
    });
    const seen = await user.observe(bundle, "rlimits");
    expect(seen.of("rlimits")).toMatchObject({ RLIMIT_NOFILE: ["99", "100"] });
  });

  test("[/hooks/createRuntime] runs as the user, with the container's process to look at", async () => {
    const output = join(user.home, "hook-output");
    const bundle = await user.bundle((config) => {
      const script = `cat > ${output}.state; id -u > ${output}.uid`;
      config.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", script] }] };
    });
    await user.observe(bundle, "ids");
    expect(readFileSync(`${output}.uid`, "utf8").trim()).toBe(String(user.uid));
    expect(JSON.parse(readFileSync(`${output}.state`, "utf8"))).toMatchObject({ bundle: bundle.hostPath });
  });
});

describe("the life of an ordinary user's container", () => {
  test("goes from created to running to stopped, and leaves nothing", async () => {
    const bundle = (await user.bundle()).probing("stderr=started", "wait");
    const id = e2e.id();
    const status = async () => {
      const { stdout } = await user.invoke(["state", id]);
      return (JSON.parse(stdout) as { status: string }).status;
    };
    const created = await user.invoke(["create", "--bundle", bundle.hostPath, id]);
    // crun tries other maps first, and newgidmap says so.
    if (user.runtimeName === "runlet") expect(created.stderr).toBe("");
    expect(created.status).toBe(0);
    expect(await status()).toBe("created");
    expect(await user.invoke(["start", id])).toMatchObject({ status: 0 });
    expect(await status()).toBe("running");
    const listed = await user.invoke(["list", "--quiet"]);
    expect(listed.stdout.trim()).toBe(id);
    expect(await user.invoke(["kill", id, "KILL"])).toMatchObject({ status: 0 });
    await expect.poll(status, { timeout: patienceMs }).toBe("stopped");
    expect(await user.invoke(["delete", id])).toMatchObject({ status: 0, stderr: "" });
    expect((await user.invoke(["list", "--quiet"])).stdout).toBe("");
  });

  test("has its state in $XDG_RUNTIME_DIR when no root is named", async () => {
    const runtimeDirectory = join(user.home, "run");
    mkdirSync(runtimeDirectory, { mode: 0o700 });
    user.give(runtimeDirectory);
    const bundle = (await user.bundle()).probing("wait");
    const id = e2e.id();
    const options = { env: { XDG_RUNTIME_DIR: runtimeDirectory }, namesRoot: false };
    expect(await user.invoke(["create", "--bundle", bundle.hostPath, id], options)).toMatchObject({ status: 0 });
    expect(statSync(join(runtimeDirectory, user.runtimeName, id)).uid).toBe(user.uid);
    expect(await user.invoke(["delete", "--force", id], options)).toMatchObject({ status: 0 });
  });

  test("without $XDG_RUNTIME_DIR needs a root to be named, never a directory that others could make", {
    runtime: ["runlet"],
  }, async () => {
    const bundle = await user.bundle();
    const result = await user.invoke(["create", "--bundle", bundle.hostPath, e2e.id()], { namesRoot: false });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("--root");
  });

  test("cannot be seen from a user namespace's outside: another user may not trace or end it", {
    root: true,
  }, async () => {
    const bundle = (await user.bundle()).probing("wait");
    const id = e2e.id();
    expect(await user.invoke(["run", "--detach", "--bundle", bundle.hostPath, id])).toMatchObject({ status: 0 });
    const other = new OrdinaryUser({ suite: e2e, uid: 61_235 });
    const result = await other.invoke(["--root", user.root, "delete", "--force", id], { namesRoot: false });
    expect(result.status).not.toBe(0);
    expect((await user.invoke(["state", id])).stdout).toContain('"running"');
  });

  test("may not look at a container of root's, and is told whose it is", {
    root: true,
    runtime: ["runlet"],
  }, async () => {
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", e2e.bundle().probing("wait").hostPath, id]);
    const result = await user.invoke(["--root", e2e.runtime.root, "state", id], { namesRoot: false });
    expect(result).toMatchObject({ status: 1, stdout: "" });
    expect(result.stderr).toContain(`the state of container ${id} cannot be read: permission denied: open(2): EACCES`);
    expect(result.stderr).toContain("another user's");
  });
});

describe("what does not hold for an ordinary user", () => {
  test("[/linux/resources] is said, and the container runs", { runtime: ["runlet"] }, async () => {
    const bundle = await user.bundle((config) => {
      config.linux.resources = { pids: { limit: 10 } };
    });
    const result = await user.run(bundle.probing("ids"));
    expect(result.status).toBe(0);
    expect(result.stderr).toContain("/linux/resources");
    expect(result.stderr).toContain("no control group");
  });

  test("[/linux/cgroupsPath] that the user may not make is refused", async () => {
    const bundle = await user.bundle((config) => {
      config.linux.cgroupsPath = `/${e2e.id()}`;
    });
    const result = await user.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/cgroup/);
  });

  // crun leaves them out without a word.
  test("[/process/user/additionalGids] are refused where setgroups(2) is denied", {
    runtime: ["runlet", "runc"],
  }, async () => {
    const bundle = await user.bundle((config) => {
      config.process.user.additionalGids = [0];
    });
    const result = await user.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    if (user.runtimeName === "runlet") expect(result.stderr).toContain("/process/user/additionalGids");
  });

  test("[/linux/uidMappings] of another's id is refused: not even one of root's", async () => {
    const bundle = await user.bundle((config) => {
      config.linux.uidMappings = [{ containerID: 0, hostID: 0, size: 1 }];
    });
    const result = await user.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    if (user.runtimeName === "runlet") expect(result.stderr).toContain("/linux/uidMappings");
  });

  // crun makes one that nobody asked for.
  test("[/linux/namespaces] without a user namespace is refused, with what to do", {
    runtime: ["runlet", "runc"],
  }, async () => {
    const bundle = await user.bundle((config) => {
      config.linux.namespaces = config.linux.namespaces?.filter(({ type }) => type !== "user") ?? [];
      delete config.linux.uidMappings;
      delete config.linux.gidMappings;
    });
    const result = await user.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    if (user.runtimeName === "runlet") expect(result.stderr).toContain("spec --rootless");
  });

  test("[/mounts] of an id map is refused: the file system is the host's", {
    runtime: ["runlet", "crun"],
  }, async () => {
    const source = join(user.home, "mapped");
    mkdirSync(source);
    user.give(source);
    const bundle = await user.bundle((config, made) => {
      made.add({ "data/": "" });
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind", "idmap"] });
    });
    const result = await user.run(bundle.probing("stat=/data"));
    expect(result.status).toBe(1);
    if (user.runtimeName === "runlet") expect(result.stderr).toContain("/mounts/7");
  });

  describe("[/mounts] of a host's file system with flags, which are locked in the user namespace", () => {
    let source: string;
    const needs: Requirements = { root: true, runtime: ["runlet", "crun"] };
    const runletNeeds: Requirements = { root: true, runtime: ["runlet"] };

    e2e.beforeAll(() => {
      source = join(user.home, "locked");
      mkdirSync(source);
      execFileSync("mount", ["-t", "tmpfs", "-o", "nosuid,nodev,noexec,mode=777", e2e.tag, source]);
    }, needs);

    e2e.afterAll(() => {
      execFileSync("umount", [source]);
    }, needs);

    const bound = (...options: readonly string[]) =>
      user.bundle((config, made) => {
        made.add({ "data/": "" });
        config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind", ...options] });
      });

    test("keeps them, and adds those of the config", needs, async () => {
      const seen = await user.observe(await bound("ro"), mountinfo);
      expect(seen.mountAt("/data").options).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev", "noexec"]));
    });

    test("keeps them when it is mounted again, and those of its own too", runletNeeds, async () => {
      const bundle = await bound("nosymfollow");
      bundle.config.mounts.push({ destination: "/data", options: ["remount", "bind", "ro"] });
      const seen = await user.observe(bundle, mountinfo);
      const expected = ["ro", "nosuid", "nodev", "noexec", "nosymfollow"];
      expect(seen.mountAt("/data").options).toEqual(expect.arrayContaining(expected));
    });

    for (const option of ["suid", "dev", "exec"]) {
      test(`refuses to take one off: ${option}`, runletNeeds, async () => {
        const result = await user.run((await bound(option)).probing(mountinfo));
        expect(result.status).toBe(1);
        expect(result.stdout).toBe("");
        expect(result.stderr).toContain("/mounts/7");
        expect(result.stderr).toContain("may not take off");
      });
    }
  });
});

describe("with ranges of /etc/subuid and /etc/subgid", () => {
  const first = 700_000;
  let owner: OrdinaryUser;
  // Whose ranges these are only root can say.
  const needs: Requirements = { root: true, program: "newuidmap" };

  e2e.beforeAll(() => {
    owner = new OrdinaryUser({ suite: e2e, subordinateIds: { first, count: 65_536 } });
  }, needs);

  e2e.afterEach(async () => {
    await owner.deleteContainers();
  }, needs);

  const ranges = (hostID: number) => [
    { containerID: 0, hostID, size: 1 },
    { containerID: 1, hostID: first, size: 1000 },
    { containerID: 1001, hostID: first + 2000, size: 1000 },
  ];

  test("[/linux/uidMappings] maps several ranges by newuidmap(1) and newgidmap(1)", needs, async () => {
    const bundle = await owner.bundle((config) => {
      config.linux.uidMappings = ranges(owner.uid);
      config.linux.gidMappings = ranges(owner.uid);
    });
    const seen = await owner.observe(bundle, "ids", uidMap, gidMap);
    const expected = ranges(owner.uid).map(({ containerID, hostID, size }) => [containerID, hostID, size]);
    expect(mapOf(seen.of(uidMap))).toEqual(expected);
    expect(mapOf(seen.of(gidMap))).toEqual(expected);
  });

  // runc 1.1 gives a rootless container no additional group at all.
  const groupNeeds: Requirements = { ...needs, runtime: ["runlet", "crun"] };
  test("[/process/user] is another id of the range, with additional groups", groupNeeds, async () => {
    const source = join(owner.home, "everybodys");
    mkdirSync(source, { mode: 0o777 });
    chownSync(source, first + 999, first + 999);
    const bundle = await owner.bundle((config, made) => {
      made.add({ "data/": "" });
      config.linux.uidMappings = ranges(owner.uid);
      config.linux.gidMappings = ranges(owner.uid);
      config.process.user = { uid: 1000, gid: 1000, additionalGids: [7, 1500] };
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind"] });
    });
    const seen = await owner.observe(bundle, "ids", "write=/data/new:x", "stat=/proc/self");
    expect(seen.of("ids")).toMatchObject({ uid: 1000, euid: 1000, gid: 1000, egid: 1000, groups: [7, 1500] });
    expect(seen.of("write=/data/new:x")).toBe("ok");
    expect(statSync(join(source, "new"))).toMatchObject({ uid: first + 999, gid: first + 999 });
    expect(seen.of("stat=/proc/self")).toMatchObject({ uid: 1000, gid: 1000 });
  });

  // runc 1.1 wants to own standard streams that are the user's.
  test("[/process/oomScoreAdj] holds although the process is of another id", groupNeeds, async () => {
    const bundle = await owner.bundle((config) => {
      config.linux.uidMappings = [{ containerID: 0, hostID: first, size: 1000 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: first, size: 1000 }];
      config.process.oomScoreAdj = 100;
      config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 64, hard: 64 }];
    });
    execFileSync("chown", ["--recursive", `${first}:${first}`, bundle.rootfs]);
    const seen = await owner.observe(bundle, "ids", "read=/proc/self/oom_score_adj", "rlimits");
    expect(seen.of("ids")).toMatchObject({ uid: 0, gid: 0 });
    expect(seen.of<string>("read=/proc/self/oom_score_adj").trim()).toBe("100");
    expect(seen.of("rlimits")).toMatchObject({ RLIMIT_NOFILE: ["64", "64"] });
  });

  test("[/linux/gidMappings] of one's own id alone, beside ranges of users, denies setgroups(2)", needs, async () => {
    const bundle = await owner.bundle((config) => {
      config.linux.uidMappings = ranges(owner.uid);
      config.linux.gidMappings = [{ containerID: 0, hostID: owner.uid, size: 1 }];
    });
    const seen = await owner.observe(bundle, "ids", gidMap, "read=/proc/self/setgroups");
    expect(mapOf(seen.of(gidMap))).toEqual([[0, owner.uid, 1]]);
    expect(seen.of("read=/proc/self/setgroups")).toBe("deny\n");
  });

  test("[/linux/uidMappings] beyond the range is refused, in newuidmap's words", needs, async () => {
    const bundle = await owner.bundle((config) => {
      config.linux.uidMappings = [{ containerID: 0, hostID: first - 1, size: 10 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: first, size: 10 }];
    });
    const result = await owner.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    if (owner.runtimeName === "runlet") {
      expect(result.stderr).toContain("/linux/uidMappings");
      expect(result.stderr).toContain("newuidmap");
    }
  });

  test("a bundle in a directory that the container's root may not enter is refused, with its path", needs, async () => {
    const bundle = await owner.bundle((config) => {
      config.linux.uidMappings = [{ containerID: 0, hostID: first, size: 1000 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: first, size: 1000 }];
    });
    chmodSync(bundle.hostPath, 0o700);
    const result = await owner.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    if (owner.runtimeName === "runlet") expect(result.stderr).toContain("/root/path");
  });
});

test("[/linux/namespaces] joins the user namespace of another container of the user's, and what belongs to it", {
  runtime: ["runlet"],
}, async () => {
  const ownerId = e2e.id();
  const owner = (await user.bundle()).probing("wait");
  expect(await user.invoke(["run", "--detach", "--bundle", owner.hostPath, ownerId])).toMatchObject({ status: 0 });
  const { pid } = JSON.parse((await user.invoke(["state", ownerId])).stdout) as { pid: number };
  const bundle = await user.bundle((config) => {
    config.linux.namespaces = (config.linux.namespaces ?? []).map((namespace) =>
      namespace.type === "mount" || namespace.type === "uts"
        ? namespace
        : { ...namespace, path: `/proc/${pid}/ns/${namespace.type}` },
    );
    delete config.linux.uidMappings;
    delete config.linux.gidMappings;
    config.process.oomScoreAdj = 200;
  });
  const verbs = ["user", "ipc", "pid", "mnt"].map((name) => `readlink=/proc/self/ns/${name}`);
  const seen = await user.observe(bundle, ...verbs, "ids", "read=/proc/self/oom_score_adj");
  for (const name of ["user", "ipc", "pid"]) {
    expect(seen.of(`readlink=/proc/self/ns/${name}`)).toBe(readlinkSync(`/proc/${pid}/ns/${name}`));
  }
  expect(seen.of("readlink=/proc/self/ns/mnt")).not.toBe(readlinkSync(`/proc/${pid}/ns/mnt`));
  expect(seen.of("ids")).toMatchObject({ uid: 0, gid: 0 });
  expect(seen.of<string>("read=/proc/self/oom_score_adj").trim()).toBe("200");
});

test("[/process/terminal] is the container's own, and its user may open it", {
  // runc wants a terminal of its own to copy to, crun says nothing without one.
  runtime: ["runlet"],
}, async () => {
  const bundle = await user.bundle((config) => {
    config.process.terminal = true;
  });
  const result = await user.run(bundle.probing("terminal", "stat=/dev/pts/0", "openWrite=/dev/console"));
  expect(result.status).toBe(0);
  const seen = new Observation(result.stdout.replaceAll("\r", ""));
  expect(seen.of("terminal")).toMatchObject({ isTerminal: [true, true, true], leadsSession: true });
  expect(seen.of("stat=/dev/pts/0")).toMatchObject({ type: "c", uid: 0 });
  expect(seen.of("openWrite=/dev/console")).toBe("ok");
});
