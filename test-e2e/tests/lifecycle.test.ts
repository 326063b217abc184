import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { Observation } from "../harness/observation.ts";
import { settlingMs } from "../harness/patience.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

/** Creates a container of a fresh bundle; its output goes where `create`'s goes. */
async function create(...verbs: string[]) {
  const id = e2e.id();
  const bundle = e2e.bundle().probing(...verbs);
  const call = e2e.runtime.start(["create", "--bundle", bundle.hostPath, id]);
  const result = await call.ended;
  expect(result.stderr).toBe("");
  expect(result.status).toBe(0);
  return { id, bundle, call };
}

describe("spec", () => {
  test("writes a config.json that runs, and does not overwrite one", async () => {
    const bundle = e2e.bundle();
    const directory = join(e2e.directory, "fresh");
    mkdirSync(directory);
    await e2e.runtime.succeed(["spec"], { cwd: directory });
    const config = JSON.parse(readFileSync(join(directory, "config.json"), "utf8"));
    expect(config).toMatchObject({
      process: { terminal: true, user: { uid: 0, gid: 0 }, args: ["sh"], cwd: "/", noNewPrivileges: true },
      root: { path: "rootfs", readonly: true },
      hostname: e2e.runtime.name,
    });
    expect(config.mounts.map((mount: { destination: string }) => mount.destination)).toEqual([
      "/proc",
      "/dev",
      "/dev/pts",
      "/dev/shm",
      "/dev/mqueue",
      "/sys",
      "/sys/fs/cgroup",
    ]);

    const again = await e2e.runtime.invoke(["spec"], { cwd: directory });
    expect(again.status).toBe(1);
    expect(again.stderr).toMatch(/config\.json.*exist/i);

    config.process.args = ["/probe", "hostname"];
    config.process.terminal = false;
    bundle.write(JSON.stringify(config));
    const { stdout } = await e2e.runtime.succeed(["run", "--bundle", bundle.hostPath, e2e.id()]);
    expect(new Observation(stdout).of("hostname")).toBe(e2e.runtime.name);
  });
});

describe("create, start, delete", () => {
  test("go through created, running and stopped, and the program runs only after start", async () => {
    const { id, bundle, call } = await create("hostname", "waitFile=/go");
    expect(await e2e.runtime.state(id)).toMatchObject({ id, status: "created", bundle: bundle.hostPath });
    expect(call.stdout()).toBe("");

    await e2e.runtime.succeed(["start", id]);
    await call.waitForOutput("hostname");
    const running = await e2e.runtime.state(id);
    expect(running.status).toBe("running");
    expect(existsSync(`/proc/${running.pid}`)).toBe(true);

    bundle.add({ go: "" });
    await e2e.runtime.waitForStatus(id, "stopped");
    expect(await e2e.runtime.state(id)).toMatchObject({ pid: 0 });
    await e2e.runtime.succeed(["delete", id]);
    const gone = await e2e.runtime.invoke(["state", id]);
    expect(gone.status).toBe(1);
    expect(gone.stderr).toMatch(e2e.runtime.name === "crun" ? /No such file or directory/ : /container does not exist/);
  });

  test("state has the specification's fields and annotations", async () => {
    const id = e2e.id();
    const bundle = e2e
      .bundle((config) => {
        config.annotations = { "org.example.purpose": "a test" };
      })
      .probing("wait");
    await e2e.runtime.succeed(["create", "--bundle", bundle.hostPath, id]);
    const state = await e2e.runtime.state(id);
    expect(Object.keys(state)).toEqual(
      expect.arrayContaining(["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "owner"]),
    );
    expect(state).toMatchObject({ id, bundle: bundle.hostPath, annotations: { "org.example.purpose": "a test" } });
    expect(state.ociVersion).toMatch(/^1\.\d+\.\d+/);
    expect(Number.isNaN(Date.parse(String(state.created)))).toBe(false);
  });

  test("a container's directory under the state root is gone after delete", async () => {
    const { id } = await create("exit=0");
    expect(readdirSync(e2e.runtime.root)).toContain(id);
    await e2e.runtime.succeed(["start", id]);
    await e2e.runtime.waitForStatus(id, "stopped");
    await e2e.runtime.succeed(["delete", id]);
    expect(readdirSync(e2e.runtime.root)).not.toContain(id);
  });

  test("--pid-file holds the process id and nothing else", async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing("wait");
    const pidFile = join(e2e.directory, `${id}.pid`);
    await e2e.runtime.succeed(["create", "--bundle", bundle.hostPath, "--pid-file", pidFile, id]);
    const { pid } = await e2e.runtime.state(id);
    expect(readFileSync(pidFile, "utf8")).toBe(String(pid));
  });

  test("delete --force ends a running container, and forgives one that is absent", async () => {
    const { id } = await create("wait");
    await e2e.runtime.succeed(["start", id]);
    const { pid } = await e2e.runtime.state(id);
    await e2e.runtime.succeed(["delete", "--force", id]);
    expect(isAlive(pid)).toBe(false);
    const absent = await e2e.runtime.invoke(["delete", "--force", `${id}-absent`]);
    expect(absent.status).toBe(0);
  });

  test("the bundle may be the current directory", async () => {
    const bundle = e2e.bundle().probing("exit=7");
    const result = await e2e.runtime.invoke(["run", e2e.id()], { cwd: bundle.hostPath });
    expect(result.status).toBe(7);
  });

  test("a rootfs of an absolute path is taken as it is", async () => {
    const bundle = e2e.bundle((config, made) => {
      config.root.path = made.rootfs;
    });
    const seen = await e2e.observe(bundle, "list=/");
    expect(seen.of("list=/")).toContain("probe");
  });
});

describe("run", () => {
  for (const status of [0, 1, 3, 126, 255]) {
    test(`ends with the container's exit status ${status}`, async () => {
      const result = await e2e.run(e2e.bundle().probing(`exit=${status}`));
      expect(result.status).toBe(status);
      expect(readdirSync(e2e.runtime.root)).toEqual([]);
    });
  }

  test("ends with 128+n when signal n ended the container", async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing("wait");
    const call = e2e.runtime.start(["run", "--bundle", bundle.hostPath, id]);
    await call.waitForOutput("waiting");
    await e2e.runtime.succeed(["kill", id, "KILL"]);
    expect((await call.ended).status).toBe(137);
  });

  test("passes standard input and both outputs through", async () => {
    const bundle = e2e.bundle().probing("input", "stderr=to the side");
    const result = await e2e.runtime.invoke(["run", "--bundle", bundle.hostPath, e2e.id()], { input: "a line\n" });
    expect(new Observation(result.stdout).of("input")).toBe("a line\n");
    expect(result.stderr).toBe("to the side\n");
  });

  test("forwards signals to the container", async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing("trap=15,10", "exit=4");
    const call = e2e.runtime.start(["run", "--bundle", bundle.hostPath, id]);
    await call.waitForOutput("ready");
    // crun is started by a shell that became crun: the child is crun itself.
    call.child.kill("SIGUSR1");
    const result = await call.ended;
    expect(new Observation(result.stdout).of("trapped")).toBe(10);
    expect(result.status).toBe(4);
  });

  test("forwards the signals that JavaScript engines do not hand over", { runtime: ["runlet", "runc"] }, async () => {
    // Not 34 in runc: Go keeps it from programs.
    for (const number of [16, e2e.runtime.name === "runc" ? 35 : 34, 64]) {
      const bundle = e2e.bundle().probing(`trap=${number}`, "exit=4");
      const call = e2e.runtime.start(["run", "--bundle", bundle.hostPath, e2e.id()]);
      await call.waitForOutput("ready");
      execFileSync("kill", [`-${number}`, String(call.child.pid)]);
      const result = await call.ended;
      expect(new Observation(result.stdout).of("trapped")).toBe(number);
      expect(result.status).toBe(4);
    }
  });

  test("--keep leaves a stopped container", { runtime: ["runlet", "runc"] }, async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing("exit=2");
    const result = await e2e.runtime.invoke(["run", "--keep", "--bundle", bundle.hostPath, id]);
    expect(result.status).toBe(2);
    expect((await e2e.runtime.state(id)).status).toBe("stopped");
    await e2e.runtime.succeed(["delete", id]);
  });

  test("--detach returns while the container runs, with no process of ours beside it", async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing("wait");
    const call = e2e.runtime.start(["run", "--detach", "--bundle", bundle.hostPath, id]);
    expect((await call.ended).status).toBe(0);
    await call.waitForOutput("waiting");
    const { pid } = await e2e.runtime.state(id);
    const beside = processesNaming(id).filter((other) => other !== pid);
    expect(beside).toEqual([]);
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toBe("/probe\0wait\0");
  });
});

describe("list", () => {
  test("has the containers in a table, as JSON and as ids", async () => {
    const first = await create("wait");
    const second = await create("wait");
    await e2e.runtime.succeed(["start", second.id]);

    const table = (await e2e.runtime.succeed(["list"])).stdout.trimEnd().split("\n");
    expect(table[0]?.split(/\s+/).filter((word) => word !== "")).toEqual(
      e2e.runtime.name === "crun"
        ? ["NAME", "PID", "STATUS", "BUNDLE", "PATH", "CREATED", "OWNER"]
        : ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"],
    );
    expect(table).toHaveLength(3);
    const row = table.find((line) => line.startsWith(second.id));
    expect(row).toContain("running");
    expect(row).toContain(second.bundle.hostPath);

    const list = JSON.parse((await e2e.runtime.succeed(["list", "--format", "json"])).stdout);
    expect(list.map((entry: { id: string; status: string }) => [entry.id, entry.status]).sort()).toEqual([
      [first.id, "created"],
      [second.id, "running"],
    ]);
    expect((await e2e.runtime.succeed(["list", "--quiet"])).stdout.trim().split("\n").sort()).toEqual(
      [first.id, second.id].sort(),
    );
  });

  test("of no containers is a header, or null", { runtime: ["runlet", "runc"] }, async () => {
    expect((await e2e.runtime.succeed(["list"])).stdout.trim()).toMatch(
      /^ID\s+PID\s+STATUS\s+BUNDLE\s+CREATED\s+OWNER$/,
    );
    expect((await e2e.runtime.succeed(["list", "-f", "json"])).stdout.trim()).toBe("null");
  });
});

describe("kill", () => {
  const spellings: [string, string[]][] = [
    ["nothing, which is SIGTERM", []],
    ["a name", ["TERM"]],
    ["a name with SIG", ["SIGTERM"]],
    ["a number", ["15"]],
  ];
  for (const [what, args] of spellings) {
    test(`takes ${what}`, async () => {
      const { id, call } = await create("trap=15");
      await e2e.runtime.succeed(["start", id]);
      await call.waitForOutput("ready");
      await e2e.runtime.succeed(["kill", id, ...args]);
      await e2e.runtime.waitForStatus(id, "stopped");
      expect(new Observation(call.stdout()).of("trapped")).toBe(15);
    });
  }

  test("takes a name in any case", { runtime: ["runlet", "runc"] }, async () => {
    const { id, call } = await create("trap=10");
    await e2e.runtime.succeed(["start", id]);
    await call.waitForOutput("ready");
    await e2e.runtime.succeed(["kill", id, "sigusr1"]);
    await e2e.runtime.waitForStatus(id, "stopped");
    expect(new Observation(call.stdout()).of("trapped")).toBe(10);
  });

  test("takes 0, by which it only says whether there is a process", async () => {
    const { id } = await create("wait");
    await e2e.runtime.succeed(["start", id]);
    await e2e.runtime.succeed(["kill", id, "0"]);
    expect((await e2e.runtime.state(id)).status).toBe("running");
    await e2e.runtime.succeed(["kill", id, "KILL"]);
    await e2e.runtime.waitForStatus(id, "stopped");
    expect((await e2e.runtime.invoke(["kill", id, "0"])).status).toBe(1);
  });

  test("reaches a container that is created and not started", async () => {
    const { id } = await create("wait");
    await e2e.runtime.succeed(["kill", id, "KILL"]);
    await e2e.runtime.waitForStatus(id, "stopped");
    await e2e.runtime.succeed(["delete", id]);
  });

  test("--all reaches every process of a container without a pid namespace of its own", async () => {
    const id = e2e.id();
    const bundle = e2e
      .bundle((config) => {
        config.linux.namespaces = config.linux.namespaces?.filter(({ type }) => type !== "pid") ?? [];
      })
      .probing("orphan", "orphan", "pid", "wait");
    const call = e2e.runtime.start(["run", "--detach", "--bundle", bundle.hostPath, id]);
    await call.ended;
    await call.waitForOutput("waiting");
    const before = processesRunning(bundle.rootfs);
    expect(before).toHaveLength(3);
    await e2e.runtime.succeed(["kill", "--all", id, "KILL"]);
    await e2e.runtime.waitForStatus(id, "stopped");
    await expect.poll(() => processesRunning(bundle.rootfs), { timeout: settlingMs }).toEqual([]);
  });
});

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
}

/** Processes whose command line has a word, by pid. */
function processesNaming(word: string): number[] {
  return processes().filter((pid) => readOrEmpty(`/proc/${pid}/cmdline`).includes(word));
}

/** Processes whose control group belongs to the bundle's container: found by the executable, which is the bundle's own. */
function processesRunning(rootfs: string): number[] {
  const inode = statSync(join(rootfs, "probe")).ino;
  return processes().filter((pid) => {
    try {
      return statSync(`/proc/${pid}/exe`).ino === inode && isAlive(pid);
    } catch {
      return false;
    }
  });
}

function processes(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
