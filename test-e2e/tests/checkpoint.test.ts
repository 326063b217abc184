import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { describe, expect, vi } from "vitest";
import type { Bundle, Config } from "../harness/bundle.ts";
import { ControlGroup } from "../harness/control-group.ts";
import { Observation } from "../harness/observation.ts";
import { sleep } from "../harness/patience.ts";
import { Person } from "../harness/person.ts";
import { openSuite } from "../harness/suite.ts";

// CRIU 3.17, Debian 12's, does not know the vDSO of the kernels that have one of these layouts here.
const e2e = openSuite({ root: true, cgroup: ["v2"], program: "criu", runtime: ["runlet", "runc"] });
const { test } = e2e;

// CRIU starts programs of the host's, which under emulation takes its time.
const timeoutMs = 300_000;
vi.setConfig({ testTimeout: 600_000 });

/**
 * A command whose container has pipes for its standard streams: CRIU knows nothing of what else is outside of a container.
 * Node's own pipes are Unix sockets.
 */
class PipedCommand {
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = "";

  constructor(args: readonly string[]) {
    const script = 'exec 0< /dev/null 1> >(exec cat) 2>&1; exec "$@"';
    this.#child = spawn("bash", ["-c", script, "bash", ...e2e.runtime.argv(args)], {
      cwd: "/",
      stdio: ["ignore", "pipe", "inherit"],
    });
    (this.#child.stdout as Readable).setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
    });
    this.ended = new Promise((fulfil) => this.#child.once("exit", (status) => fulfil(status)));
  }

  async see(text: string): Promise<void> {
    for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await sleep(20)) {
      if (this.output.includes(text)) return;
    }
    throw new Error(`${JSON.stringify(text)} was not printed: ${JSON.stringify(this.output)}`);
  }

  /** What the container's probe has printed. */
  get observation(): Observation {
    const lines = this.output.split("\n").filter((line) => line.startsWith('["'));
    return new Observation(lines.join("\n"));
  }

  close(): void {
    for (const stream of this.#child.stdio) stream?.destroy();
  }
}

/** Waits for a restore in the foreground: until then there is no container. */
async function untilRunning(id: string): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await sleep(100)) {
    const { status, stdout } = await e2e.runtime.invoke(["state", id]);
    if (status === 0 && JSON.parse(stdout).status === "running") return;
  }
  throw new Error(`container ${id} does not run after ${timeoutMs} ms`);
}

interface Saved {
  readonly id: string;
  readonly bundle: Bundle;
  readonly images: string;
  /** Directory of the host that is mounted at /data. */
  readonly data: string;
}

/** Starts a container that waits for SIGTERM, then goes through the verbs. */
async function start(verbs: readonly string[], edit: (config: Config) => void = () => {}): Promise<Saved> {
  const id = e2e.id();
  const data = join(e2e.directory, `${id}-data`);
  mkdirSync(data);
  const bundle = e2e.bundle((config) => {
    config.mounts.push({ destination: "/data", type: "bind", source: data, options: ["bind", "rw"] });
    edit(config);
  });
  bundle.probing("trap=15", ...verbs);
  const command = new PipedCommand(["run", "--detach", "--bundle", bundle.hostPath, id]);
  await command.see('"ready"');
  expect(await command.ended).toBe(0);
  return { id, bundle, images: join(e2e.directory, `${id}-images`), data };
}

function checkpoint({ id, images }: Saved, ...options: string[]) {
  return e2e.runtime.succeed(["checkpoint", "--image-path", images, ...options, id], { timeoutMs });
}

function restore({ id, bundle, images }: Saved, ...options: string[]): PipedCommand {
  return new PipedCommand(["restore", "--image-path", images, "--bundle", bundle.hostPath, ...options, id]);
}

describe("checkpoint and restore", () => {
  test("a process goes on where it was, and ends with its own status", async () => {
    const container = await start(["read=/data/note", "hostname", "capabilities", "exit=7"]);
    await checkpoint(container);
    expect((await e2e.runtime.invoke(["state", container.id])).stderr).toContain("does not exist");
    writeFileSync(join(container.data, "note"), "written meanwhile");
    const restored = restore(container);
    await untilRunning(container.id);
    await e2e.runtime.succeed(["kill", container.id, "TERM"]);
    expect(await restored.ended).toBe(7);
    const { observation } = restored;
    expect(observation.of("trapped")).toBe(15);
    expect(observation.of("read=/data/note")).toBe("written meanwhile");
    expect(observation.of("hostname")).toBe(container.bundle.config.hostname);
    expect(BigInt(`0x${observation.of<{ bounding: string }>("capabilities").bounding}`)).toBe(0x20000420n);
  });

  test("limits and mounts are those of the config again", async () => {
    const container = await start(["read=/proc/self/mountinfo", "mkdir=/made", "wait"], ({ linux }) => {
      linux.resources = { ...linux.resources, memory: { limit: 64 << 20 }, pids: { limit: 33 } };
    });
    await checkpoint(container);
    const restored = restore(container, "--detach", "--pid-file", join(e2e.directory, "pid"));
    expect(await restored.ended).toBe(0);
    const { pid, status } = await e2e.runtime.state(container.id);
    expect(status).toBe("running");
    expect(readFileSync(join(e2e.directory, "pid"), "utf8")).toBe(String(pid));
    const group = new ControlGroup(pid);
    expect(group.read("memory", "memory.max")).toBe(String(64 << 20));
    expect(group.read("pids", "pids.max")).toBe("33");
    await e2e.runtime.succeed(["kill", container.id, "TERM"]);
    await restored.see('"waiting"');
    const { observation } = restored;
    expect(observation.mountAt("/proc/sys").options).toContain("ro");
    expect(observation.mountAt("/dev/shm").options).toEqual(expect.arrayContaining(["nosuid", "nodev", "noexec"]));
    expect(observation.mountAt("/proc/kcore").root).toBe("/null");
    // runc 1.1 leaves a root that was read-only writable.
    if (e2e.runtime.name === "runlet") expect(observation.of("mkdir=/made")).toEqual({ errno: "EROFS" });
    await e2e.runtime.succeed(["delete", "--force", container.id]);
    restored.close();
  });

  test("the filter of system calls holds again", async () => {
    const container = await start(["mkdir=/data/made", "wait"], ({ linux }) => {
      linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95 }],
      };
    });
    await checkpoint(container);
    const restored = restore(container, "--detach");
    expect(await restored.ended).toBe(0);
    await e2e.runtime.succeed(["kill", container.id, "TERM"]);
    await restored.see('"waiting"');
    expect(restored.observation.of("mkdir=/data/made")).toEqual({ errno: "EOPNOTSUPP" });
    restored.close();
  });

  test("--leave-running lets the container go on; its images serve a second one", async () => {
    const container = await start(["wait"]);
    await checkpoint(container, "--leave-running");
    expect(await e2e.runtime.state(container.id)).toMatchObject({ status: "running" });
    const second = { ...container, id: e2e.id() };
    const restored = restore(second, "--detach");
    expect(await restored.ended).toBe(0);
    const [first, other] = [await e2e.runtime.state(container.id), await e2e.runtime.state(second.id)];
    expect(other.status).toBe("running");
    expect(other.pid).not.toBe(first.pid);
    // runc 1.1 puts it into the first one's control group.
    if (e2e.runtime.name === "runlet") {
      expect(new ControlGroup(other.pid).hostPath("")).not.toBe(new ControlGroup(first.pid).hostPath(""));
    }
    restored.close();
  });

  test("a paused container stays paused with --leave-running", async () => {
    const container = await start(["wait"]);
    await e2e.runtime.succeed(["pause", container.id]);
    await checkpoint(container, "--leave-running");
    expect(await e2e.runtime.state(container.id)).toMatchObject({ status: "paused" });
    await e2e.runtime.succeed(["resume", container.id]);
    expect(await e2e.runtime.state(container.id)).toMatchObject({ status: "running" });
  });

  test("--pre-dump saves the memory first, and --parent-path builds on it", async () => {
    const container = await start(["exit=3"]);
    const first = { ...container, images: join(e2e.directory, `${container.id}-first`) };
    await checkpoint(first, "--pre-dump");
    expect(await e2e.runtime.state(container.id)).toMatchObject({ status: "running" });
    await checkpoint(container, "--parent-path", `../${container.id}-first`);
    const restored = restore(container);
    await untilRunning(container.id);
    await e2e.runtime.succeed(["kill", container.id, "TERM"]);
    expect(await restored.ended).toBe(3);
  });

  test("a terminal comes back by --console-socket", async () => {
    const id = e2e.id();
    const bundle = e2e
      .bundle((config) => {
        config.process.terminal = true;
      })
      .probing("trap=2", "terminal", "wait");
    const container = { id, bundle, images: join(e2e.directory, `${id}-images`), data: "" };
    const person = await receive("before.sock");
    const socket = join(e2e.directory, "before.sock");
    await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.hostPath, "--console-socket", socket, id]);
    await person.see('"ready"');
    await checkpoint(container);
    await person.status;
    const second = await receive("after.sock");
    const restored = restore(container, "--detach", "--console-socket", join(e2e.directory, "after.sock"));
    expect(await restored.ended).toBe(0);
    second.type("\x03");
    await second.see('"waiting"');
    expect(second.screen).toContain('["trapped",2]');
    expect(second.screen).toContain('"isTerminal":[true,true,true]');
    await e2e.runtime.succeed(["delete", "--force", id]);
    await second.status;
  });

  test("hooks of the creation run when the namespaces are there", async () => {
    const note = join(e2e.directory, "hook-note");
    const container = await start(["wait"], (config) => {
      config.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", `cat >> ${note}`] }] };
    });
    await checkpoint(container);
    rmSync(note);
    const restored = restore(container, "--detach");
    expect(await restored.ended).toBe(0);
    const { pid } = await e2e.runtime.state(container.id);
    expect(JSON.parse(readFileSync(note, "utf8"))).toMatchObject({ id: container.id, pid });
    restored.close();
  });
});

describe("a restore that is killed", () => {
  test("leaves what delete --force removes", { runtime: ["runlet"] }, async () => {
    const container = await start(["wait"]);
    await checkpoint(container);
    // It tells its version, and then does nothing.
    const directory = join(e2e.directory, "hanging");
    const note = join(directory, "hangs");
    mkdirSync(directory);
    const script = `#!/bin/sh\n[ -e ${note}.asked ] || { touch ${note}.asked; exec /usr/sbin/criu "$@"; }\ntouch ${note}; sleep 1000\n`;
    writeFileSync(join(directory, "criu"), script, { mode: 0o755 });
    const args = ["restore", "--image-path", container.images, "--bundle", container.bundle.hostPath, container.id];
    const command = e2e.runtime.start(args, { env: { PATH: `${directory}:${process.env.PATH}` }, timeoutMs });
    while (!existsSync(note)) await sleep(50);
    expect(await e2e.runtime.state(container.id)).toMatchObject({ status: "creating", pid: 0 });
    command.child.kill("SIGKILL");
    expect(await command.ended).toMatchObject({ signal: "SIGKILL" });
    await e2e.runtime.succeed(["delete", "--force", container.id]);
    expect((await e2e.runtime.invoke(["state", container.id])).stderr).toContain("does not exist");
  });
});

async function receive(name: string): Promise<Person> {
  const socket = join(e2e.directory, name);
  const person = new Person(["receive", socket]);
  while (!existsSync(socket)) await sleep(10);
  return person;
}

describe("an image that says what config.json does not", () => {
  const only = { runtime: ["runlet"] } as const;

  /** Restores, which must be refused, and leave nothing. */
  async function refused(container: Saved): Promise<string> {
    const args = ["restore", "--detach", "--image-path", container.images, "--bundle", container.bundle.hostPath];
    const result = await e2e.runtime.invoke([...args, container.id], { timeoutMs });
    expect(result.status).toBe(1);
    expect((await e2e.runtime.invoke(["state", container.id])).stderr).toContain("does not exist");
    return result.stderr;
  }

  test("is refused, and nothing is left", only, async () => {
    const container = await start(["wait"]);
    await checkpoint(container);
    const { config } = container.bundle;
    const { mounts, linux, process: given } = config;

    config.mounts = mounts.filter(({ destination }) => destination !== "/data");
    container.bundle.write();
    expect(await refused(container)).toContain('has a mount at \\"/data\\" that config.json does not have');
    config.mounts = mounts;

    config.linux = { ...linux, maskedPaths: [...(linux.maskedPaths ?? []), "/proc/version"] };
    container.bundle.write();
    expect(await refused(container)).toContain('lacks the mount at \\"/proc/version\\"');
    config.linux = linux;

    config.process = { ...given, capabilities: { ...given.capabilities, bounding: [], effective: [], permitted: [] } };
    container.bundle.write();
    expect(await refused(container)).toContain("capabilities that config.json does not grant: CAP_KILL");
    config.process = given;

    config.linux = { ...linux, namespaces: linux.namespaces?.filter(({ type }) => type !== "ipc") ?? [] };
    container.bundle.write();
    expect(await refused(container)).toContain("ipc namespace of its own, and config.json does not");
    config.linux = linux;
    container.bundle.write();

    const core = join(container.images, "core-1.img");
    renameSync(core, `${core}.real`);
    symlinkSync("core-1.img.real", core);
    expect(await refused(container)).toContain("is no plain file");
  });
});

describe("bad input", () => {
  test("a container that does not run cannot be saved", async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing("exit=0");
    await e2e.runtime.succeed(["create", "--bundle", bundle.hostPath, id]);
    const created = await e2e.runtime.invoke(["checkpoint", "--image-path", join(e2e.directory, "none"), id]);
    expect(created.status).toBe(1);
    expect(created.stderr.toLowerCase()).toContain("container cannot be checkpointed in created state");
    await e2e.runtime.succeed(["start", id]);
    await e2e.runtime.waitForStatus(id, "stopped");
    const stopped = await e2e.runtime.invoke(["checkpoint", "--image-path", join(e2e.directory, "none"), id]);
    expect(stopped.status).toBe(1);
    expect(stopped.stderr.toLowerCase()).toContain("container cannot be checkpointed in stopped state");
  });

  test("an id that is in use cannot be restored to", async () => {
    const container = await start(["wait"]);
    await checkpoint(container, "--leave-running");
    const args = ["restore", "--detach", "--image-path", container.images, "--bundle", container.bundle.hostPath];
    const result = await e2e.runtime.invoke([...args, container.id], { timeoutMs });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("container with given ID already exists");
    expect(await e2e.runtime.state(container.id)).toMatchObject({ status: "running" });
  });

  test("a directory without images cannot be restored from", async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing("wait");
    const args = ["restore", "--image-path", join(e2e.directory, "nowhere"), "--bundle", bundle.hostPath, id];
    const result = await e2e.runtime.invoke(args);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("no such file or directory");
  });
});
