import { existsSync } from "node:fs";
import type { Scheduler } from "@runlet/spec";
import { describe, expect } from "vitest";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

/** Not in the release of runc that distributions have. */
const recent = { runtime: ["runlet", "crun"] } as const;
const ours = { runtime: ["runlet"] } as const;

describe("[/process/scheduler/**] scheduler", () => {
  // Numbers of <linux/sched.h>.
  const cases: [scheduler: Scheduler, expected: object][] = [
    [
      { policy: "SCHED_OTHER", nice: 5 },
      { policy: 0, nice: 5 },
    ],
    [
      { policy: "SCHED_BATCH", nice: 3 },
      { policy: 3, nice: 3 },
    ],
    [{ policy: "SCHED_IDLE" }, { policy: 5 }],
    [
      { policy: "SCHED_FIFO", priority: 10 },
      { policy: 1, priority: 10 },
    ],
    [
      { policy: "SCHED_RR", priority: 20 },
      { policy: 2, priority: 20 },
    ],
    [
      { policy: "SCHED_DEADLINE", runtime: 1_000_000, deadline: 10_000_000, period: 20_000_000 },
      { policy: 6, runtime: 1_000_000, deadline: 10_000_000, period: 20_000_000 },
    ],
    [
      { policy: "SCHED_OTHER", nice: 1, flags: ["SCHED_FLAG_RESET_ON_FORK"] },
      { policy: 0, nice: 1, flags: 1 },
    ],
  ];
  for (const [scheduler, expected] of cases) {
    const name = [scheduler.policy, ...(scheduler.flags ?? [])].join(" ");
    // crun 1.8 has no scheduler: it came with 1.8.5.
    test(name, ours, async () => {
      const bundle = e2e.bundle((config) => {
        config.process.scheduler = scheduler;
        // With real-time groups (v1) a new group has no real-time share of its own to begin with.
        if (scheduler.priority !== undefined && existsSync("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")) {
          config.linux.resources = {
            ...config.linux.resources,
            cpu: { realtimePeriod: 1_000_000, realtimeRuntime: 10_000 },
          };
        }
      });
      expect((await e2e.observe(bundle, "scheduler")).of("scheduler")).toMatchObject(expected);
    });
  }
});

describe("[/process/ioPriority/**] ioPriority", () => {
  const cases = [
    ["IOPRIO_CLASS_RT", 2, 1],
    ["IOPRIO_CLASS_BE", 6, 2],
    ["IOPRIO_CLASS_IDLE", 0, 3],
  ] as const;
  for (const [name, priority, number] of cases) {
    test(name, ours, async () => {
      const bundle = e2e.bundle((config) => {
        config.process.ioPriority = { class: name, priority };
      });
      expect((await e2e.observe(bundle, "ioPriority")).of("ioPriority")).toEqual({ class: number, priority });
    });
  }
});

describe("[/process/execCPUAffinity/**] execCPUAffinity", () => {
  test("concerns exec alone, not the container's first process", ours, async () => {
    const bundle = e2e.bundle((config) => {
      config.process.execCPUAffinity = { initial: "0", final: "0" };
    });
    const usual = (await e2e.observe(e2e.bundle(), "affinity")).of("affinity");
    expect((await e2e.observe(bundle, "affinity")).of("affinity")).toEqual(usual);
  });
});

describe("[/linux/personality/domain] personality", () => {
  test("LINUX32 shows a 32-bit machine", recent, async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.personality = { domain: "LINUX32" };
    });
    const seen = await e2e.observe(bundle, "personality", "machine");
    expect(seen.of("personality")).toBe(8);
    expect(seen.of("machine")).toBe(process.arch === "x64" ? "i686" : "armv8l");
  });

  test("LINUX is the usual one", recent, async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.personality = { domain: "LINUX" };
    });
    expect((await e2e.observe(bundle, "personality")).of("personality")).toBe(0);
  });
});

describe("[/linux/memoryPolicy/mode] [/linux/memoryPolicy/nodes] memoryPolicy", () => {
  const numa = { ...ours, file: ["/sys/devices/system/node/node0", "a kernel with NUMA"] } as const;
  // MPOL_BIND 2, MPOL_INTERLEAVE 3, MPOL_PREFERRED 1, MPOL_LOCAL 4 of <linux/mempolicy.h>.
  for (const [mode, number, nodes] of [
    ["MPOL_BIND", 2, "0"],
    ["MPOL_INTERLEAVE", 3, "0"],
    ["MPOL_PREFERRED", 1, "0"],
  ] as const) {
    test(mode, numa, async () => {
      const bundle = e2e.bundle((config) => {
        config.linux.memoryPolicy = { mode, nodes };
      });
      expect((await e2e.observe(bundle, "memoryPolicy")).of("memoryPolicy")).toEqual({ mode: number, nodes: 1 });
    });
  }
});

describe("the session keyring", () => {
  test("is the container's own", async () => {
    const bundle = e2e.bundle();
    const seen = (await e2e.observe(bundle, "sessionKeyring")).of<string>("sessionKeyring");
    expect(seen).toMatch(/^keyring;/);
    expect(seen).not.toMatch(/_uid_ses/);
  });

  test("--no-new-keyring leaves the caller's", { runtime: ["runlet", "runc"] }, async () => {
    const bundle = e2e.bundle().probing("sessionKeyring");
    const own = await e2e.run(bundle);
    const callers = await e2e.run(bundle, "--no-new-keyring");
    expect([own.status, callers.status]).toEqual([0, 0]);
    expect(callers.stdout).not.toBe(own.stdout);
  });
});
