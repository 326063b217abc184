import { existsSync } from "node:fs";
import { describe, expect } from "vitest";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

describe("what no operation carries out is refused by its name", () => {
  test("[/linux/personality/flags] the specification defines none", { runtime: ["runlet"] }, async () => {
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.linux.personality = { domain: "LINUX", flags: ["ADDR_NO_RANDOMIZE"] };
      }),
    );
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/linux/personality/flags");
  });

  test("[/linux/memoryPolicy/flags] a flag that the kernel takes only with another mode", {
    runtime: ["runlet"],
  }, async () => {
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.linux.memoryPolicy = { mode: "MPOL_DEFAULT", nodes: "", flags: ["MPOL_F_STATIC_NODES"] };
      }),
    );
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/linux/memoryPolicy");
  });

  test("[/process/scheduler/policy] one that no kernel has", { runtime: ["runlet"] }, async () => {
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.process.scheduler = { policy: "SCHED_ISO" };
      }),
    );
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/process/scheduler");
    expect(result.stderr).toContain("SCHED_ISO");
  });
});

describe("memory policy", () => {
  const numa = {
    runtime: ["runlet"] as const,
    file: ["/sys/devices/system/node/node0", "a kernel with NUMA"] as const,
  };
  // Modes and flags of <linux/mempolicy.h>.
  const seen: [
    mode: "MPOL_DEFAULT" | "MPOL_LOCAL" | "MPOL_PREFERRED_MANY" | "MPOL_BIND",
    number: number,
    nodes: string,
  ][] = [
    ["MPOL_DEFAULT", 0, ""],
    ["MPOL_LOCAL", 4, ""],
    ["MPOL_PREFERRED_MANY", 5, "0"],
  ];
  for (const [mode, number, nodes] of seen) {
    test(`[/linux/memoryPolicy/mode] ${mode}`, numa, async () => {
      const found = await e2e.observe(
        e2e.bundle((config) => {
          config.linux.memoryPolicy = { mode, nodes };
        }),
        "memoryPolicy",
      );
      expect(found.of("memoryPolicy")).toMatchObject({ mode: number });
    });
  }

  for (const [flag, number] of [
    ["MPOL_F_STATIC_NODES", 0x8000],
    ["MPOL_F_RELATIVE_NODES", 0x4000],
  ] as const) {
    test(`[/linux/memoryPolicy/flags] ${flag}`, numa, async () => {
      const found = await e2e.observe(
        e2e.bundle((config) => {
          config.linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "0", flags: [flag] };
        }),
        "memoryPolicy",
      );
      expect(found.of("memoryPolicy")).toEqual({ mode: 2 | number, nodes: 1 });
    });
  }

  test("[/linux/memoryPolicy/nodes] a node that the host has not", numa, async () => {
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "63" };
      }),
    );
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/linux/memoryPolicy");
  });
});

describe("[/process/scheduler/**]", () => {
  test("[/process/scheduler/flags] SCHED_FLAG_RECLAIM with a deadline", { runtime: ["runlet"] }, async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.process.scheduler = {
          policy: "SCHED_DEADLINE",
          runtime: 2_000_000,
          deadline: 20_000_000,
          period: 20_000_000,
          flags: ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"],
        };
      }),
      "scheduler",
    );
    expect(seen.of("scheduler")).toMatchObject({ policy: 6, flags: 2 | 4, runtime: 2_000_000 });
  });

  test("[/process/scheduler/flags] SCHED_FLAG_KEEP_POLICY changes the nice value alone, SCHED_FLAG_KEEP_PARAMS not even that", {
    runtime: ["runlet"],
  }, async () => {
    for (const [flag, nice] of [
      ["SCHED_FLAG_KEEP_POLICY", 4],
      ["SCHED_FLAG_KEEP_PARAMS", 0],
    ] as const) {
      const bundle = e2e.bundle((config) => {
        config.process.scheduler = { policy: "SCHED_OTHER", nice: 4, flags: [flag] };
      });
      expect((await e2e.observe(bundle, "scheduler")).of("scheduler")).toMatchObject({ policy: 0, nice });
    }
  });

  for (const flag of ["SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"] as const) {
    test(`[/process/scheduler/flags] ${flag} holds where the kernel can, and is an error elsewhere`, {
      runtime: ["runlet"],
    }, async () => {
      const bundle = e2e
        .bundle((config) => {
          config.process.scheduler = { policy: "SCHED_OTHER", flags: [flag] };
        })
        .probing("scheduler");
      const result = await e2e.run(bundle);
      // For it has no value in the specification.
      expect(result.stderr).toContain("clamps to 0");
      const canClamp = existsSync("/proc/sys/kernel/sched_util_clamp_min");
      expect(result.status).toBe(canClamp ? 0 : 1);
      if (!canClamp) expect(result.stderr).toMatch(/\/process\/scheduler.*EOPNOTSUPP/);
    });
  }

  test("[/process/scheduler/nice] below zero, for a user who could not set it himself", {
    runtime: ["runlet"],
  }, async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.process.scheduler = { policy: "SCHED_BATCH", nice: -5 };
        config.process.user = { uid: 1000, gid: 1000 };
        config.process.capabilities = {};
      }),
      "scheduler",
    );
    expect(seen.of("scheduler")).toMatchObject({ policy: 3, nice: -5 });
  });

  test("[/process/scheduler/policy] one that the kernel refuses names the field", { runtime: ["runlet"] }, async () => {
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.process.scheduler = {
          policy: "SCHED_DEADLINE",
          runtime: 3_000_000,
          deadline: 2_000_000,
          period: 1_000_000,
        };
      }),
    );
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/process/scheduler");
  });
});
