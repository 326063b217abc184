import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { RunningCommand } from "../harness/command.ts";
import { sleep, waitUntil } from "../harness/patience.ts";
import { cgroupLayout } from "../harness/requirements.ts";
import { Containerd, type ContainerdScene, openContainerdScene } from "./harness/containerd.ts";
import { image } from "./harness/docker-archive.ts";
import { openFlows } from "./harness/flow.ts";
import { machineReasons } from "./harness/machine-reasons.ts";

let place: ContainerdScene;
const flow = openFlows({
  openScene: async () => {
    place = await openContainerdScene();
    return place.scene;
  },
  openEngine: async (_scene, runtime) => new Containerd(place, runtime),
  machineReasons,
});

/** Runs until it gets SIGTERM, then ends with status 3. */
const waiting = ["sh", "-c", "trap 'exit 3' TERM; : > /listening; while :; do sleep 0.1; done"];

/** Starts a container that runs {@link waiting} and has come so far that it hears signals. */
async function detachListening(containerd: Containerd): Promise<string> {
  const id = await containerd.detach([], waiting);
  await containerd.exec(id, ["sh", "-c", "until [ -e /listening ]; do sleep 0.05; done"]);
  return id;
}

/** Starts to listen to containerd's events. It says nothing until there is one: so there is one. */
async function watchEvents(containerd: Containerd): Promise<RunningCommand> {
  const watcher = containerd.start(["events"]);
  await waitUntil({
    look: async () => {
      await containerd.print(["images", "label", image, `seen=${Date.now()}`]);
      return watcher.stdout();
    },
    until: (events) => events.includes("/images/update"),
    complain: (events) => `no event of an image: ${events}${watcher.stderr()}`,
    everyMs: 200,
  });
  return watcher;
}

/** A shell's words that wait until its terminal has been given a size. */
const untilSized = "while stty size | grep -q '^0 0$'; do sleep 0.05; done";

/** Waits until the processes that `ctr task ps` names are these. */
async function waitForCommands(containerd: Containerd, id: string, wanted: readonly string[]): Promise<void> {
  await waitUntil({
    look: async () => {
      const pids = (await containerd.print(["task", "ps", id]))
        .split("\n")
        .slice(1)
        .map((line) => line.split(/\s+/)[0]);
      const { stdout } = await containerd.scene.run(["cat", ...pids.map((pid) => `/proc/${pid}/comm`)]);
      return stdout.trim().split("\n").sort().join();
    },
    until: (seen) => seen === wanted.join(),
    complain: (seen) => `the processes are ${seen}, not ${wanted.join()}`,
    everyMs: 50,
  });
}

flow("run prints what the container prints, and ends as it ends", async (containerd) => {
  const result = await containerd.run([], ["sh", "-c", "echo seen; echo heard >&2; exit 42"]);
  expect(result).toMatchObject({ status: 42, stdout: "seen\n" });
  expect(result.stderr).toContain("heard");
});

flow("run passes standard input on", async (containerd) => {
  const args = containerd.runArgs(["--rm"], containerd.id(), ["head", "-n", "1"]);
  expect(await containerd.print(args, { input: "typed\n" })).toBe("typed");
});

flow("run gives the container a terminal of the person's size and passes on what is typed", async (containerd) => {
  const script = `tty; ${untilSized}; read -r line; stty size; exit 5`;
  const args = containerd.runArgs(["--rm", "--tty"], containerd.id(), ["sh", "-c", script]);
  const person = containerd.atTerminal(args, { rows: 33, columns: 99 });
  await person.see("/dev/pts/0");
  person.type("go on\n");
  await person.see("33 99");
  expect(await person.status).toBe(5);
});

flow("a detached container is held to its limits, and reported with them", async (containerd) => {
  const limits = ["--memory-limit=67108864", "--cpu-quota=25000", "--cpu-period=50000"];
  const id = await containerd.detach(limits, waiting);
  const found = await containerd.readControlGroup(id, {
    v1: ["memory/memory.limit_in_bytes", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"],
    v2: ["memory.max", "cpu.max"],
  });
  expect(found).toEqual(["67108864", "25000", "50000"]);
  const metrics = await containerd.print(["task", "metrics", id]);
  expect(metrics).toMatch(
    cgroupLayout === "v2" ? /^memory\.usage_limit +67108864/m : /^memory\.limit_in_bytes +67108864/m,
  );
  expect(metrics).toMatch(/^pids\.current +[12] /m);
  await containerd.remove(id);
});

flow("the runtime itself finds the containers, where containerd has their states", async (containerd) => {
  const id = await containerd.detach([], waiting);
  const runtime = [containerd.runtime.path, "--root", "/run/containerd/runc/runlet-e2e"];
  const list = await containerd.scene.succeed([...runtime, "list", "--quiet"]);
  expect(list.stdout.trim().split("\n")).toContain(id);
  const state = JSON.parse((await containerd.scene.succeed([...runtime, "state", id])).stdout) as object;
  expect(state).toMatchObject({ id, status: "running", pid: (await containerd.task(id))?.pid });
  await containerd.remove(id);
});

flow("a container runs on a directory that is no image", async (containerd) => {
  const root = join(containerd.scene.directory, "rootfs");
  if (!existsSync(root)) {
    mkdirSync(join(root, "bin"), { recursive: true });
    await containerd.scene.succeed(["cp", "/bin/busybox", join(root, "bin/busybox")]);
    writeFileSync(join(root, "note"), "of the directory\n");
  }
  const args = containerd.runArgs(["--rm", "--rootfs"], containerd.id(), ["/bin/busybox", "cat", "/note"], root);
  expect(await containerd.print(args)).toBe("of the directory");
});

flow("mounts, environment and working directory are those asked for", async (containerd) => {
  const host = join(containerd.scene.directory, containerd.id());
  mkdirSync(host);
  writeFileSync(join(host, "file"), "shown\n");
  const mount = `type=bind,src=${host},dst=/mnt,options=rbind:ro`;
  const script = "cat /mnt/file; touch /mnt/other && echo written; echo $GREETING; pwd";
  const result = await containerd.run(
    [`--mount=${mount}`, "--mount=type=tmpfs,dst=/scratch,options=size=1m", "--env=GREETING=hello", "--cwd=/scratch"],
    ["sh", "-c", script],
  );
  expect(result.stdout.split("\n")).toEqual(["shown", "hello", "/scratch", ""]);
  expect(result.stderr).toContain("Read-only file system");
});

flow("a read-only root is read-only", async (containerd) => {
  const result = await containerd.run(["--read-only"], ["touch", "/file"]);
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("Read-only file system");
});

flow("capabilities are added and dropped; a privileged container has all", async (containerd) => {
  const script = ["sed", "-n", "s/CapEff:\\t//p", "/proc/self/status"];
  const bits = async (...options: string[]) => BigInt(`0x${(await containerd.run(options, script)).stdout.trim()}`);
  const [chown, sysAdmin] = [1n << 0n, 1n << 21n];
  const usual = await bits();
  expect(usual & (chown | sysAdmin)).toBe(chown);
  expect(await bits("--cap-add=CAP_SYS_ADMIN", "--cap-drop=CAP_CHOWN")).toBe((usual | sysAdmin) & ~chown);
  const own = /^CapEff:\t(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  expect(await bits("--privileged")).toBe(BigInt(`0x${own}`));
});

flow("the default seccomp profile and one of the user's are in force", async (containerd) => {
  const seccomp = ["sed", "-n", "s/Seccomp:\\t//p", "/proc/self/status"];
  expect((await containerd.run([], seccomp)).stdout).toBe("0\n");
  expect((await containerd.run(["--seccomp"], seccomp)).stdout).toBe("2\n");
  const profile = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
  };
  const path = join(containerd.scene.directory, `${containerd.id()}.json`);
  writeFileSync(path, JSON.stringify(profile));
  const result = await containerd.run(["--seccomp", `--seccomp-profile=${path}`], ["mkdir", "/tmp/new"]);
  expect(result.stderr).toContain("Operation not permitted");
});

flow("a container joins the machine's network and a namespace by its path", async (containerd) => {
  const network = await containerd.scene.succeed(["readlink", "/proc/self/ns/net"]);
  const link = ["readlink", "/proc/self/ns/net"];
  expect((await containerd.run([], link)).stdout).not.toBe(network.stdout);
  expect((await containerd.run(["--net-host"], link)).stdout).toBe(network.stdout);
  const id = await containerd.detach([], waiting);
  const pid = (await containerd.task(id))?.pid;
  const others = await containerd.scene.succeed(["readlink", `/proc/${pid}/ns/net`]);
  expect((await containerd.run([`--with-ns=network:/proc/${pid}/ns/net`], link)).stdout).toBe(others.stdout);
  await containerd.remove(id);
});

flow("as the runc of the PATH it serves the options that name no runtime", async (containerd) => {
  await containerd.scene.succeed(["ln", "-sfn", containerd.runtime.path, "/usr/local/sbin/runc"]);
  const mapping = ["--uidmap=0:100000:65536", "--gidmap=0:200000:65536"];
  const args = ["sh", "-c", "id -u; cat /proc/self/uid_map /proc/self/gid_map; touch /own; stat -c %u:%g /own /bin"];
  const mapped = await containerd.run(mapping, args);
  expect(mapped.stdout.split(/\s+/)).toEqual(["0", "0", "100000", "65536", "0", "200000", "65536", "0:0", "0:0", ""]);
  const unpivoted = await containerd.run(["--no-pivot"], ["sh", "-c", "ls -d /probe /machine /usr"]);
  expect(unpivoted.stdout).toBe("/probe\n");
  await containerd.scene.succeed(["rm", "/usr/local/sbin/runc"]);
});

flow("an executable that is not there is said to be missing, and nothing is left", async (containerd) => {
  const id = containerd.id();
  const result = await containerd.invoke(containerd.runArgs(["--rm"], id, ["/nosuch"]));
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(/exec: "\/nosuch": (stat \/nosuch: )?no such file or directory/);
  expect(await containerd.print(["container", "ls", "--quiet"])).not.toContain(id);
});

flow(
  "exec runs in the container, as the user and in the directory asked for, and returns its status",
  async (containerd) => {
    const id = await containerd.detach(["--env=GREETING=hello"], waiting);
    const result = await containerd.exec(
      id,
      ["sh", "-c", "id -u; id -g; pwd; echo $GREETING; exit 6"],
      ["--user=1234:1235", "--cwd=/tmp"],
    );
    expect(result).toMatchObject({ status: 6, stdout: "1234\n1235\n/tmp\nhello\n" });
    const missing = await containerd.exec(id, ["/nosuch"]);
    expect(missing.status).toBe(1);
    expect(missing.stderr).toMatch(/exec: "\/nosuch": (stat \/nosuch: )?no such file or directory/);
    expect((await containerd.task(id))?.status).toBe("RUNNING");
    await containerd.remove(id);
  },
);

flow("exec gives the process a terminal", async (containerd) => {
  const id = await containerd.detach([], waiting);
  const args = [
    "task",
    "exec",
    "--tty",
    "--exec-id",
    containerd.id(),
    id,
    "sh",
    "-c",
    `tty; ${untilSized}; read -r line; stty size; exit 4`,
  ];
  const person = containerd.atTerminal(args, { rows: 40, columns: 120 });
  await person.see("/dev/pts/0");
  person.type("go on\n");
  await person.see("40 120");
  expect(await person.status).toBe(4);
  await containerd.remove(id);
});

flow("exec runs many processes in one container at once", async (containerd) => {
  const id = await containerd.detach([], waiting);
  const numbers = Array.from({ length: 8 }, (_, index) => index);
  const results = await Promise.all(numbers.map((number) => containerd.exec(id, ["sh", "-c", `exit ${number}`])));
  expect(results.map(({ status }) => status)).toEqual(numbers);
  await containerd.remove(id);
});

flow(
  "a signal reaches the first process; the container that ends has its status, and its task is deleted",
  async (containerd) => {
    const id = await detachListening(containerd);
    await containerd.print(["task", "kill", "--signal=SIGTERM", id]);
    await containerd.waitForStatus(id, "STOPPED");
    const again = await containerd.invoke(["task", "kill", "--signal=SIGKILL", id]);
    expect(again.stderr).toContain("not found");
    const deleted = await containerd.invoke(["task", "delete", id]);
    expect(`${deleted.stdout}${deleted.stderr}`).toContain("exit with non-zero exit code 3");
    expect(await containerd.task(id)).toBeUndefined();
    await containerd.print(["container", "delete", id]);
  },
);

flow("kill --all ends every process of a container that shares the machine's process ids", async (containerd) => {
  const script = "sleep 1000 & sleep 1000 & wait";
  const id = await containerd.detach(["--with-ns=pid:/proc/1/ns/pid"], ["sh", "-c", script]);
  await waitForCommands(containerd, id, ["sh", "sleep", "sleep"]);
  await containerd.print(["task", "kill", "--all", "--signal=SIGKILL", id]);
  await containerd.waitForStatus(id, "STOPPED");
  await containerd.remove(id);
});

flow("a paused container does nothing until it is resumed", async (containerd) => {
  const id = await detachListening(containerd);
  await containerd.print(["task", "pause", id]);
  expect((await containerd.task(id))?.status).toBe("PAUSED");
  await containerd.print(["task", "kill", "--signal=SIGTERM", id]);
  await sleep(300);
  expect((await containerd.task(id))?.status).toBe("PAUSED");
  await containerd.print(["task", "resume", id]);
  await containerd.waitForStatus(id, "STOPPED");
  await containerd.remove(id);
});

flow("a container that was saved goes on where it was", async (containerd) => {
  const script = "n=0; while :; do n=$((n + 1)); echo $n > /count; sleep 0.1; done";
  const id = await containerd.detach([], ["sh", "-c", script]);
  const count = async (of: string) => Number((await containerd.exec(of, ["cat", "/count"])).stdout);
  while ((await count(id)) < 5) await sleep(50);
  const reference = `localhost/${containerd.id()}:saved`;
  await containerd.print(["container", "checkpoint", "--rw", "--image", "--task", id, reference]);
  const saved = await count(id);
  expect((await containerd.task(id))?.status).toBe("RUNNING");
  await containerd.remove(id);
  const restored = containerd.id();
  await containerd.print(["container", "restore", "--rw", "--live", restored, reference]);
  expect((await containerd.task(restored))?.status).toBe("RUNNING");
  const before = await count(restored);
  expect(before).toBeGreaterThanOrEqual(5);
  while ((await count(restored)) <= Math.max(before, saved)) await sleep(50);
  await containerd.remove(restored);
});

flow("ps names the container's processes", async (containerd) => {
  const id = await containerd.detach([], ["sh", "-c", "sleep 1000 & wait"]);
  await waitForCommands(containerd, id, ["sh", "sleep"]);
  await containerd.remove(id);
});

flow("events tell of a container's start, of a process in it, and of its exit", async (containerd) => {
  const watcher = await watchEvents(containerd);
  const id = await detachListening(containerd);
  await containerd.exec(id, ["true"]);
  await containerd.print(["task", "kill", "--signal=SIGTERM", id]);
  await containerd.waitForStatus(id, "STOPPED");
  await containerd.remove(id);
  await watcher.waitForOutput("/containers/delete");
  watcher.child.kill();
  const of = (topic: string) =>
    watcher
      .stdout()
      .split("\n")
      .filter((line) => line.includes(` ${topic} `) && line.includes(id));
  for (const topic of ["/tasks/create", "/tasks/start", "/tasks/exec-added", "/tasks/exec-started", "/tasks/delete"])
    expect(of(topic), topic).not.toEqual([]);
  expect(of("/tasks/exit").some((line) => line.includes('"exit_status":3'))).toBe(true);
});

flow("the memory of a container that takes too much ends it, and an event says so", async (containerd) => {
  const watcher = await watchEvents(containerd);
  const script = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";
  const id = await containerd.detach(["--memory-limit=8388608"], ["sh", "-c", script]);
  await containerd.waitForStatus(id, "STOPPED");
  await watcher.waitForOutput("/tasks/oom");
  watcher.child.kill();
  await containerd.remove(id);
});

flow("containers outlive containerd, and are governed by the one that is started next", async (containerd) => {
  const id = await detachListening(containerd);
  const pid = (await containerd.task(id))?.pid;
  await containerd.daemon.stop();
  await containerd.scene.succeed(["kill", "-0", String(pid)]);
  await containerd.daemon.start();
  expect(await containerd.task(id)).toEqual({ pid, status: "RUNNING" });
  expect(await containerd.exec(id, ["sh", "-c", "exit 9"])).toMatchObject({ status: 9 });
  await containerd.print(["task", "kill", "--signal=SIGTERM", id]);
  await containerd.waitForStatus(id, "STOPPED");
  await containerd.remove(id);
});

flow("a container whose shim was killed is cleaned up, and its name is free again", async (containerd) => {
  const id = await containerd.detach([], waiting);
  const pid = (await containerd.task(id))?.pid;
  const status = await containerd.scene.succeed(["cat", `/proc/${pid}/status`]);
  const shim = /^PPid:\t(\d+)$/m.exec(status.stdout)?.[1];
  await containerd.scene.succeed(["kill", "-KILL", String(shim)]);
  await waitUntil({
    look: async () => (await containerd.scene.run(["kill", "-0", String(pid)])).status,
    until: (status) => status !== 0,
    complain: () => "the container outlives its shim",
    everyMs: 50,
  });
  await containerd.remove(id);
  const result = await containerd.invoke(containerd.runArgs(["--rm"], id, ["echo", "again"]));
  expect(result.stdout).toBe("again\n");
});
