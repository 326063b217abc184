import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Hook, NamespaceType, Spec } from "@runlet/spec";
import { readProcessStatus } from "@runlet/syscall";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { busyboxHostPath, makeBundle } from "../test/bundle.ts";
import type { Container } from "./container.ts";
import type { Warning } from "./options.ts";
import { Runtime } from "./runtime.ts";

// A busy machine takes its time; a hang is what none of these waits for.
const patience = { timeout: 30_000 } as const;

/** Control groups bear the id, and are the whole host's. */
const id = `box-${process.pid}`;

interface Box {
  readonly runtime: Runtime;
  readonly container: Container;
  readonly bundle: string;
  readonly directory: string;
}

async function createBox(edit?: (spec: Spec) => void, signal?: AbortSignal): Promise<Box> {
  const { root, bundle, directory } = makeBundle(edit);
  const runtime = new Runtime({ root });
  const container = await runtime.create(id, { bundle, stdio: "pipe", ...(signal === undefined ? {} : { signal }) });
  onTestFinished(() => container[Symbol.asyncDispose]());
  return { runtime, container, bundle, directory };
}

/** A hook of the host's, whose working directory is the bundle. */
function shell(script: string): Hook {
  return { path: busyboxHostPath, args: ["sh", "-c", script], env: ["PATH=/bin:/usr/bin"] };
}

function withHooks(hooks: NonNullable<Spec["hooks"]>): (spec: Spec) => void {
  return (spec) => Object.assign(spec, { hooks });
}

function withoutNamespace({ linux }: Spec, type: NamespaceType): void {
  Object.assign(linux ?? {}, { namespaces: linux?.namespaces?.filter((namespace) => namespace.type !== type) });
}

/** What this process has open, besides what the first call opens for good. */
function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** How many descriptors of this process are open on a path. */
function openedOn(hostPath: string): number {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return links.filter((link) => link === hostPath).length;
}

function readIfThere(hostPath: string): string {
  return existsSync(hostPath) ? readFileSync(hostPath, "utf8") : "";
}

function isGone(pid: number): boolean {
  const status = readProcessStatus(pid);
  return status === null || status.state === "Z";
}

it.each([0, 8, 16, 17, 200])("hands over a plan of %d KiB", patience, async (kibibytes) => {
  const value = "x".repeat(kibibytes << 10);
  const { container } = await createBox(({ process }) => {
    if (process === undefined) throw new Error("the config has no process");
    process.args = ["/busybox", "sh", "-c", "echo $LONG$SECOND"];
    // The kernel takes no text of more than 128 KiB.
    process.env = ["PATH=/bin", `LONG=${value.slice(0, 100 << 10)}`, `SECOND=${value.slice(100 << 10)}`];
  });
  const chunks: Buffer[] = [];
  container.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  await container.start();
  expect(await container.wait()).toMatchObject({ exitCode: 0 });
  await expect.poll(() => Buffer.concat(chunks).toString(), patience).toBe(`${value}\n`);
});

it("keeps open what the helper is started with, when the creation fails before it is there", patience, async () => {
  const { root, bundle, directory } = makeBundle(({ linux }) => {
    const path = "/run/netns/none";
    const rest = linux?.namespaces?.filter(({ type }) => type !== "network") ?? [];
    Object.assign(linux ?? {}, { namespaces: [...rest, { type: "network", path }] });
  });
  const fifo = join(directory, "fifo");
  execFileSync(busyboxHostPath, ["mkfifo", fifo]);
  const before = openedOn("/dev/null");
  // As long as they wait for a writer no thread of the pool is left to start the helper.
  const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4);
  const readers = Array.from({ length: threads }, () => open(fifo, "r"));
  const failing = new Runtime({ root }).create(id, { bundle, stdio: "null" }).catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const during = openedOn("/dev/null");
  const writerFd = openSync(fifo, constants.O_RDWR);
  for (const reader of readers) await (await reader).close();
  closeSync(writerFd);
  expect(await failing).toMatchObject({ code: "ERR_RUNLET_NAMESPACE" });
  expect([during, openedOn("/dev/null")]).toEqual([before + 1, before]);
});

describe("what two have in hands", () => {
  it("an id that is in use costs no descriptor", async () => {
    const { runtime, bundle } = await createBox();
    const before = openDescriptors();
    for (let count = 0; count < 3; count++) {
      await expect(runtime.create(id, { bundle })).rejects.toMatchObject({ code: "ERR_RUNLET_EXISTS" });
      await expect(runtime.create(id, { bundle, stdio: "null" })).rejects.toThrow("already exists");
    }
    // Each would have cost three; this process opens some of its own for a moment.
    await expect.poll(openDescriptors, patience).toBeLessThan(before + 3);
  });

  it("descriptors for streams that are not open are refused, and nothing is left", async () => {
    const { runtime, bundle } = await createBox();
    const creation = runtime.create("other", { bundle, stdio: [0, 1, 987] });
    await expect(creation).rejects.toMatchObject({
      code: "ERR_RUNLET_USAGE",
      message: expect.stringContaining("descriptor 987"),
    });
    expect((await runtime.list()).map((state) => state.id)).toEqual([id]);
  });

  it.each<[string, ((spec: Spec) => void) | undefined]>([
    ["with a pid namespace", undefined],
    ["without one", (spec) => withoutNamespace(spec, "pid")],
  ])(
    "whoever disposes of a container %s that another has replaced leaves the new one alone, and collects its own",
    async (_, edit) => {
      const { runtime, container, bundle } = await createBox(edit);
      const { pid } = container;
      await (await runtime.load(id)).delete({ force: true });
      const second = await runtime.create(id, { bundle, stdio: "null" });
      onTestFinished(() => second[Symbol.asyncDispose]());
      await expect(container.state()).rejects.toMatchObject({ code: "ERR_RUNLET_NOT_FOUND" });
      await expect(container.kill("KILL")).rejects.toMatchObject({ code: "ERR_RUNLET_NOT_FOUND" });
      await expect(container.delete({ force: true })).rejects.toMatchObject({ code: "ERR_RUNLET_NOT_FOUND" });
      await container[Symbol.asyncDispose]();
      expect(readProcessStatus(pid)).toBeNull();
      expect((await second.state()).status).toBe("created");
    },
  );

  it("what another has not wholly deleted is deleted, and its process collected", async () => {
    const { bundle, root } = makeBundle();
    const runtime = new Runtime({ root, cgroupManager: "disabled" });
    const container = await runtime.create(id, { bundle, stdio: "null" });
    const { pid } = container;
    // As a deletion leaves it that was killed before its last step.
    const directory = join(runtime.root, id);
    for (const name of readdirSync(directory)) rmSync(join(directory, name));
    await container.delete({ force: true });
    expect(readProcessStatus(pid)).toBeNull();
    expect(existsSync(directory)).toBe(false);
  });

  it("whether a bundle goes with a container is known although another has deleted that", async () => {
    const { runtime, container } = await createBox();
    const loaded = await runtime.load(id);
    await container.delete({ force: true });
    expect(loaded.ownsBundle).toBe(false);
  });

  it("several deletions at once run the poststop hooks once", async () => {
    const { runtime, container, directory } = await createBox(
      withHooks({ poststop: [shell("echo once >> ../stopped")] }),
    );
    await container.start();
    const deletions = await Promise.allSettled(
      [1, 2, 3].map(async () => (await runtime.load(id)).delete({ force: true })),
    );
    for (const deletion of deletions) {
      if (deletion.status === "rejected") expect(deletion.reason).toMatchObject({ code: "ERR_RUNLET_NOT_FOUND" });
    }
    expect(deletions.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(readFileSync(join(directory, "stopped"), "utf8")).toBe("once\n");
    expect(existsSync(join(runtime.root, id))).toBe(false);
  });

  it("a container that was saved and that another deletes meanwhile is as gone as it should be", async () => {
    const { bundle, root } = makeBundle();
    const container = await new Runtime({ root, cgroupManager: "disabled" }).create(id, { bundle, stdio: "null" });
    onTestFinished(() => container[Symbol.asyncDispose]());
    const { pid } = container;
    const remove = ({ stateHostPath }: { stateHostPath: string }) => rmSync(stateHostPath, { recursive: true });
    vi.doMock("./checkpoint/checkpoint.ts", () => ({ checkpointContainer: remove }));
    onTestFinished(() => vi.doUnmock("./checkpoint/checkpoint.ts"));
    await container.checkpoint({ imagePath: "/nonexistent" });
    expect(readProcessStatus(pid)).toBeNull();
  });

  it("limits that another has changed stay when others are changed", async () => {
    const { runtime, container } = await createBox();
    await (await runtime.load(id)).update({ pids: { limit: 77 } });
    await container.update({ memory: { limit: 64 << 20 } });
    const { config } = JSON.parse(readFileSync(join(runtime.root, id, "state.json"), "utf8"));
    expect(config.linux.resources).toMatchObject({ pids: { limit: 77 }, memory: { limit: 64 << 20 } });
  });
});

describe("a creation", () => {
  it("is no container yet that something could be executed in", patience, async () => {
    const { bundle, root, directory } = makeBundle(
      withHooks({ createRuntime: [shell("touch ../waits; while [ ! -e ../go-on ]; do sleep 0.05; done")] }),
    );
    const runtime = new Runtime({ root });
    const creation = runtime.create(id, { bundle, stdio: "null" });
    await expect.poll(() => existsSync(join(directory, "waits")), patience).toBe(true);
    const unfinished = await runtime.load(id);
    expect(await unfinished.state()).toMatchObject({ status: "creating", pid: 0 });
    await expect(unfinished.exec({ args: ["/bin/true"] })).rejects.toMatchObject({
      code: "ERR_RUNLET_STATE",
      message: "cannot exec in a container whose creation has not ended",
    });
    writeFileSync(join(directory, "go-on"), "");
    await using container = await creation;
    expect(await unfinished.state()).toMatchObject({ status: "created", pid: container.pid });
  });
});

describe("a creation that is broken off", () => {
  it("leaves no hook of a container without a pid namespace, nor its control group", patience, async () => {
    const { bundle, root, directory } = makeBundle((spec) => {
      withoutNamespace(spec, "pid");
      const script = "echo $$ > ../pid; exec sleep 1000";
      withHooks({ createContainer: [shell(script)] })(spec);
    });
    const warnings: Warning[] = [];
    const runtime = new Runtime({ root, onWarning: (warning) => warnings.push(warning) });
    const abort = new AbortController();
    const creation = runtime.create(id, { bundle, stdio: "null", signal: abort.signal });
    const pid = () => Number.parseInt(readIfThere(join(directory, "bundle/pid")), 10);
    await expect.poll(pid, patience).toBeGreaterThan(0);
    abort.abort();
    await expect(creation).rejects.toMatchObject({ code: "ERR_RUNLET_ABORTED" });
    expect(isGone(pid())).toBe(true);
    expect(warnings).toEqual([]);
    expect(await runtime.list()).toEqual([]);
  });
});

describe("a creation that was interrupted", () => {
  it("has no process to wait for or to signal, and is deleted", async () => {
    const { runtime } = await createBox();
    const half = `${id}-half`;
    const record = JSON.parse(readFileSync(join(runtime.root, id, "state.json"), "utf8"));
    mkdirSync(join(runtime.root, half));
    const intent = { ...record, id: half, init_process_pid: 0, cgroup: null, cgroup_paths: {} };
    writeFileSync(join(runtime.root, half, "intent.json"), JSON.stringify(intent));
    const container = await runtime.load(half);
    expect(await container.state()).toMatchObject({ status: "creating", pid: 0 });
    await expect(container.wait()).rejects.toMatchObject({ code: "ERR_RUNLET_STATE" });
    await expect(container.kill()).rejects.toThrow("container not running");
    await expect(container.start()).rejects.toThrow("cannot start a container that was never completed");
    await container.delete();
    expect((await runtime.list()).map((state) => state.id)).toEqual([id]);
  });
});

describe("a start", () => {
  it("of which nothing is heard any more is given up, and the container is stopped", patience, async () => {
    const { container, runtime } = await createBox();
    const { pid } = container;
    process.kill(pid, "SIGSTOP");
    const loaded = await runtime.load(id, { helperTimeoutMs: 300 });
    await expect(loaded.start()).rejects.toMatchObject({ code: "ERR_RUNLET_TIMEOUT" });
    expect((await loaded.state()).status).toBe("stopped");
  });

  it("allows startContainer hooks their time besides", patience, async () => {
    const slow = { path: "/busybox", args: ["busybox", "sleep", "1"], timeout: 20 };
    const { runtime } = await createBox(withHooks({ startContainer: [slow] }));
    const loaded = await runtime.load(id, { helperTimeoutMs: 300 });
    await loaded.start();
    expect((await loaded.state()).status).toBe("running");
  });

  it("that hangs ends with the signal, and the container goes", patience, async () => {
    const abort = new AbortController();
    const endless = { path: "/busybox", args: ["busybox", "sleep", "1000"] };
    const { container, runtime } = await createBox(withHooks({ startContainer: [endless] }), abort.signal);
    const { pid } = container;
    const start = container.start().catch((error) => error);
    setTimeout(() => abort.abort(), 100);
    expect(await start).toMatchObject({ code: "ERR_RUNLET_ABORTED" });
    await expect.poll(() => existsSync(join(runtime.root, id)), patience).toBe(false);
    expect(isGone(pid)).toBe(true);
  });

  it("that hangs does not keep a deletion by force waiting", patience, async () => {
    const endless = { path: "/busybox", args: ["busybox", "sleep", "1000"] };
    const { container, runtime } = await createBox(withHooks({ startContainer: [endless] }));
    const start = container.start().catch((error) => error);
    await (await runtime.load(id)).delete({ force: true });
    await start;
    expect(existsSync(join(runtime.root, id))).toBe(false);
  });

  it("leaves the lock to the poststart hooks, which may ask for something themselves", patience, async () => {
    const { runtime, container, directory } = await createBox(
      withHooks({ poststart: [shell("while [ ! -e ../go-on ]; do sleep 0.05; done")] }),
    );
    const start = container.start();
    await expect.poll(async () => (await container.state()).status, patience).toBe("running");
    await (await runtime.load(id)).pause();
    await (await runtime.load(id)).resume();
    writeFileSync(join(directory, "go-on"), "");
    await start;
  });

  it("of a container that is paused is refused, and is possible when it goes on", async () => {
    const { container } = await createBox();
    await container.pause();
    await expect(container.start()).rejects.toThrow("cannot start a container in the paused state");
    await container.resume();
    await container.start();
    expect((await container.state()).status).toBe("running");
  });

  it("or a creation of which the helper is gone tells of no broken pipe", async () => {
    const killsHelper = shell("kill -KILL $(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')");
    const { bundle, root } = makeBundle(withHooks({ createRuntime: [killsHelper] }));
    const runtime = new Runtime({ root });
    await expect(runtime.create(id, { bundle, stdio: "null" })).rejects.toMatchObject({
      code: "ERR_RUNLET_INIT",
      message: expect.stringContaining("the init helper ended before the container was created: SIGKILL"),
    });
    expect(await runtime.list()).toEqual([]);
  });
});

describe("kill", () => {
  it("ends what is paused", patience, async () => {
    const { container } = await createBox();
    await container.start();
    await container.pause();
    await container.kill("KILL");
    expect(await container.wait()).toMatchObject({ exitCode: null, signal: "SIGKILL" });
    expect((await container.state()).status).toBe("stopped");
  });
});
