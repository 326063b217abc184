import { chownSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { isRunletError } from "@runlet/errors";
import { type Container, Runtime } from "@runlet/lifecycle";
import { describe, expect } from "vitest";
import { ExecProbe } from "../harness/exec.ts";
import { type CapabilitySets, Observation } from "../harness/observation.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, runtime: ["runlet", "runc"] });
const { test } = e2e;
const runletOnly = { runtime: ["runlet"] } as const;

const probe = new ExecProbe(e2e);
const running: ExecProbe["start"] = (...given) => probe.start(...given);
const exec: ExecProbe["exec"] = (...given) => probe.exec(...given);
const seen: ExecProbe["see"] = (...given) => probe.see(...given);

/** Expects a failure of exec's own, and that the container has taken no harm. */
async function refused(id: string, args: readonly string[], message: RegExp | string): Promise<void> {
  const { status, stderr } = await e2e.runtime.invoke(["exec", ...args]);
  expect(stderr).toMatch(message);
  expect(status).toBe(255);
  expect((await e2e.runtime.state(id)).status).toBe("running");
}

describe("exec", () => {
  test("runs in every namespace of the container, in its root and its control group", async () => {
    const id = await running();
    const { pid } = await e2e.runtime.state(id);
    const types = ["mnt", "pid", "net", "ipc", "uts"];
    const links = types.map((type) => `readlink=/proc/self/ns/${type}`);
    const inside = await seen(id, [], ...links, "stat=/", "hostname", "read=/proc/self/cgroup");
    const own = await e2e.runtime.succeed([
      "exec",
      id,
      "/probe",
      ...types.map((type) => `readlink=/proc/1/ns/${type}`),
    ]);
    for (const type of types)
      expect(inside.of(`readlink=/proc/self/ns/${type}`)).toBe(
        new Observation(own.stdout).of(`readlink=/proc/1/ns/${type}`),
      );
    expect(inside.of("hostname")).toBe(new Observation((await exec(id, [], "hostname")).stdout).of("hostname"));
    expect(inside.of("stat=/")).toMatchObject({ type: "directory" });
    const outside = readFileSync(`/proc/${pid}/cgroup`, "utf8");
    const { stdout } = await exec(id, [], "read=/proc/1/cgroup", "read=/proc/self/cgroup");
    const seenGroups = new Observation(stdout);
    expect(seenGroups.of("read=/proc/self/cgroup")).toBe(seenGroups.of("read=/proc/1/cgroup"));
    expect(outside).toContain(id);
  });

  test("enters the container's root and no other (CVE-2026-109569)", async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing("wait");
    bundle.add({ "marker-of-this-root": "inside" });
    await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.hostPath, id]);
    const inside = await seen(id, [], "read=/marker-of-this-root", "list=/");
    expect(inside.of("read=/marker-of-this-root")).toBe("inside");
    expect((inside.of<string[]>("list=/") as string[]).includes("marker-of-this-root")).toBe(true);
    expect(statSync("/").ino).not.toBe(statSync(bundle.rootfs).ino);
  });

  test("takes user, groups, environment, directory and umask from flags and config", async () => {
    const id = await running((config) => {
      config.process.env = ["PATH=/", "KEPT=1", "CHANGED=1"];
      config.process.user = { uid: 0, gid: 0, umask: 0o027 };
    });
    const options = ["-u", "1000:1001", "-g", "5", "-g", "6", "-e", "CHANGED=2", "-e", "NEW=3", "--cwd", "/dev"];
    const inside = await seen(id, options, "ids", "env", "cwd", "fds", "umask");
    expect(inside.of("ids")).toMatchObject({ uid: 1000, euid: 1000, gid: 1001, egid: 1001, groups: [5, 6] });
    const env = inside.of<string[]>("env");
    expect(env).toEqual(expect.arrayContaining(["PATH=/", "KEPT=1", "CHANGED=2", "NEW=3"]));
    expect(env.filter((entry) => entry.startsWith("CHANGED="))).toEqual(["CHANGED=2"]);
    expect(inside.of("cwd")).toBe("/dev");
    expect(inside.of("fds")).toEqual([0, 1, 2]);
  });

  test("a user is a number, whatever the container's passwd says (CVE-2016-3697)", runletOnly, async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing("wait");
    bundle.add({ "etc/passwd": "1000::0:0:::\nroot::0:0:::\n" });
    await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.hostPath, id]);
    for (const uid of [1, 1000, 65534, 4294967294]) {
      expect((await seen(id, ["-u", String(uid)], "ids")).of("ids")).toMatchObject({ uid, euid: uid });
    }
  });

  test("refuses users that are no numbers or none that the kernel has", runletOnly, async () => {
    const id = await running();
    for (const user of ["root", "4294967295", "4294967296", "-1", "1:x"])
      await refused(id, ["-u", user, id, "/probe"], /is not the id of a/);
  });

  test("--cap adds capabilities, none of them inheritable (CVE-2022-29162)", async () => {
    const id = await running();
    const before = (await seen(id, [], "capabilities")).of<CapabilitySets>("capabilities");
    const after = (await seen(id, ["--cap", "CAP_NET_RAW"], "capabilities")).of<CapabilitySets>("capabilities");
    const netRaw = 1n << 13n;
    for (const set of ["bounding", "effective", "permitted"] as const) {
      expect(BigInt(`0x${before[set]}`) & netRaw).toBe(0n);
      expect(BigInt(`0x${after[set]}`)).toBe(BigInt(`0x${before[set]}`) | netRaw);
    }
    expect(BigInt(`0x${after.inheritable}`)).toBe(0n);
    expect(BigInt(`0x${after.ambient}`)).toBe(0n);
  });

  test(
    "is silent of what the container's config was warned of, and warns of what it is given itself",
    runletOnly,
    async () => {
      const bundle = e2e.bundle((config) => {
        config.process.capabilities = { ...config.process.capabilities, inheritable: [], ambient: ["CAP_KILL"] };
      });
      const id = e2e.id();
      const created = await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.probing("wait").hostPath, id]);
      expect(created.stderr).toContain("/process/capabilities/ambient: CAP_KILL left out");
      expect(await exec(id, [], "exit=3")).toMatchObject({ status: 3, stderr: "" });
      const warned = await exec(id, ["--cap", "CAP_OF_TOMORROW"], "exit=4");
      expect(warned.status).toBe(4);
      expect(warned.stderr).toContain(
        '/capabilities/effective: unknown to this kernel and left out: \\"CAP_OF_TOMORROW\\"',
      );
    },
  );

  test("--no-new-privs, and what the config says without it", runletOnly, async () => {
    const id = await running((config) => {
      config.process.noNewPrivileges = false;
    });
    const status = "read=/proc/self/status";
    expect((await seen(id, [], status)).of<string>(status)).toMatch(/NoNewPrivs:\t0/);
    expect((await seen(id, ["--no-new-privs"], status)).of<string>(status)).toMatch(/NoNewPrivs:\t1/);
  });

  test("holds the config's limits and seccomp filter", async () => {
    const id = await running((config) => {
      // Not RLIMIT_NOFILE: Go's start-up in runc's exec may raise its soft value after runc has set it.
      config.process.rlimits = [{ type: "RLIMIT_CORE", soft: 77, hard: 88 }];
      config.linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["sethostname"], action: "SCMP_ACT_ERRNO", errnoRet: 95 }],
      };
    });
    const inside = await seen(id, ["--cap", "CAP_SYS_ADMIN"], "rlimits", "sethostname=other", "read=/proc/self/status");
    expect(inside.of("rlimits")).toMatchObject({ RLIMIT_CORE: ["77", "88"] });
    expect(inside.of("sethostname=other")).toEqual({ errno: "EOPNOTSUPP" });
    expect(inside.of<string>("read=/proc/self/status")).toMatch(/Seccomp:\t2/);
  });

  test("--process takes the whole process from a file", async () => {
    const id = await running();
    const file = join(e2e.directory, "process.json");
    const process = { args: ["/probe", "ids", "env", "cwd"], cwd: "/proc", env: ["ONLY=1"], user: { uid: 7, gid: 8 } };
    writeFileSync(file, JSON.stringify(process));
    const { stdout } = await e2e.runtime.succeed(["exec", "--process", file, id]);
    const inside = new Observation(stdout);
    expect(inside.of("ids")).toMatchObject({ uid: 7, gid: 8, groups: [] });
    expect(inside.of("env")).toEqual(expect.arrayContaining(["ONLY=1"]));
    expect(inside.of<string[]>("env").some((entry) => entry.startsWith("PATH="))).toBe(false);
    expect(inside.of("cwd")).toBe("/proc");
  });

  test("returns the process's status, 128 + N for signal N", async () => {
    const id = await running();
    expect((await exec(id, [], "exit=42")).status).toBe(42);
    expect((await exec(id, [], "raise=9")).status).toBe(137);
  });

  test("--detach with --pid-file returns while the process runs", async () => {
    const id = await running();
    const pidFile = join(e2e.directory, "exec.pid");
    expect((await exec(id, ["--detach", "--pid-file", pidFile], "wait")).status).toBe(0);
    const pid = Number(readFileSync(pidFile, "utf8"));
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toBe("/probe\0wait\0");
  });

  test("--tty gives a terminal of the container's devpts, and leaves /dev/console alone", runletOnly, async () => {
    const id = await running();
    const { status, stdout } = await exec(id, ["--tty"], "terminal", "fds");
    expect(status).toBe(0);
    const lines = new Observation(stdout.replaceAll("\r", ""));
    expect(lines.of("terminal")).toMatchObject({
      isTerminal: [true, true, true],
      leadsSession: true,
      foreground: true,
    });
    expect(lines.of("fds")).toEqual([0, 1, 2]);
    expect((await seen(id, [], "stat=/dev/console")).of("stat=/dev/console")).toEqual({ errno: "ENOENT" });
  });

  test("is allowed in a container that has not been started", async () => {
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", e2e.bundle().probing("wait").hostPath, id]);
    expect((await seen(id, [], "pid")).of<number>("pid")).toBeGreaterThan(1);
    expect((await e2e.runtime.state(id)).status).toBe("created");
  });

  test("joins a user namespace and has its ids", runletOnly, async () => {
    const id = e2e.id();
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "user" }];
      config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
    });
    chownSync(bundle.rootfs, 100000, 100000);
    await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.probing("wait").hostPath, id]);
    const inside = await seen(id, ["-u", "33:34", "-g", "35"], "ids", "read=/proc/self/uid_map");
    expect(inside.of("ids")).toMatchObject({ uid: 33, euid: 33, gid: 34, groups: [35] });
    expect(inside.of<string>("read=/proc/self/uid_map")).toMatch(/^\s+0\s+100000\s+65536/);
  });

  test("enters the chroot(2) of a container without a mount namespace", runletOnly, async () => {
    const id = e2e.id();
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = [{ type: "pid" }, { type: "uts" }];
      config.linux.maskedPaths = [];
      config.linux.readonlyPaths = [];
      config.mounts = [];
      config.root.readonly = false;
    });
    bundle.add({ marker: "inside" }).probing("wait");
    await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.hostPath, id]);
    expect((await seen(id, [], "read=/marker")).of("read=/marker")).toBe("inside");
  });
});

describe("exec refuses", () => {
  test("what is no container, a stopped one and a paused one", async () => {
    const absent = await exec("no-such-container", [], "pid");
    expect(absent.stderr).toContain("container does not exist");
    expect(absent.status).toBe(255);
    const id = e2e.id();
    await e2e.runtime.succeed(["run", "--detach", "--bundle", e2e.bundle().probing("exit=0").hostPath, id]);
    await e2e.runtime.waitForStatus(id, "stopped");
    const stopped = await exec(id, [], "pid");
    expect(stopped.stderr).toContain("cannot exec in a stopped container");
    expect(stopped.status).toBe(255);
    const paused = await running();
    await e2e.runtime.succeed(["pause", paused]);
    const result = await exec(paused, [], "pid");
    expect(result.stderr).toContain("cannot exec in a paused container (use --ignore-paused to override)");
    expect(result.status).toBe(255);
    await e2e.runtime.succeed(["resume", paused]);
    expect((await exec(paused, [], "exit=4")).status).toBe(4);
  });

  test("--ignore-paused waits for the container to be resumed", runletOnly, async () => {
    const id = await running();
    await e2e.runtime.succeed(["pause", id]);
    const call = e2e.runtime.start(["exec", "--ignore-paused", id, "/probe", "exit=6"]);
    await e2e.runtime.succeed(["resume", id]);
    expect((await call.ended).status).toBe(6);
  });

  test("a variable without a value is refused", async () => {
    const id = await running();
    const words = /invalid environment variable: \\*"NAME\\*"/;
    await refused(id, ["--env", "GIVEN=1", "--env", "NAME", id, "/probe", "env"], words);
    const file = join(e2e.directory, "variable.json");
    const user = { uid: 0, gid: 0 };
    writeFileSync(file, JSON.stringify({ args: ["/probe", "env"], cwd: "/", env: ["NAME"], user }));
    await refused(id, ["--process", file, id], words);
    expect((await seen(id, ["--env", "EMPTY="], "env")).of("env")).toContain("EMPTY=");
  });

  test("bad input, and the container goes on", runletOnly, async () => {
    const id = await running();
    const file = join(e2e.directory, "no.json");
    writeFileSync(file, '{"args": [');
    await refused(id, ["--process", file, id], /not valid JSON/);
    await refused(id, ["--process", "/no/such/file", id], /no such file or directory/);
    await refused(id, [id], /process args cannot be empty/);
    await refused(id, [id, "nosuch"], /executable file not found in \$PATH/);
    await refused(id, [id, "/nosuch"], /no such file or directory/);
    await refused(id, [id, "/dev"], /permission denied/);
    await refused(
      id,
      ["--tty", "--detach", "--console-socket", "/no/listener", id, "/probe"],
      /cannot connect to the console socket/,
    );
    await refused(id, ["--tty", "--detach", id, "/probe"], /cannot allocate tty if runlet will detach/);
    await refused(id, ["--preserve-fds", "200", id, "/probe"], /unable to stat preserved-fd 0 \(of 200\)/);
  });

  test("a working directory behind a descriptor (CVE-2024-21626)", async () => {
    const id = await running();
    for (const fd of [0, 3, 4, 5, 6, 7, 8, 9, 10, 20]) {
      const { status, stdout } = await exec(id, ["--cwd", `/proc/self/fd/${fd}`], "cwd");
      expect(status, stdout).toBe(255);
    }
  });

  test("control groups that are not below the container's", runletOnly, async () => {
    const id = await running();
    for (const path of ["../", "../../", "..", "a/../..", "", "cpu:../x"])
      await refused(id, ["--cgroup", path, id, "/probe"], /bad sub cgroup path/);
    await refused(id, ["--cgroup", "/not-there", id, "/probe"], /bad sub cgroup path .*not-there.*: no such file/);
    await refused(id, ["--cgroup", "nosuch:/x", id, "/probe"], /unknown controller .*nosuch/);
  });
});

async function readAll(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) text += chunk;
  return text;
}

async function openContainer(...verbs: readonly string[]): Promise<Container> {
  const runtime = new Runtime({ root: join(e2e.directory, "state") });
  const bundle = e2e.bundle().probing(...verbs);
  const container = await runtime.create(e2e.id(), { bundle: bundle.hostPath, stdio: "pipe" });
  await container.start();
  return container;
}

describe("exec in process", () => {
  test("gives streams and an exit, and can be killed", runletOnly, async () => {
    await using container = await openContainer("wait");
    await using child = await container.exec({ args: ["/probe", "input", "stderr=aside", "exit=3"] });
    child.stdin.end("hello");
    const [output, errors, exit] = await Promise.all([readAll(child.stdout), readAll(child.stderr), child.wait()]);
    expect(new Observation(output).of("input")).toBe("hello");
    expect(errors).toBe("aside\n");
    expect(exit).toEqual({ exitCode: 3, signal: null, oomKilled: false });
    expect(() => child.kill("TERM")).toThrow("process not running");
    await using endless = await container.exec({ args: ["/probe", "wait"], stdio: "null" });
    endless.kill("KILL");
    expect(await endless.wait()).toEqual({ exitCode: null, signal: "SIGKILL", oomKilled: false });
    expect(() => endless.stdin).toThrow("no streams");
  });

  test("hundreds at once leave no descriptor behind", runletOnly, async () => {
    await using container = await openContainer("wait");
    await using first = await container.exec({ args: ["/probe", "exit=0"], stdio: "null" });
    await first.wait();
    const before = readdirSync("/proc/self/fd").length;
    const count = 300;
    const outputs = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        await using child = await container.exec({
          args: ["/probe", "env", `exit=${index % 200}`],
          env: [`INDEX=${index}`],
        });
        const [output, exit] = await Promise.all([readAll(child.stdout), child.wait()]);
        expect(exit.exitCode).toBe(index % 200);
        return new Observation(output).of<string[]>("env").includes(`INDEX=${index}`);
      }),
    );
    expect(outputs).toEqual(Array.from({ length: count }, () => true));
    await expect(container.exec({ args: ["nosuch"] })).rejects.toSatisfy(isRunletError);
    expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
    expect((await container.state()).status).toBe("running");
  });

  test("nobody in the container can look into what joins it (CVE-2016-9962)", runletOnly, async () => {
    await using container = await openContainer("wait");
    await using spy = await container.exec({ args: ["/probe", "spy=3000"] });
    const output = readAll(spy.stdout);
    for (let count = 0; count < 100; count++) {
      await using child = await container.exec({ args: ["/probe", "exit=0"], stdio: "null" });
      expect((await child.wait()).exitCode).toBe(0);
    }
    const found = new Observation(await output).of<Record<string, number>>("spy=3000");
    expect(found).toMatchObject({ readable: 0, opened: 0, traced: 0 });
    expect(found.hidden).toBeGreaterThan(0);
  });

  test("an abort ends the process", runletOnly, async () => {
    await using container = await openContainer("wait");
    const abort = new AbortController();
    await using child = await container.exec({ args: ["/probe", "wait"], stdio: "null", signal: abort.signal });
    abort.abort();
    expect((await child.wait()).signal).toBe("SIGKILL");
    await expect(container.exec({ args: ["/probe"], signal: abort.signal })).rejects.toThrow();
  });
});
