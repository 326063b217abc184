import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { openBfqDisk } from "../harness/block-device.ts";
import type { Result } from "../harness/command.ts";
import { ControlGroup, isV2 } from "../harness/control-group.ts";
import { HostView } from "../harness/host-view.ts";
import { findLeaks } from "../harness/leaks.ts";
import { Observation } from "../harness/observation.ts";
import type { Requirements } from "../harness/requirements.ts";
import { openSuite } from "../harness/suite.ts";
import { removeV1Hierarchies } from "../harness/v1-hierarchy.ts";

// The fields of which a container's own process sees little: each is found in the file of its control group, or refused.
const e2e = openSuite({ root: true, cgroup: ["v1", "hybrid", "v2"] });
const { test } = e2e;

const mebibyte = 1 << 20;
const onlyV1 = { cgroup: ["v1", "hybrid"] } as const;
const onlyV2 = { cgroup: ["v2"] } as const;

type Resources = NonNullable<ReturnType<typeof e2e.bundle>["config"]["linux"]["resources"]>;

function limited(resources: Resources, ...verbs: string[]) {
  return e2e
    .bundle((config) => {
      config.linux.resources = { ...config.linux.resources, ...resources };
    })
    .probing(...verbs);
}

/** Creates a container with limits, and finds its control group. */
async function create(resources: Resources) {
  const id = e2e.id();
  const call = e2e.runtime.start(["create", "--bundle", limited(resources, "wait").hostPath, id]);
  const { status, stderr } = await call.ended;
  if (status !== 0) throw new Error(stderr);
  return { id, stderr, group: new ControlGroup((await e2e.runtime.state(id)).pid) };
}

/** Fields, what a config says of them, and which files have it then: controller, file, content. */
interface Limit {
  readonly fields: readonly string[];
  readonly resources: Resources;
  readonly files: readonly (readonly [controller: string, file: string, content: string | RegExp])[];
  readonly needs?: Requirements;
}

const limits: Limit[] = [
  {
    fields: ["memory/swappiness"],
    resources: { memory: { swappiness: 10 } },
    files: [["memory", "memory.swappiness", "10"]],
    needs: onlyV1,
  },
  {
    fields: ["memory/disableOOMKiller"],
    resources: { memory: { limit: 64 * mebibyte, disableOOMKiller: true } },
    files: [["memory", "memory.oom_control", /^oom_kill_disable 1$/m]],
    needs: onlyV1,
  },
  {
    fields: ["memory/useHierarchy"],
    resources: { memory: { useHierarchy: true } },
    files: [["memory", "memory.use_hierarchy", "1"]],
    needs: onlyV1,
  },
  {
    fields: ["cpu/burst"],
    resources: { cpu: { quota: 50000, period: 100000, burst: 20000 } },
    files: [["cpu", isV2 ? "cpu.max.burst" : "cpu.cfs_burst_us", "20000"]],
    needs: { runtime: ["runlet"] },
  },
  {
    fields: ["cpu/idle"],
    resources: { cpu: { idle: 1 } },
    files: [["cpu", "cpu.idle", "1"]],
    needs: { runtime: ["runlet", "crun"] },
  },
  {
    fields: ["cpu/realtimeRuntime", "cpu/realtimePeriod"],
    resources: { cpu: { realtimePeriod: 500000, realtimeRuntime: 1000 } },
    files: [
      ["cpu", "cpu.rt_period_us", "500000"],
      ["cpu", "cpu.rt_runtime_us", "1000"],
    ],
    needs: { ...onlyV1, file: ["/sys/fs/cgroup/cpu/cpu.rt_runtime_us", "CONFIG_RT_GROUP_SCHED"] },
  },
  {
    fields: ["unified"],
    resources: { unified: { "memory.high": String(32 * mebibyte), "pids.max": "7" }, pids: { limit: 20 } },
    files: [
      ["", "memory.high", String(32 * mebibyte)],
      ["", "pids.max", "7"],
    ],
    needs: onlyV2,
  },
];

function titleOf(fields: readonly string[], rest: string): string {
  return `${fields.map((field) => `[/linux/resources/${field}]`).join("")} ${rest}`;
}

describe("is in the file:", () => {
  for (const { fields, resources, files, needs = {} } of limits) {
    test(titleOf(fields, fields.join(", ")), needs, async () => {
      const { group } = await create(resources);
      for (const [controller, file, content] of files) {
        const held = group.read(controller, file);
        if (typeof content === "string") expect([file, held]).toEqual([file, content]);
        else expect(held).toMatch(content);
      }
    });
  }

  // crun knows the files of a scheduler alone that kernels have had no more since 5.0.
  const hasBfq = { runtime: ["runlet", "runc"] } as const;

  test("[/linux/resources/blockIO/weight] weight, on BFQ's scale or that of io.weight", hasBfq, async () => {
    const { group } = await create({ blockIO: { weight: 500 } });
    const files = isV2
      ? ([
          ["io.bfq.weight", /^(default )?500$/m],
          ["io.weight", /^default 4950$/m],
        ] as const)
      : ([
          ["blkio.bfq.weight", /^500$/],
          ["blkio.weight", /^500$/],
        ] as const);
    const held = files.flatMap(([file, expected]) => {
      try {
        return [{ file, expected, content: group.read("blkio", file) }];
      } catch {
        return [];
      }
    });
    expect(held).not.toEqual([]);
    // Where the kernel has both, BFQ's is the one that is set, as in the peers.
    expect(held[0]?.content).toMatch(held[0]?.expected ?? "");
  });

  test(
    "[/linux/resources/blockIO/weightDevice/*/major][/linux/resources/blockIO/weightDevice/*/minor][/linux/resources/blockIO/weightDevice/*/weight] weight of a device",
    hasBfq,
    async () => {
      using disk = openBfqDisk();
      const { major, minor } = disk;
      const { group } = await create({ blockIO: { weightDevice: [{ major, minor, weight: 300 }] } });
      const file = isV2 ? "io.bfq.weight" : "blkio.bfq.weight_device";
      expect(group.read("blkio", file)).toMatch(new RegExp(`^${major}:${minor} 300$`, "m"));
    },
  );
});

describe("is said to have no effect, and the container runs:", () => {
  for (const [field, memory] of [
    ["kernel", { kernel: 32 * mebibyte }],
    ["kernelTCP", { kernelTCP: 32 * mebibyte }],
  ] as const) {
    test(`[/linux/resources/memory/${field}] ${field}`, { runtime: ["runlet"] }, async () => {
      const result = await e2e.run(limited({ memory }, "exit=3"));
      expect(result.status).toBe(3);
      expect(result.stderr).toContain(`/linux/resources/memory/${field}: Kernel memory settings are ignored`);
    });
  }
});

/** Fields that the layout or this host has nothing for. */
const refused: (Omit<Limit, "files"> & { readonly pointer: string; readonly says: string })[] = [
  ...[
    { field: "memory/swappiness", resources: { memory: { swappiness: 10 } }, says: "swappiness" },
    { field: "memory/disableOOMKiller", resources: { memory: { disableOOMKiller: true } }, says: "OOM killer" },
    { field: "cpu/realtimeRuntime", resources: { cpu: { realtimeRuntime: 1000 } }, says: "realtime" },
    { field: "cpu/realtimePeriod", resources: { cpu: { realtimePeriod: 500000 } }, says: "realtime" },
    { field: "network/classID", resources: { network: { classID: 7 } }, says: "network classes" },
    {
      field: "network/priorities",
      resources: { network: { priorities: [{ name: "lo", priority: 1 }] } },
      says: "network",
    },
  ].map(({ field, resources, says }) => ({ fields: [field], resources, says, pointer: field, needs: onlyV2 })),
  {
    fields: ["blockIO/leafWeight"],
    resources: { blockIO: { leafWeight: 300 } },
    pointer: "blockIO/leafWeight",
    says: "leaf",
  },
  {
    fields: ["blockIO/weightDevice/*/leafWeight"],
    resources: { blockIO: { weightDevice: [{ major: 7, minor: 0, leafWeight: 300 }] } },
    pointer: "blockIO/weightDevice/0/leafWeight",
    says: "leaf",
  },
  {
    fields: ["rdma/*/hcaHandles", "rdma/*/hcaObjects"],
    resources: { rdma: { mlx5_0: { hcaHandles: 3, hcaObjects: 10000 } } },
    pointer: "rdma/mlx5_0",
    says: "rdma",
  },
  {
    fields: ["hugepageLimits/*/pageSize"],
    resources: { hugepageLimits: [{ pageSize: "3KB", limit: 4096 }] },
    pointer: "hugepageLimits/0",
    says: "huge",
  },
];

describe("is refused by name where nothing can hold it, and nothing is left behind:", () => {
  for (const { fields, resources, pointer, says, needs } of refused) {
    test(titleOf(fields, fields.join(", ")), { ...needs, runtime: ["runlet"] }, async () => {
      const id = e2e.id();
      const bundle = limited(resources, "wait");
      const result = await e2e.runtime.invoke(["create", "--bundle", bundle.hostPath, id]);
      expect(result.status).toBe(1);
      expect(result.stderr).toContain(`/linux/resources/${pointer}`);
      expect(result.stderr).toContain(says);
      expect(findLeaks(id)).toEqual([]);
      expect((await e2e.runtime.invoke(["state", id])).stderr).toContain("container does not exist");
    });
  }
});

/** Huge pages that the kernel has ready, given back at the end. */
function reserveHugePages(count: number): Disposable {
  const file = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
  const before = Number(readFileSync(file, "utf8"));
  writeFileSync(file, String(before + count));
  return { [Symbol.dispose]: () => writeFileSync(file, String(before)) };
}

/** What a host of v1 may have beside its usual hierarchies; seen by the test's own containers alone. */
class V1View implements Disposable {
  readonly #view: HostView;
  readonly #directory: string;

  private constructor(view: HostView, directory: string) {
    this.#view = view;
    this.#directory = directory;
  }

  static readonly #controllers = ["net_cls", "net_prio", "hugetlb"];

  static async open(): Promise<V1View> {
    const directory = join(e2e.directory, "hierarchies");
    const mount = V1View.#controllers
      .map(
        (controller) =>
          `mkdir -p "$1/${controller}"; mount -t cgroup -o ${controller} ${controller} "$1/${controller}"`,
      )
      .join("\n");
    return new V1View(await HostView.open(e2e, { name: "view", mount, args: [directory] }), directory);
  }

  /** Runs a container to its end. */
  async run(resources: Resources, ...verbs: string[]): Promise<Result> {
    return await this.#view.invoke(["run", "--bundle", limited(resources, ...verbs).hostPath, e2e.id()]);
  }

  /** Creates a container, and reads files of its control groups. */
  async create(resources: Resources) {
    const id = e2e.id();
    const call = this.#view.start(["create", "--bundle", limited(resources, "wait").hostPath, id]);
    const { status, stderr } = await call.ended;
    if (status !== 0) throw new Error(stderr);
    const groups = readFileSync(`/proc/${(await e2e.runtime.state(id)).pid}/cgroup`, "utf8");
    const read = (controller: string, file: string) => {
      const path = new RegExp(`^\\d+:${controller}:(.*)$`, "m").exec(groups)?.[1];
      return readFileSync(this.#view.path(`${this.#directory}/${controller}${path}/${file}`), "utf8").trim();
    };
    const remove = () => this.#view.invoke(["delete", "--force", id]);
    return { read, remove };
  }

  [Symbol.dispose](): void {
    this.#view.close();
    removeV1Hierarchies(join(this.#directory, "net_cls"), V1View.#controllers);
  }
}

const hasHugePages = ["/sys/kernel/mm/hugepages/hugepages-2048kB", "huge pages of 2 MiB"] as const;

test("[/linux/resources/network/**] network classes and priorities are in the files", {
  ...onlyV1,
  runtime: ["runlet", "runc"],
  absent: ["/sys/fs/cgroup/net_cls", "network classes of its own"],
}, async () => {
  using view = await V1View.open();
  const { read, remove } = await view.create({
    network: { classID: 0x100001, priorities: [{ name: "lo", priority: 7 }] },
  });
  expect(read("net_cls", "net_cls.classid")).toBe(String(0x100001));
  expect(read("net_prio", "net_prio.ifpriomap")).toMatch(/^lo 7$/m);
  expect(await remove()).toMatchObject({ status: 0 });
});

describe("[/linux/resources/hugepageLimits/**] a limit of huge pages", () => {
  const resources: Resources = { hugepageLimits: [{ pageSize: "2MB", limit: 2 * mebibyte }] };

  function expectHeld(read: (file: string) => string): void {
    const [limit, reservation] = isV2
      ? ["hugetlb.2MB.max", "hugetlb.2MB.rsvd.max"]
      : ["hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.rsvd.limit_in_bytes"];
    expect(read(limit)).toBe(String(2 * mebibyte));
    // Debian's peers know no reservations.
    if (e2e.runtime.name === "runlet") expect(read(reservation)).toBe(String(2 * mebibyte));
  }

  function expectBounded({ status, stdout, stderr }: Result): void {
    expect([status, stderr]).toEqual([0, ""]);
    const seen = new Observation(stdout);
    expect(seen.of("mapHugeMiB=2")).toBe("ok");
    expect(seen.of("mapHugeMiB=4")).toEqual({ errno: "ENOMEM" });
  }

  test("holds, reservations included", { ...onlyV2, file: hasHugePages }, async () => {
    using _pages = reserveHugePages(3);
    const { group } = await create(resources);
    expectHeld((file) => group.read("hugetlb", file));
    if (e2e.runtime.name === "runlet") expectBounded(await e2e.run(limited(resources, "mapHugeMiB=2", "mapHugeMiB=4")));
  });

  test("holds, reservations included, where there is the hierarchy", {
    ...onlyV1,
    runtime: ["runlet", "runc"],
    file: hasHugePages,
    absent: ["/sys/fs/cgroup/hugetlb", "limits of huge pages of its own"],
  }, async () => {
    using _pages = reserveHugePages(3);
    using view = await V1View.open();
    const { read, remove } = await view.create(resources);
    expectHeld((file) => read("hugetlb", file));
    expect(await remove()).toMatchObject({ status: 0 });
    if (e2e.runtime.name === "runlet") expectBounded(await view.run(resources, "mapHugeMiB=2", "mapHugeMiB=4"));
  });
});
