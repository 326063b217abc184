import { describe, expect, test } from "vitest";
import { hybridCgroup, hybridCgroups, namespaces, operationsOf, planOf, unifiedCgroup } from "../test/inputs.ts";
import type { HostFacts } from "./host-facts.ts";
import type { NamespaceType } from "./kernel.ts";
import type { CompileCgroup } from "./options.ts";

const mounts = [
  {
    destination: "/sys/fs/cgroup",
    type: "cgroup",
    source: "cgroup",
    options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
  },
];
const mappings = [{ containerID: 0, hostID: 1000, size: 1 }];

function cgroupPlan(
  types: NamespaceType[],
  { host, cgroup = null }: { host?: Partial<HostFacts>; cgroup?: CompileCgroup | null } = {},
) {
  const linux = {
    namespaces: namespaces("mount", ...types),
    ...(types.includes("user") ? { uidMappings: mappings, gidMappings: mappings } : {}),
  };
  return planOf({ mounts, linux }, { ...(host === undefined ? {} : { host }), options: { cgroup } });
}

function mountsOf(plan: ReturnType<typeof cgroupPlan>) {
  return operationsOf(plan, "mount").map(({ containerPath, source, attributes, fallbackHostPath }) => ({
    containerPath,
    source,
    isReadonly: attributes.set.includes("MOUNT_ATTR_RDONLY"),
    fallbackHostPath,
  }));
}

describe("v2", () => {
  test("in a cgroup namespace: a new mount", () => {
    expect(mountsOf(cgroupPlan(["cgroup"], { cgroup: unifiedCgroup }))).toEqual([
      {
        containerPath: "/sys/fs/cgroup",
        source: { kind: "filesystem", type: "cgroup2", source: "cgroup", options: [] },
        isReadonly: true,
        fallbackHostPath: null,
      },
    ]);
  });

  test("without one: the host's, bound, so that its options stay", () => {
    const [mount] = mountsOf(cgroupPlan([], { cgroup: unifiedCgroup }));
    expect(mount?.source).toEqual({ kind: "bind", hostPath: "/sys/fs/cgroup", recursive: true });
  });

  test("in a user namespace that may be refused: the container's own group, bound", () => {
    const [mount] = mountsOf(cgroupPlan(["cgroup", "user"], { cgroup: unifiedCgroup }));
    expect(mount?.fallbackHostPath).toBe("/sys/fs/cgroup/box");
  });

  test("CVE-2023-25809: in a user namespace without a cgroup namespace, read-only whatever the config says", () => {
    const writable = [{ ...mounts[0], destination: "/sys/fs/cgroup", options: ["rw"] }];
    const linux = { namespaces: namespaces("mount", "user"), uidMappings: mappings, gidMappings: mappings };
    const [mount] = operationsOf(planOf({ mounts: writable, linux }), "mount");
    expect(mount?.attributes).toEqual({ set: ["MOUNT_ATTR_RDONLY"], clear: [] });
  });
});

describe("v1 and hybrid", () => {
  const host = { cgroups: hybridCgroups };

  test("in a cgroup namespace: a tmpfs with a new mount for each hierarchy, and links", () => {
    const plan = cgroupPlan(["cgroup"], { host, cgroup: hybridCgroup });
    expect(mountsOf(plan)).toEqual([
      {
        containerPath: "/sys/fs/cgroup",
        source: { kind: "filesystem", type: "tmpfs", source: "tmpfs", options: [{ key: "mode", value: "755" }] },
        isReadonly: false,
        fallbackHostPath: null,
      },
      {
        containerPath: "/sys/fs/cgroup/cpu,cpuacct",
        source: {
          kind: "filesystem",
          type: "cgroup",
          source: "cgroup",
          options: [
            { key: "cpu", value: null },
            { key: "cpuacct", value: null },
          ],
        },
        isReadonly: true,
        fallbackHostPath: null,
      },
      {
        containerPath: "/sys/fs/cgroup/memory",
        source: { kind: "filesystem", type: "cgroup", source: "cgroup", options: [{ key: "memory", value: null }] },
        isReadonly: true,
        fallbackHostPath: null,
      },
      {
        containerPath: "/sys/fs/cgroup/systemd",
        source: { kind: "filesystem", type: "cgroup", source: "systemd", options: [{ key: "name", value: "systemd" }] },
        isReadonly: true,
        fallbackHostPath: null,
      },
    ]);
    expect(
      operationsOf(plan, "symlink")
        .filter(({ from }) => from === "/mounts/0")
        .map(({ containerPath, target }) => [containerPath, target]),
    ).toEqual([
      ["/sys/fs/cgroup/cpu", "cpu,cpuacct"],
      ["/sys/fs/cgroup/cpuacct", "cpu,cpuacct"],
    ]);
    expect(operationsOf(plan, "remount")).toMatchObject([
      { containerPath: "/sys/fs/cgroup", attributes: { set: ["MOUNT_ATTR_RDONLY"] } },
    ]);
  });

  test("without one: the container's own groups, bound", () => {
    const plan = cgroupPlan([], { host, cgroup: hybridCgroup });
    expect(mountsOf(plan).map(({ source }) => (source.kind === "bind" ? source.hostPath : null))).toEqual([
      null,
      "/sys/fs/cgroup/cpu,cpuacct/box",
      "/sys/fs/cgroup/memory/box",
      "/sys/fs/cgroup/systemd/box",
    ]);
  });

  test("without a group of its own: the host's, and read-only whatever the config says", () => {
    const writable = [{ destination: "/sys/fs/cgroup", type: "cgroup", options: ["rw"] }];
    const plan = planOf({ mounts: writable }, { host });
    const [, ...hierarchies] = mountsOf(plan);
    expect(hierarchies.map(({ isReadonly }) => isReadonly)).toEqual([true, true, true]);
    expect(operationsOf(plan, "remount")).toEqual([]);
  });

  test("cgroup2 by name is the unified hierarchy of a hybrid host", () => {
    const unified = [{ destination: "/sys/fs/cgroup/unified", type: "cgroup2" }];
    const [mount] = mountsOf(planOf({ mounts: unified }, { host }));
    expect(mount?.source).toEqual({ kind: "bind", hostPath: "/sys/fs/cgroup/unified", recursive: true });
  });

  test("options for a file system have no effect, and that is said", () => {
    const plan = planOf({ mounts: [{ destination: "/c", type: "cgroup", options: ["all"] }] }, { host });
    expect(plan.warnings).toEqual([{ pointer: "/mounts/0/options", message: expect.stringContaining('"all"') }]);
  });
});

test("a host without control groups", () => {
  const host = { cgroups: { kind: "none", hierarchies: [], unified: null } } as const;
  expect(() => cgroupPlan([], { host })).toThrow(
    expect.objectContaining({ code: "ERR_RUNLET_CGROUP", pointer: "/mounts/0" }),
  );
});
