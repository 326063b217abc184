import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { ControlGroup, isV2 } from "../harness/control-group.ts";
import type { Requirements } from "../harness/requirements.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, cgroup: ["v1", "hybrid", "v2"], runtime: ["runlet", "runc"] });
const { test } = e2e;

const mebibyte = 1 << 20;

/** Creates and starts a container with limits, and finds its control group. */
async function start(...verbs: string[]) {
  const id = e2e.id();
  const bundle = e2e
    .bundle((config) => {
      config.linux.resources = {
        ...config.linux.resources,
        memory: { limit: 64 * mebibyte, reservation: 16 * mebibyte, swap: 64 * mebibyte },
        cpu: { shares: 1024, quota: 50000, period: 100000 },
        pids: { limit: 50 },
      };
    })
    .probing(...verbs);
  const call = e2e.runtime.start(["create", "--bundle", bundle.hostPath, id]);
  expect(await call.ended).toMatchObject({ status: 0 });
  const group = new ControlGroup((await e2e.runtime.state(id)).pid);
  await e2e.runtime.succeed(["start", id]);
  return { id, bundle, call, group };
}

/** The files that hold the limits of the tests: controller and file on v1, file on v2. */
const files = {
  memory: ["memory", "memory.limit_in_bytes", "memory.max"],
  reservation: ["memory", "memory.soft_limit_in_bytes", "memory.low"],
  swap: ["memory", "memory.memsw.limit_in_bytes", "memory.swap.max"],
  shares: ["cpu", "cpu.shares", "cpu.weight"],
  quota: ["cpu", "cpu.cfs_quota_us", "cpu.max"],
  period: ["cpu", "cpu.cfs_period_us", "cpu.max"],
  burst: ["cpu", "cpu.cfs_burst_us", "cpu.max.burst"],
  idle: ["cpu", "cpu.idle", "cpu.idle"],
  cpus: ["cpuset", "cpuset.cpus", "cpuset.cpus"],
  mems: ["cpuset", "cpuset.mems", "cpuset.mems"],
  pids: ["pids", "pids.max", "pids.max"],
} as const;

type Limit = keyof typeof files;

function limitOf(group: ControlGroup, limit: Limit): string {
  const [controller, v1, v2] = files[limit];
  return group.read(controller, isV2 ? v2 : v1);
}

/** All limits but those left out. */
function limitsOf(group: ControlGroup, ...changed: Limit[]): Record<string, string> {
  const limits = Object.keys(files) as Limit[];
  const file = (limit: Limit): string => files[limit][isV2 ? 2 : 1];
  const changedFiles = new Set(changed.map(file));
  const others = limits.filter((limit) => !changedFiles.has(file(limit)));
  return Object.fromEntries(others.map((limit) => [limit, limitOf(group, limit)]));
}

/** An option, and what is in the files afterwards: on v1, on v2. */
interface Change {
  readonly options: readonly string[];
  readonly becomes: readonly (readonly [limit: Limit, v1: string, v2: string])[];
  readonly needs?: Requirements;
}

const changes: Change[] = [
  { options: ["--memory", "33554432"], becomes: [["memory", "33554432", "33554432"]] },
  { options: ["--memory=48M"], becomes: [["memory", "50331648", "50331648"]] },
  { options: ["--memory-reservation", "8m"], becomes: [["reservation", "8388608", "8388608"]] },
  {
    options: ["--memory", "128M", "--memory-swap", "192M"],
    becomes: [
      ["memory", "134217728", "134217728"],
      ["swap", "201326592", "67108864"],
    ],
  },
  {
    options: ["--memory", "-1"],
    becomes: [
      ["memory", "9223372036854771712", "max"],
      ["swap", "9223372036854771712", "max"],
    ],
  },
  { options: ["--cpu-share", "2"], becomes: [["shares", "2", "1"]] },
  { options: ["--cpu-share", "262144"], becomes: [["shares", "262144", "10000"]] },
  { options: ["--cpu-quota", "20000"], becomes: [["quota", "20000", "20000 100000"]] },
  { options: ["--cpu-quota", "-1"], becomes: [["quota", "-1", "max 100000"]] },
  { options: ["--cpu-period", "200000"], becomes: [["period", "200000", "50000 200000"]] },
  {
    options: ["--cpu-quota=600000", "--cpu-period=300000"],
    becomes: [
      ["quota", "600000", "600000 300000"],
      ["period", "300000", "600000 300000"],
    ],
  },
  { options: ["--cpu-burst", "10000"], becomes: [["burst", "10000", "10000"]], needs: { runtime: ["runlet"] } },
  { options: ["--cpu-idle", "1"], becomes: [["idle", "1", "1"]], needs: { runtime: ["runlet"] } },
  { options: ["--cpuset-cpus", "0"], becomes: [["cpus", "0", "0"]] },
  { options: ["--cpuset-mems", "0"], becomes: [["mems", "0", "0"]] },
  { options: ["--pids-limit", "20"], becomes: [["pids", "20", "20"]] },
  { options: ["--pids-limit", "-1"], becomes: [["pids", "max", "max"]] },
];

/** What else an idle group changes. */
const consequences: Partial<Record<Limit, readonly Limit[]>> = { idle: ["shares"] };

describe("update changes what it is told, and nothing else:", () => {
  for (const { options, becomes, needs = {} } of changes) {
    test(options.join(" "), needs, async () => {
      const { id, group } = await start("wait");
      const changed = becomes.flatMap(([limit]) => [limit, ...(consequences[limit] ?? [])]);
      const others = limitsOf(group, ...changed);
      await e2e.runtime.succeed(["update", ...options, id]);
      expect(becomes.map(([limit]) => [limit, limitOf(group, limit)])).toEqual(
        becomes.map(([limit, v1, v2]) => [limit, isV2 ? v2 : v1]),
      );
      expect(limitsOf(group, ...changed)).toEqual(others);
    });
  }
});

describe("update --resources", () => {
  const resources = {
    devices: [{ allow: false, access: "rwm" }],
    memory: { limit: 32 * mebibyte },
    cpu: { quota: 30000 },
  };

  test("reads standard input, and leaves devices as they are", async () => {
    const { id, bundle, call, group } = await start("waitFile=/go", "openWrite=/dev/null", "wait");
    const result = await e2e.runtime.succeed(["update", "--resources", "-", id], { input: JSON.stringify(resources) });
    expect(result.stderr).toBe("");
    expect(limitOf(group, "memory")).toBe("33554432");
    expect(limitOf(group, "quota")).toBe(isV2 ? "30000 100000" : "30000");
    bundle.add({ go: "" });
    expect(await call.waitForOutput('["wait"')).toContain('["openWrite=/dev/null","ok"]');
  });

  test("reads a file, and takes no other limit beside it", async () => {
    const { id, group } = await start("wait");
    const file = join(e2e.directory, `${id}.json`);
    writeFileSync(file, JSON.stringify({ memory: { limit: 32 * mebibyte } }));
    await e2e.runtime.succeed(["update", "-r", file, "--memory", "40M", "--pids-limit", "7", id]);
    expect([limitOf(group, "memory"), limitOf(group, "pids")]).toEqual(["33554432", "50"]);
  });

  test("names the field that is wrong", { runtime: ["runlet"] }, async () => {
    const { id, group } = await start("wait");
    const before = limitsOf(group);
    for (const [input, words] of [
      ['{"pids": {"limit": "many"}}', "<stdin> /pids/limit: must be "],
      ['{"memory": {"limit": 1e30}}', "<stdin> /memory/limit: must be "],
      ['{"cpu": {"cpus": "8000"}}', "<stdin> /cpu/cpus: "],
      ['{"memory": ', "<stdin> is not valid JSON: line 1, column 12"],
    ] as const) {
      const result = await e2e.runtime.invoke(["update", "-r", "-", id], { input });
      expect(result.status).toBe(1);
      expect(result.stderr).toContain(words);
    }
    const absent = await e2e.runtime.invoke(["update", "-r", join(e2e.directory, "absent.json"), id]);
    expect(absent.status).toBe(1);
    expect(absent.stderr).toMatch(/absent\.json.*no such file or directory/);
    expect(limitsOf(group)).toEqual(before);
  });
});

test("new limits hold: a fork bomb stops at the new pids limit", async () => {
  const { id, bundle, call } = await start("waitFile=/go", "fork=100", "wait");
  await e2e.runtime.succeed(["update", "--pids-limit", "9", id]);
  bundle.add({ go: "" });
  expect(await call.waitForOutput('["wait"')).toContain('["fork=100",8]');
});

describe("update refuses", () => {
  test("a memory limit below the use, saying what the use is", { cgroup: ["v1", "hybrid"] }, async () => {
    const { id, call, group } = await start("allocateMiB=24", "wait");
    await call.waitForOutput("waiting");
    const result = await e2e.runtime.invoke(["update", "--memory", "8M", id]);
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/unable to set memory limit to 8388608 \(current usage: \d{8}, peak usage: \d{8,}\)/);
    if (e2e.runtime.name === "runlet") expect(result.stderr).toContain("/linux/resources/memory/limit");
    expect(limitOf(group, "memory")).toBe(String(64 * mebibyte));
  });

  test("[/linux/resources/memory/checkBeforeUpdate] a memory limit below the use where it is asked to look", {
    runtime: ["runlet"],
  }, async () => {
    const { id, call, group } = await start("allocateMiB=24", "wait");
    await call.waitForOutput("waiting");
    const input = JSON.stringify({ memory: { limit: 8 * mebibyte, checkBeforeUpdate: true } });
    const result = await e2e.runtime.invoke(["update", "-r", "-", id], { input });
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/<stdin> \/memory\/limit: rejecting memory limit 8388608 <= usage \d{8}/);
    expect(limitOf(group, "memory")).toBe(String(64 * mebibyte));
    expect(await e2e.runtime.state(id)).toMatchObject({ status: "running" });
  });

  test("all limits when the kernel refuses one of them", { runtime: ["runlet"] }, async () => {
    const { id, group } = await start("wait");
    const before = limitsOf(group);
    const options = ["--memory", "128M", "--memory-swap", "192M", "--cpu-quota", "20000", "--cpu-share", "2048"];
    const result = await e2e.runtime.invoke(["update", ...options, "--cpuset-cpus", "4095", id]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/linux/resources/cpu/cpus");
    expect(result.stderr).not.toContain("could not be set back");
    expect(limitsOf(group)).toEqual(before);
    expect(await e2e.runtime.state(id)).toMatchObject({ status: "running" });
    await e2e.runtime.succeed(["update", ...options, id]);
    expect(limitsOf(group)).not.toEqual(before);
  });

  test("values that are no numbers", async () => {
    const { id, group } = await start("wait");
    const before = limitsOf(group);
    for (const [option, value] of [
      ["memory", "64x"],
      ["cpu-quota", "half"],
      ["cpu-period", "-5"],
      ["cpu-share", "1.5"],
    ]) {
      const result = await e2e.runtime.invoke(["update", `--${option}=${value}`, id]);
      expect(result.status).toBe(1);
      expect(result.stderr).toContain(`invalid value for ${option}: `);
    }
    expect(limitsOf(group)).toEqual(before);
  });

  test("a cache schema, which the container has no class for", async () => {
    const { id } = await start("wait");
    const result = await e2e.runtime.invoke(["update", "--l3-cache-schema", "L3:0=f", id]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("Intel RDT/CAT: l3 cache schema is not enabled");
  });

  test("a container that has stopped, and one that is not there", async () => {
    const { id } = await start("exit=0");
    await e2e.runtime.waitForStatus(id, "stopped");
    const stopped = await e2e.runtime.invoke(["update", "--pids-limit", "9", id]);
    expect(stopped.status).toBe(1);
    expect(stopped.stderr).toContain("container not running");
    const absent = await e2e.runtime.invoke(["update", "--pids-limit", "9", `${id}-absent`]);
    expect(absent.status).toBe(1);
    expect(absent.stderr).toContain("container does not exist");
  });
});

test("update without a limit changes nothing and is no error", async () => {
  const { id, group } = await start("wait");
  const before = limitsOf(group);
  await e2e.runtime.succeed(["update", id]);
  expect(limitsOf(group)).toEqual(before);
});

test("a paused container can be updated and stays paused", async () => {
  const { id, group } = await start("wait");
  await e2e.runtime.succeed(["pause", id]);
  await e2e.runtime.succeed(["update", "--pids-limit", "9", id]);
  expect(limitOf(group, "pids")).toBe("9");
  expect(await e2e.runtime.state(id)).toMatchObject({ status: "paused" });
});
