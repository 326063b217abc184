import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { Bundle } from "../harness/bundle.ts";
import { isV2 } from "../harness/control-group.ts";
import { sleep } from "../harness/patience.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, cgroup: ["v1", "hybrid", "v2"], runtime: ["runlet", "runc"] });
const { test } = e2e;

const mebibyte = 1 << 20;

interface Event {
  readonly type: string;
  readonly id: string;
  readonly data?: {
    readonly cpu: { readonly usage: { readonly total?: number }; readonly psi?: object };
    readonly memory: {
      readonly usage: { readonly limit: number; readonly usage?: number };
      readonly raw?: Record<string, number>;
      readonly psi?: object;
    };
    readonly pids: { readonly current?: number; readonly limit?: number };
    readonly blkio: { readonly psi?: object };
  };
}

/** Creates and starts a container with limits. */
async function start(...verbs: string[]) {
  const id = e2e.id();
  const bundle = e2e
    .bundle((config) => {
      config.linux.resources = {
        ...config.linux.resources,
        memory: { limit: 48 * mebibyte, swap: 48 * mebibyte },
        pids: { limit: 30 },
      };
    })
    .probing(...verbs);
  const call = e2e.runtime.start(["create", "--bundle", bundle.hostPath, id]);
  expect(await call.ended).toMatchObject({ status: 0 });
  await e2e.runtime.succeed(["start", id]);
  return { id, bundle, call };
}

/** What runc prints of a container of the same bundle, once it has come as far. */
async function runcStats(bundle: Bundle): Promise<Record<string, unknown>> {
  const id = e2e.id();
  const runc = (...args: string[]) =>
    execFileSync("runc", ["--root", join(e2e.directory, "runc"), ...args], { encoding: "utf8" });
  const output = join(e2e.directory, `${id}.output`);
  const outputFd = openSync(output, "w");
  spawn("runc", ["--root", join(e2e.directory, "runc"), "run", "--bundle", bundle.hostPath, id], {
    stdio: ["ignore", outputFd, "ignore"],
  });
  closeSync(outputFd);
  try {
    while (!readFileSync(output, "utf8").includes("waiting")) await sleep(20);
    return flatten(JSON.parse(runc("events", "--stats", id)).data);
  } finally {
    runc("delete", "--force", id);
  }
}

/** The values of an object by their paths; a list is one value. */
function flatten(value: unknown, path = ""): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { [path]: value };
  const parts = Object.entries(value).map(([key, part]) => flatten(part, path === "" ? key : `${path}.${key}`));
  return Object.assign({}, ...parts);
}

function parse(output: string): Event[] {
  return output
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Event);
}

describe("events --stats", () => {
  test("prints one reading: what the container has and uses", async () => {
    const { id, call } = await start("fork=2", "allocateMiB=8", "wait");
    await call.waitForOutput("waiting");
    const { stdout } = await e2e.runtime.succeed(["events", "--stats", id]);
    expect(stdout).toMatch(new RegExp(`^\\{"type":"stats","id":"${id}","data":\\{"cpu":\\{"usage":\\{[^\\n]*\\}\\n$`));
    const [event] = parse(stdout);
    expect(Object.keys(event?.data ?? {}).slice(0, 6)).toEqual(["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb"]);
    expect(Object.keys(event?.data ?? {})).toEqual(expect.arrayContaining(["intel_rdt", "network_interfaces"]));
    expect(event?.data?.pids).toEqual({ current: 3, limit: 30 });
    expect(event?.data?.memory.usage.limit).toBe(48 * mebibyte);
    expect(event?.data?.memory.usage.usage).toBeGreaterThan(8 * mebibyte);
    expect(event?.data?.memory.usage.usage).toBeLessThan(48 * mebibyte);
    expect(event?.data?.memory.raw?.[isV2 ? "anon" : "total_rss"]).toBeGreaterThanOrEqual(8 * mebibyte);
    expect(event?.data?.cpu.usage.total).toBeGreaterThan(0);
  });

  test("has the fields of runc's, and its values where they stand still", {
    runtime: ["runlet"],
    program: "runc",
    cgroupManager: "cgroupfs",
  }, async () => {
    const verbs = ["fork=2", "allocateMiB=8", "wait"];
    const own = await start(...verbs);
    await own.call.waitForOutput("waiting");
    const { stdout } = await e2e.runtime.succeed(["events", "--stats", own.id]);
    own.bundle.config.ociVersion = "1.0.2";
    own.bundle.write();
    const theirs = await runcStats(own.bundle);
    const [ours] = parse(stdout).map(({ data }) => flatten(data));
    // What a newer runc prints as well, and what is 0 and left out in one of two processes.
    const isDisputed = (path: string) =>
      /\.psi\.|^blkio\.|^cpu\.throttling\.|^cpu\.usage\.percpu|^memory\.(cache|raw\.)|^intel_rdt|failcnt$/.test(path);
    // Of v2 runc's distributions know no cpuset and no peak.
    const isNews = (path: string) => isV2 && /^cpuset\.(cpus|mems)$|^memory\.usage\.max$/.test(path);
    const paths = (stats: Record<string, unknown> = {}) =>
      Object.keys(stats).filter((path) => !isDisputed(path) && !isNews(path));
    expect(paths(ours).sort()).toEqual(paths(theirs).sort());
    const still = /^(memory\..*\.limit|pids\.|cpuset\.|hugetlb\.|network_interfaces)/;
    for (const path of paths(theirs).filter((one) => still.test(one))) {
      expect([path, ours?.[path]]).toEqual([path, theirs[path]]);
    }
    for (const [path, value] of Object.entries(theirs)) {
      if (ours?.[path] !== undefined) expect([path, typeof ours[path]]).toEqual([path, typeof value]);
    }
    expect(
      Object.keys(ours ?? {})
        .filter((path) => path.startsWith("memory.raw."))
        .sort(),
    ).toEqual(
      Object.keys(theirs)
        .filter((path) => path.startsWith("memory.raw."))
        .sort(),
    );
  });

  test("has the pressure on cgroup v2", {
    runtime: ["runlet"],
    cgroup: ["v2"],
    file: ["/proc/pressure/memory", "pressure stall information"],
  }, async () => {
    const { id } = await start("wait");
    const { stdout } = await e2e.runtime.succeed(["events", "--stats", id]);
    const [event] = parse(stdout);
    const line = {
      avg10: expect.any(Number),
      avg60: expect.any(Number),
      avg300: expect.any(Number),
      total: expect.any(Number),
    };
    for (const pressure of [event?.data?.cpu.psi, event?.data?.memory.psi, event?.data?.blkio.psi]) {
      expect(pressure).toEqual({ some: line, full: line });
    }
  });
});

describe("events", () => {
  test("prints a reading after each interval, until the container ends", async () => {
    const { id, bundle } = await start("waitFile=/go");
    const startedMs = performance.now();
    const events = e2e.runtime.start(["events", "--interval", "300ms", id]);
    // The last line may be one that is not complete yet.
    while (events.stdout().split("\n").length <= 5) await sleep(20);
    expect(performance.now() - startedMs).toBeGreaterThan(4 * 300);
    bundle.add({ go: "" });
    await e2e.runtime.waitForStatus(id, "stopped");
    // runc watches on v1 until the group is gone.
    await e2e.runtime.succeed(["delete", id]);
    const result = await events.ended;
    expect(result).toMatchObject({ status: 0 });
    for (const event of parse(result.stdout)) expect(event).toMatchObject({ type: "stats", id });
  });

  test("ends when the container stops, without waiting for the interval", { runtime: ["runlet"] }, async () => {
    const { id, bundle } = await start("waitFile=/go");
    const events = e2e.runtime.start(["events", "--interval", "20s", id]);
    await events.waitForOutput('"type":"stats"');
    const stoppedMs = performance.now();
    bundle.add({ go: "" });
    expect(await events.ended).toMatchObject({ status: 0, stderr: "" });
    expect(performance.now() - stoppedMs).toBeLessThan(19_000);
    expect(await e2e.runtime.state(id)).toMatchObject({ status: "stopped" });
  });

  test("ends when nobody reads them any more", async () => {
    const { id } = await start("waitFile=/go");
    const [program = "", ...args] = e2e.runtime.argv(["events", "--interval", "100ms", id]);
    const events = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(events, "exit");
    await once(events.stdout, "data");
    events.stdout.destroy();
    await ended;
    expect(await e2e.runtime.state(id)).toMatchObject({ status: "running" });
  });

  test("tells that the memory limit was hit", async () => {
    const { id, bundle } = await start("waitFile=/go", "allocateMiB=96");
    const events = e2e.runtime.start(["events", "--interval", "100ms", id]);
    await events.waitForOutput('"type":"stats"');
    bundle.add({ go: "" });
    await events.waitForOutput('"type":"oom"');
    await e2e.runtime.waitForStatus(id, "stopped");
    await e2e.runtime.succeed(["delete", id]);
    const { status, stdout } = await events.ended;
    expect(status).toBe(0);
    expect(parse(stdout).filter(({ type }) => type === "oom")).toContainEqual({ type: "oom", id });
  });

  test("wants an interval, and a container that is there and runs", async () => {
    const { id } = await start("exit=0");
    await e2e.runtime.waitForStatus(id, "stopped");
    for (const [args, words] of [
      [["--interval", "0", id], "duration interval must be greater than 0"],
      [["--stats", id], `container with id ${id} is not running`],
      [[id], `container with id ${id} is not running`],
      [["--stats", `${id}-absent`], "container does not exist"],
    ] as const) {
      const result = await e2e.runtime.invoke(["events", ...args]);
      expect([result.status, result.stdout]).toEqual([1, ""]);
      expect(result.stderr).toContain(words);
    }
  });
});
