import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { isRunletError } from "@runlet/errors";
import { type Container, Runtime, type Warning } from "@runlet/lifecycle";
import { describe, expect } from "vitest";
import { findLeaks, listCgroups, listMounts } from "../harness/leaks.ts";
import { Observation } from "../harness/observation.ts";
import { patienceMs, settlingMs } from "../harness/patience.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, runtime: ["runlet"] });
const { test } = e2e;

function openRuntime(onWarning?: (warning: Warning) => void): Runtime {
  return new Runtime({ root: join(e2e.directory, "state"), ...(onWarning === undefined ? {} : { onWarning }) });
}

async function readAll(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) text += chunk;
  return text;
}

/** Descriptors of this process, by what they are; timers and epoll instances of Node's own come and go with its needs. */
function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

async function failureOf(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("a container in process", () => {
  test("is created, started, waited for and deleted, with Node streams", async () => {
    const runtime = openRuntime();
    const id = e2e.id();
    const bundle = e2e.bundle().probing("input", "hostname", "stderr=to the side", "exit=3");
    const container = await runtime.create(id, { bundle: bundle.hostPath, stdio: "pipe" });
    expect((await container.state()).status).toBe("created");
    expect(container.pid).toBeGreaterThan(1);
    await container.start();
    container.stdin.end("hello from Node\n");
    const [output, errors, exit] = await Promise.all([
      readAll(container.stdout),
      readAll(container.stderr),
      container.wait(),
    ]);
    expect(exit).toEqual({ exitCode: 3, signal: null, oomKilled: false });
    const seen = new Observation(output);
    expect(seen.of("input")).toBe("hello from Node\n");
    expect(seen.of("hostname")).toBe("runlet");
    expect(errors).toBe("to the side\n");
    expect((await container.state()).status).toBe("stopped");
    await container.delete();
    expect(existsSync(join(runtime.root, id))).toBe(false);
  });

  test("that a signal ended says which", async () => {
    const runtime = openRuntime();
    const container = await runtime.create(e2e.id(), { bundle: e2e.bundle().probing("wait").hostPath, stdio: "null" });
    await container.start();
    await container.kill("SIGKILL");
    expect(await container.wait()).toEqual({ exitCode: null, signal: "SIGKILL", oomKilled: false });
    await container.delete();
  });

  test("of the caller's own config needs no config.json", async () => {
    const runtime = openRuntime();
    const bundle = e2e.bundle();
    bundle.config.process.args = ["/probe", "hostname"];
    bundle.config.hostname = "from-an-object";
    const container = await runtime.create(e2e.id(), {
      bundle: bundle.hostPath,
      config: bundle.config,
      stdio: "pipe",
    });
    const output = readAll(container.stdout);
    await container.start();
    await container.wait();
    expect(new Observation(await output).of("hostname")).toBe("from-an-object");
    await container.delete();
  });

  test("leaves with its block: await using kills and deletes", async () => {
    const runtime = openRuntime();
    const id = e2e.id();
    let pid = 0;
    {
      await using container = await runtime.create(id, {
        bundle: e2e.bundle().probing("wait").hostPath,
        stdio: "null",
      });
      await container.start();
      pid = container.pid;
    }
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect((await runtime.list()).map((state) => state.id)).not.toContain(id);
  });

  test("is found again by load and list, also from another Runtime", async () => {
    const id = e2e.id();
    const container = await openRuntime().create(id, { bundle: e2e.bundle().probing("wait").hostPath, stdio: "null" });
    const other = openRuntime();
    const loaded = await other.load(id);
    expect(loaded.pid).toBe(container.pid);
    await loaded.start();
    expect((await other.list()).find((state) => state.id === id)).toMatchObject({ id, status: "running" });
    await loaded.kill("KILL");
    await loaded.wait();
    await container.wait();
    await loaded.delete();
  });
});

describe("an AbortSignal", () => {
  for (const when of ["created", "running"] as const) {
    test(`kills and deletes a ${when} container`, async () => {
      const runtime = openRuntime();
      const id = e2e.id();
      const controller = new AbortController();
      const container = await runtime.create(id, {
        bundle: e2e.bundle().probing("wait").hostPath,
        stdio: "null",
        signal: controller.signal,
      });
      if (when === "running") await container.start();
      const { pid } = container;
      controller.abort();
      await expect.poll(() => existsSync(join(runtime.root, id)), { timeout: patienceMs }).toBe(false);
      expect(existsSync(`/proc/${pid}`)).toBe(false);
      await expect.poll(() => findLeaks(id), { timeout: settlingMs }).toEqual([]);
    });
  }

  test("that has fired before create lets nothing begin", async () => {
    const runtime = openRuntime();
    const id = e2e.id();
    const error = await failureOf(() =>
      runtime.create(id, { bundle: e2e.bundle().hostPath, signal: AbortSignal.abort() }),
    );
    expect(isRunletError(error) && error.code).toBe("ERR_RUNLET_ABORTED");
    expect(readdirSync(runtime.root)).not.toContain(id);
  });
});

describe("errors", () => {
  test("have a code, the place in the config, the system call and its errno", async () => {
    const runtime = openRuntime();
    const bundle = e2e.bundle((config) => {
      config.root.readonly = false;
      config.mounts.push({ destination: "/data", type: "nosuchfs", source: "none" });
    });
    const error = await failureOf(() => runtime.create(e2e.id(), { bundle: bundle.hostPath }));
    if (!isRunletError(error)) throw error;
    expect(error).toMatchObject({ code: "ERR_RUNLET_MOUNT", pointer: "/mounts/7", errno: "ENODEV" });
    expect(error.message).toContain("nosuchfs");
    expect(error.hint).toBeTypeOf("string");
  });

  const cases: [what: string, code: string, call: (runtime: Runtime) => Promise<unknown>][] = [
    ["an absent container", "ERR_RUNLET_NOT_FOUND", (runtime) => runtime.load(`${e2e.tag}-absent`)],
    ["an id that is none", "ERR_RUNLET_INVALID_ID", (runtime) => runtime.create("a/b", { bundle: "/" })],
    ["an absent bundle", "ERR_RUNLET_BUNDLE", (runtime) => runtime.create(e2e.id(), { bundle: "/no/such" })],
  ];
  for (const [what, code, call] of cases) {
    test(`${what}: ${code}`, async () => {
      const error = await failureOf(() => call(openRuntime()));
      expect(isRunletError(error) && error.code).toBe(code);
    });
  }

  test("an id in use: ERR_RUNLET_EXISTS; start twice: ERR_RUNLET_STATE", async () => {
    const runtime = openRuntime();
    const id = e2e.id();
    const bundle = e2e.bundle().probing("wait").hostPath;
    await using container = await runtime.create(id, { bundle, stdio: "null" });
    const exists = await failureOf(() => runtime.create(id, { bundle }));
    expect(isRunletError(exists) && exists.code).toBe("ERR_RUNLET_EXISTS");
    await container.start();
    const twice = await failureOf(() => container.start());
    expect(isRunletError(twice) && twice.code).toBe("ERR_RUNLET_STATE");
    const early = await failureOf(() => container.delete());
    expect(isRunletError(early) && early.code).toBe("ERR_RUNLET_STATE");
  });

  test("unknown fields are warnings with a place", async () => {
    const warnings: Warning[] = [];
    const bundle = e2e.bundle();
    bundle.write(JSON.stringify({ ...bundle.config, hostnmae: "x" }));
    await using _container = await openRuntime((warning) => warnings.push(warning)).create(e2e.id(), {
      bundle: bundle.hostPath,
      stdio: "null",
    });
    expect(warnings).toContainEqual(
      expect.objectContaining({ pointer: "/hostnmae", message: expect.stringContaining("hostname") }),
    );
  });
});

describe("many at once", () => {
  test("300 containers from one process, each with its own exit status, and nothing is left", async () => {
    const runtime = openRuntime();
    const bundles = Array.from({ length: 16 }, (_, status) => e2e.bundle().probing(`exit=${status}`).hostPath);
    // The first container opens what the process keeps: it is not part of the comparison.
    const runOne = async (index: number): Promise<number | null> => {
      const container: Container = await runtime.create(e2e.id(), { bundle: bundles[index % 16] ?? "", stdio: "null" });
      await container.start();
      const { exitCode } = await container.wait();
      await container.delete();
      return exitCode;
    };
    await runOne(0);
    const descriptors = openDescriptors();
    const groups = new Set(listCgroups());
    const mounts = listMounts(e2e.tag);

    const statuses = await Promise.all(Array.from({ length: 300 }, (_, index) => runOne(index)));
    expect(statuses).toEqual(Array.from({ length: 300 }, (_, index) => index % 16));

    expect(readdirSync(runtime.root)).toEqual([]);
    await expect.poll(openDescriptors, { timeout: settlingMs }).toBeLessThanOrEqual(descriptors);
    expect(listMounts(e2e.tag)).toEqual(mounts);
    await expect.poll(() => findLeaks(e2e.tag), { timeout: settlingMs }).toEqual([]);
    expect(listCgroups().filter((path) => !groups.has(path) && path.includes(e2e.tag))).toEqual([]);
  });
});

describe("the plan", () => {
  test("of a bundle is made without touching anything", async () => {
    const runtime = openRuntime();
    const bundle = e2e.bundle().probing("pid");
    const before = readdirSync(bundle.hostPath);
    const plan = await runtime.plan({ bundle: bundle.hostPath });
    const text = JSON.stringify(plan, (_key, value) => (typeof value === "bigint" ? String(value) : value));
    for (const pointer of ["/mounts/0", "/process/args", "/hostname"]) expect(text).toContain(`"${pointer}`);
    expect(readdirSync(bundle.hostPath)).toEqual(before);
    expect(readdirSync(runtime.root)).toEqual([]);
  });
});
