import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { openDisk } from "../harness/block-device.ts";
import { ControlGroup, isV2 } from "../harness/control-group.ts";
import { findLeaks } from "../harness/leaks.ts";
import { waitUntil } from "../harness/patience.ts";
import type { Requirements } from "../harness/requirements.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, cgroup: ["v1", "hybrid", "v2"] });
const { test } = e2e;

const mebibyte = 1 << 20;

/** The values of the default config's resources, which tests change. */
type Resources = NonNullable<ReturnType<typeof e2e.bundle>["config"]["linux"]["resources"]>;

/** A bundle with these limits beside the default devices. */
function limited(resources: Resources, ...verbs: string[]) {
  return e2e
    .bundle((config) => {
      config.linux.resources = { ...config.linux.resources, ...resources };
    })
    .probing(...verbs);
}

/** Creates and starts a container with limits, and finds its control group. */
async function start(resources: Resources, ...verbs: string[]) {
  const id = e2e.id();
  const call = e2e.runtime.start(["create", "--bundle", limited(resources, ...verbs).hostPath, id]);
  expect(await call.ended).toMatchObject({ status: 0 });
  const group = new ControlGroup((await e2e.runtime.state(id)).pid);
  await e2e.runtime.succeed(["start", id]);
  return { id, call, group };
}

describe("[/linux/resources/memory/limit] the memory limit", () => {
  const memory = { limit: 48 * mebibyte, swap: 48 * mebibyte };

  test("kills a process that passes it, and no other", async () => {
    const within = await e2e.run(limited({ memory }, "allocateMiB=16"));
    expect(within).toMatchObject({ status: 0 });
    expect(within.stderr).not.toContain("lack of memory");
    const beyond = await e2e.run(limited({ memory }, "allocateMiB=96"));
    expect(beyond).toMatchObject({ status: 137, stdout: "" });
    if (e2e.runtime.name !== "runlet") return;
    expect(beyond.stderr).toContain(
      "config.json /linux/resources/memory/limit: a process of the container was killed for lack of memory",
    );
  });

  test("is the reason of the end in state and list", { runtime: ["runlet"] }, async () => {
    const beyond = await start({ memory }, "allocateMiB=96");
    await e2e.runtime.waitForStatus(beyond.id, "stopped");
    expect(await e2e.runtime.state(beyond.id)).toMatchObject({ oomKilled: true });
    const within = await start({ memory }, "allocateMiB=16");
    await e2e.runtime.waitForStatus(within.id, "stopped");
    expect(await e2e.runtime.state(within.id)).not.toHaveProperty("oomKilled");
    const { stdout } = await e2e.runtime.succeed(["list", "--format", "json"]);
    const reasons = (JSON.parse(stdout) as { id: string; oomKilled?: boolean }[]).map((one) => [one.id, one.oomKilled]);
    expect(reasons).toEqual(
      expect.arrayContaining([
        [beyond.id, true],
        [within.id, undefined],
      ]),
    );
  });
});

test("[/linux/resources/pids/limit] stops a fork bomb", async () => {
  const seen = await e2e.observe(limited({ pids: { limit: 12 } }), "fork=100");
  expect(seen.of("fork=100")).toBe(11);
});

test("[/linux/resources/cpu/quota][/linux/resources/cpu/period] a busy loop gets its quota", async () => {
  const [quotaMs, periodMs] = [20, 100];
  const { call, group } = await start({ cpu: { quota: quotaMs * 1000, period: periodMs * 1000 } }, "spin");
  await call.waitForOutput("spinning");
  const look = () => ({
    nowMs: performance.now(),
    usageMs: group.cpuUsageMs(),
    throttledPeriods: group.readKey("cpu", "cpu.stat", "nr_throttled"),
  });
  const before = look();
  const after = await waitUntil({
    look,
    until: ({ throttledPeriods }) => throttledPeriods >= before.throttledPeriods + 20,
    complain: ({ throttledPeriods }) => `throttled in ${throttledPeriods - before.throttledPeriods} periods only`,
  });
  const usageMs = after.usageMs - before.usageMs;
  const periods = (after.nowMs - before.nowMs) / periodMs;
  const throttledPeriods = after.throttledPeriods - before.throttledPeriods;
  // A period more may have begun than has passed.
  expect(usageMs).toBeLessThan(1.1 * quotaMs * (periods + 1));
  // On a busy machine there are periods in which it does not get as far as its quota: they say nothing.
  expect(usageMs).toBeGreaterThan(0.9 * quotaMs * (throttledPeriods - 1));
});

test("[/linux/resources/cpu/cpus] keeps a process to its processors", async () => {
  const seen = await e2e.observe(limited({ cpu: { cpus: "0" } }), "read=/proc/self/status");
  expect(seen.of<string>("read=/proc/self/status")).toMatch(/^Cpus_allowed_list:\t0$/m);
});

describe("throttles of a disk hold:", () => {
  // 3 MiB in blocks of 64 KiB: at the rate three seconds.
  const size = 3072;
  for (const [field, verb, rate] of [
    ["throttleWriteBpsDevice", "writeDirectKiB", mebibyte],
    ["throttleReadBpsDevice", "readDirectKiB", mebibyte],
    ["throttleWriteIOPSDevice", "writeDirectKiB", 16],
    ["throttleReadIOPSDevice", "readDirectKiB", 16],
  ] as const) {
    test(`[/linux/resources/blockIO/${field}/**] ${verb} takes its time`, async () => {
      using disk = openDisk(e2e.directory);
      const { major, minor, isInMemory } = disk;
      const bundle = limited({ blockIO: { [field]: [{ major, minor, rate }] } });
      bundle.config.root.readonly = false;
      const path = isInMemory ? "/dev/disk" : "/file";
      if (isInMemory) {
        bundle.config.linux.devices = [{ path, type: "b", major, minor, fileMode: 0o600, uid: 0, gid: 0 }];
        bundle.config.linux.resources?.devices?.push({ allow: true, type: "b", major, minor, access: "rw" });
      } else if (verb === "readDirectKiB") bundle.add({ file: "x".repeat(size * 1024) });
      const transfer = `${verb}=${path}:${size}`;
      const limitedMs = (await e2e.observe(bundle, transfer)).of<number>(transfer);
      // The kernel lets the first slice through at once, and a busy machine adds its own.
      expect(limitedMs).toBeGreaterThan(2500);
      expect(limitedMs).toBeLessThan(6000);
      delete bundle.config.linux.resources?.blockIO;
      const unlimitedMs = (await e2e.observe(bundle, transfer)).of<number>(transfer);
      expect(unlimitedMs).toBeLessThan(limitedMs / 2);
    });
  }
});

test("[/linux/resources/devices/**] a device outside the list cannot be opened, and one inside can", async () => {
  const bundle = limited({
    devices: [
      { allow: false, access: "rwm" },
      { allow: true, type: "c", major: 1, minor: 11, access: "w" },
    ],
  });
  bundle.config.linux.devices = [
    { path: "/dev/kmsg", type: "c", major: 1, minor: 11, fileMode: 0o666, uid: 0, gid: 0 },
    { path: "/dev/loop7", type: "b", major: 7, minor: 7, fileMode: 0o666, uid: 0, gid: 0 },
  ];
  const seen = await e2e.observe(bundle, "openWrite=/dev/kmsg", "openRead=/dev/loop7");
  expect(seen.of("openWrite=/dev/kmsg")).toBe("ok");
  expect(seen.of("openRead=/dev/loop7")).toEqual({ errno: "EPERM" });
});

test("[/linux/resources/memory/reservation][/linux/resources/memory/swap][/linux/resources/cpu/shares][/linux/resources/cpu/mems] become the files' values, those of cgroup v1 converted for v2", async () => {
  const { group } = await start(
    {
      memory: { limit: 64 * mebibyte, reservation: 32 * mebibyte, swap: 96 * mebibyte },
      cpu: { shares: 512, quota: 30000, period: 50000, cpus: "0", mems: "0" },
      pids: { limit: 33 },
    },
    "wait",
  );
  const expected: [controller: string, file: string, value: string][] = isV2
    ? [
        ["", "memory.max", "67108864"],
        ["", "memory.low", "33554432"],
        ["", "memory.swap.max", "33554432"],
        ["", "cpu.weight", e2e.runtime.name === "runlet" ? "59" : "20"],
        ["", "cpu.max", "30000 50000"],
        ["", "cpuset.cpus", "0"],
        ["", "cpuset.mems", "0"],
        ["", "pids.max", "33"],
      ]
    : [
        ["memory", "memory.limit_in_bytes", "67108864"],
        ["memory", "memory.soft_limit_in_bytes", "33554432"],
        ["memory", "memory.memsw.limit_in_bytes", "100663296"],
        ["cpu", "cpu.shares", "512"],
        ["cpu", "cpu.cfs_quota_us", "30000"],
        ["cpu", "cpu.cfs_period_us", "50000"],
        ["cpuset", "cpuset.cpus", "0"],
        ["cpuset", "cpuset.mems", "0"],
        ["pids", "pids.max", "33"],
      ];
  expect(expected.map(([controller, file]) => [controller, file, group.read(controller, file)])).toEqual(expected);
});

/** Limits that cannot hold, and what the message must have. */
interface Mistake {
  readonly what: string;
  readonly resources?: Resources;
  readonly cgroupsPath?: string;
  readonly says: readonly RegExp[];
  readonly needs?: Requirements;
}

const mistakes: Mistake[] = [
  {
    what: "a cgroupsPath that climbs out",
    cgroupsPath: "../../../outside",
    says: [/\/linux\/cgroupsPath/, /climbs out/],
    needs: { cgroupManager: "cgroupfs" },
  },
  {
    what: "a cgroupsPath whose slice climbs out",
    cgroupsPath: "../../outside.slice:runlet:outside",
    says: [/\/linux\/cgroupsPath/, /slice/],
    needs: { cgroupManager: "systemd" },
  },
  {
    what: "a cgroupsPath that is a path, where systemd has units",
    cgroupsPath: "/outside",
    says: [/\/linux\/cgroupsPath/, /slice:prefix:name/],
    needs: { cgroupManager: "systemd" },
  },
  {
    what: "a unified key with a slash",
    resources: { unified: { "../pids.max": "1" } },
    says: [/\/linux\/resources\/unified\/\.\.~1pids\.max/, /slash/],
    needs: { cgroup: ["v2"] },
  },
  {
    what: "unified where there is no cgroup v2",
    resources: { unified: { "pids.max": "1" } },
    says: [/\/linux\/resources\/unified/, /cgroup v1/],
    needs: { cgroup: ["v1", "hybrid"] },
  },
  {
    what: "a controller that the host does not have",
    resources: { network: { classID: 7 } },
    says: [/\/linux\/resources\/network\/classID/, /net_cls|network classes/],
    needs: { absent: ["/sys/fs/cgroup/net_cls", "the controller net_cls"] },
  },
  {
    what: "the file of a controller that the host does not have",
    resources: { unified: { "nosuch.max": "1" } },
    says: [/\/linux\/resources\/unified\/nosuch\.max/, /controller \W+nosuch/],
    needs: { cgroup: ["v2"] },
  },
  {
    what: "a device rule that contradicts itself",
    resources: { devices: [{ allow: true, type: "a", major: 1, minor: 3, access: "rwm" }] },
    says: [/\/linux\/resources\/devices\/0/, /contradicts itself/],
  },
  {
    what: "a memory limit below what the first process needs",
    resources: { memory: { limit: 4096 } },
    says: [/\/linux\/resources\/memory\/limit/, /memory/],
  },
  {
    what: "a value that the kernel does not take",
    resources: { cpu: { cpus: "4095" } },
    says: [/\/linux\/resources\/cpu\/cpus/, /4095/],
  },
];

describe("refuses, names the field and leaves nothing behind:", () => {
  for (const { what, resources = {}, cgroupsPath, says, needs } of mistakes) {
    test(what, { runtime: ["runlet"], ...needs }, async () => {
      const bundle = limited(resources);
      if (cgroupsPath !== undefined) bundle.config.linux.cgroupsPath = `${cgroupsPath}-${e2e.tag}`;
      bundle.probing("hostname");
      for (const command of ["run", "create"]) {
        const id = e2e.id();
        const result = await e2e.runtime.invoke([command, "--bundle", bundle.hostPath, id]);
        expect(result).toMatchObject({ status: 1, stdout: "" });
        for (const words of says) expect(result.stderr).toMatch(words);
        expect(findLeaks(id)).toEqual([]);
        expect(findLeaks(`outside-${e2e.tag}`)).toEqual([]);
        expect((await e2e.runtime.invoke(["state", id])).stderr).toMatch(/container does not exist/);
      }
    });
  }
});

describe("[/linux/cgroupsPath] names the group:", () => {
  async function create(cgroupsPath: string) {
    const id = e2e.id();
    const bundle = e2e.bundle((config) => {
      config.linux.cgroupsPath = cgroupsPath;
    });
    await e2e.runtime.succeed(["create", "--bundle", bundle.probing("wait").hostPath, id]);
    return { id, group: new ControlGroup((await e2e.runtime.state(id)).pid) };
  }

  test("from the root of the hierarchies", { cgroupManager: "cgroupfs" }, async () => {
    const { id, group } = await create(`/${e2e.tag}-chosen/inner`);
    expect(group.hostPath("pids")).toMatch(new RegExp(`^/sys/fs/cgroup(/pids)?/${e2e.tag}-chosen/inner$`));
    await e2e.runtime.succeed(["delete", "--force", id]);
    if (e2e.runtime.name !== "runlet") removeBetween(`${e2e.tag}-chosen`);
  });

  /** The peers leave the group that they made on the way. */
  function removeBetween(name: string) {
    const top = "/sys/fs/cgroup";
    for (const hierarchy of ["", ...readdirSync(top)]) {
      const hostPath = join(top, hierarchy, name);
      if (existsSync(hostPath)) rmdirSync(hostPath);
    }
  }

  test("slice, prefix and name of the unit, a slice's own path being in its name", {
    cgroupManager: "systemd",
  }, async () => {
    const slice = `user-${process.pid}.slice`;
    const { id, group } = await create(`${slice}:chosen:${e2e.tag}`);
    expect(group.hostPath("pids")).toMatch(
      new RegExp(`^/sys/fs/cgroup(/systemd)?/user.slice/${slice}/chosen-${e2e.tag}.scope$`),
    );
    await e2e.runtime.succeed(["delete", "--force", id]);
    // systemd keeps a slice until it is told otherwise.
    execFileSync("systemctl", ["stop", slice]);
  });
});
