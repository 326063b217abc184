import type { Mount as MountConfig } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { allOperations, namespaces, operationsOf, planOf } from "../test/inputs.ts";
import type { HostFacts } from "./host-facts.ts";
import type { Mount, Plan } from "./operation.ts";

const userNamespace = {
  namespaces: namespaces("user", "mount"),
  uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
  gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
};
const rootlessHost: Partial<HostFacts> = { euid: 1000, egid: 1000 };

function planOfMount(...mounts: MountConfig[]): Plan {
  return planOf({ mounts });
}

function mappingsOf({ uidMappings, gidMappings }: typeof userNamespace) {
  return { uidMappings, gidMappings };
}

function onlyMount(plan: Plan): Mount {
  const [mount, second] = operationsOf(plan, "mount");
  if (mount === undefined || second !== undefined) throw new Error("not one mount");
  return mount;
}

test("a file system, whole", () => {
  const plan = planOfMount({
    destination: "/data",
    type: "ext4",
    source: "/dev/sdb1",
    options: ["ro", "nosuid", "noatime", "sync", "rslave", "data=ordered", "nobarrier"],
  });
  expect(operationsOf(plan, "mount")).toEqual([
    {
      op: "mount",
      source: {
        kind: "filesystem",
        type: "ext4",
        source: "/dev/sdb1",
        options: [
          { key: "ro", value: null },
          { key: "sync", value: null },
          { key: "data", value: "ordered" },
          { key: "nobarrier", value: null },
        ],
      },
      containerPath: "/data",
      attributes: {
        set: ["MOUNT_ATTR_RDONLY", "MOUNT_ATTR_NOSUID", "MOUNT_ATTR_NOATIME"],
        clear: ["MOUNT_ATTR__ATIME"],
      },
      recursiveAttributes: { set: [], clear: [] },
      propagation: ["MS_SLAVE", "MS_REC"],
      idmapSlot: null,
      idmapRecursive: false,
      copyUp: false,
      createTarget: true,
      plainTarget: false,
      fallbackHostPath: null,
      from: "/mounts/0",
    },
  ]);
});

test("mounts keep the config's order, and a destination may occur twice", () => {
  const plan = planOfMount(
    { destination: "/b", type: "tmpfs" },
    { destination: "/a", type: "tmpfs" },
    { destination: "/b", type: "tmpfs" },
  );
  expect(operationsOf(plan, "mount").map(({ containerPath, from }) => [containerPath, from])).toEqual([
    ["/b", "/mounts/0"],
    ["/a", "/mounts/1"],
    ["/b", "/mounts/2"],
  ]);
});

describe("bind mounts", () => {
  test("of a path of the host", () => {
    const mount = onlyMount(planOfMount({ destination: "/d", source: "/srv", options: ["bind", "ro", "rro"] }));
    expect(mount.source).toEqual({ kind: "bind", hostPath: "/srv", recursive: false });
    expect(mount.attributes.set).toEqual(["MOUNT_ATTR_RDONLY"]);
    expect(mount.recursiveAttributes.set).toEqual(["MOUNT_ATTR_RDONLY"]);
  });

  test("a relative source belongs to the bundle", () => {
    const mount = onlyMount(planOfMount({ destination: "/d", type: "none", source: "./data", options: ["rbind"] }));
    expect(mount.source).toEqual({ kind: "bind", hostPath: "/bundle/data", recursive: true });
  });

  test("by the type alone", () => {
    const mount = onlyMount(planOfMount({ destination: "/d", type: "bind", source: "/srv" }));
    expect(mount.source).toEqual({ kind: "bind", hostPath: "/srv", recursive: false });
  });

  test("options of a file system have no effect, and that is said", () => {
    const plan = planOfMount({ destination: "/d", source: "/srv", options: ["bind", "sync", "mode=755"] });
    expect(plan.warnings).toEqual([
      { pointer: "/mounts/0/options", message: expect.stringContaining('"sync,mode" have no effect on a bind mount') },
    ]);
  });

  test("in a user namespace the parent opens the source, if it is privileged", () => {
    const mounts = [{ destination: "/d", source: "/srv", options: ["rbind"] }];
    const privileged = planOf({ mounts, linux: userNamespace });
    expect(onlyMount(privileged).source).toEqual({ kind: "descriptor", slot: 0 });
    expect(privileged.descriptors[0]).toEqual({ kind: "tree", hostPath: "/srv", recursive: true, from: "/mounts/0" });
    const ordinary = planOf({ mounts, linux: userNamespace }, { host: rootlessHost });
    expect(onlyMount(ordinary).source).toEqual({ kind: "bind", hostPath: "/srv", recursive: true });
  });

  test("of the same source twice: two trees, since each is mounted once", () => {
    const mount = { source: "/srv", options: ["rbind"] };
    const mounts = [
      { destination: "/a", ...mount },
      { destination: "/b", ...mount },
    ];
    const plan = planOf({ mounts, linux: userNamespace });
    expect(operationsOf(plan, "mount").map(({ source }) => source)).toEqual([
      { kind: "descriptor", slot: 0 },
      { kind: "descriptor", slot: 1 },
    ]);
    expect(plan.descriptors.slice(0, 2).map(({ kind }) => kind)).toEqual(["tree", "tree"]);
  });

  test("without a source", () => {
    expect(() => planOfMount({ destination: "/d", options: ["bind"] })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_MOUNT", pointer: "/mounts/0/source" }),
    );
  });
});

describe("what has to be written to before it is read-only", () => {
  test.each([
    ["a tmpfs", { destination: "/run", type: "tmpfs", options: ["ro", "nosuid"] }],
    ["/dev of another type", { destination: "/dev", type: "devtmpfs", options: ["nosuid", "ro"] }],
  ])("%s", (_, mount) => {
    const plan = planOf({ mounts: [mount], root: { path: "rootfs", readonly: true } });
    expect(onlyMount(plan).attributes).toEqual({ set: ["MOUNT_ATTR_NOSUID"], clear: [] });
    expect(onlyMount(plan).source).toMatchObject({ options: [] });
    const names = allOperations(plan).map(({ op }) => op);
    expect(names.indexOf("remount")).toBeGreaterThan(names.lastIndexOf("makeDevice"));
    expect(names.slice(names.indexOf("remount"))).toEqual(
      expect.arrayContaining(["remount", "setRootReadonly", "enterRoot"]),
    );
    expect(operationsOf(plan, "remount")[0]).toMatchObject({
      containerPath: mount.destination,
      attributes: { set: ["MOUNT_ATTR_RDONLY"], clear: [] },
      from: "/mounts/0",
    });
  });
});

describe("tmpfs", () => {
  test("without a mode keeps that of the directory it covers", () => {
    expect(onlyMount(planOfMount({ destination: "/t", type: "tmpfs" })).keepMode).toBe(true);
    expect(
      onlyMount(planOfMount({ destination: "/t", type: "tmpfs", options: ["mode=700"] })).keepMode,
    ).toBeUndefined();
  });

  test("tmpcopyup", () => {
    expect(onlyMount(planOfMount({ destination: "/t", type: "tmpfs", options: ["tmpcopyup"] })).copyUp).toBe(true);
    expect(() => planOfMount({ destination: "/t", type: "proc", options: ["tmpcopyup"] })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_MOUNT", pointer: "/mounts/0/options" }),
    );
  });
});

test("remount changes attributes, and keeps those that it does not name", () => {
  const plan = planOfMount({ destination: "/proc/sys", options: ["remount", "ro", "rnoexec", "private"] });
  expect(operationsOf(plan, "remount")).toEqual([
    {
      op: "remount",
      containerPath: "/proc/sys",
      attributes: { set: ["MOUNT_ATTR_RDONLY"], clear: [] },
      recursiveAttributes: { set: ["MOUNT_ATTR_NOEXEC"], clear: [] },
      propagation: ["MS_PRIVATE"],
      from: "/mounts/0",
    },
  ]);
  expect(() => planOfMount({ destination: "/d", options: ["remount", "size=1m"] })).toThrow(
    expect.objectContaining({ code: "ERR_RUNLET_UNSUPPORTED", pointer: "/mounts/0/options" }),
  );
});

test("a second propagation is a change of its own", () => {
  const plan = planOfMount({ destination: "/d", type: "tmpfs", options: ["slave", "shared"] });
  expect(onlyMount(plan).propagation).toEqual(["MS_SLAVE"]);
  expect(operationsOf(plan, "remount")).toMatchObject([{ containerPath: "/d", propagation: ["MS_SHARED"] }]);
});

describe("proc and sysfs", () => {
  test("only onto an ordinary directory", () => {
    const plan = planOfMount(
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/sys", type: "sysfs" },
      { destination: "/t", type: "tmpfs" },
    );
    expect(operationsOf(plan, "mount").map(({ plainTarget }) => plainTarget)).toEqual([true, true, false]);
  });

  test.each([
    ["sysfs", "/sys", "network"],
    ["proc", "/proc", "pid"],
    ["mqueue", "/dev/mqueue", "ipc"],
  ] as const)("%s in a user namespace that does not own what it shows", (type, hostPath, namespace) => {
    const mounts = [{ destination: hostPath, type }];
    const without = planOf({ mounts, linux: userNamespace });
    expect(onlyMount(without).fallbackHostPath).toBe(hostPath);
    const linux = { ...userNamespace, namespaces: namespaces("user", "mount", namespace) };
    expect(onlyMount(planOf({ mounts, linux })).fallbackHostPath).toBeNull();
    expect(onlyMount(planOf({ mounts })).fallbackHostPath).toBeNull();
  });

  test.each([
    { destination: "/proc", type: "tmpfs" },
    { destination: "/proc/", source: "/srv", options: ["bind"] },
    { destination: "/proc/self/attr", type: "tmpfs" },
    { destination: "/x/../proc/sys", source: "/srv", options: ["rbind"] },
    { destination: "/proc/cpuinfo", type: "tmpfs" },
  ])("nothing else is mounted at or below /proc: %j", (mount) => {
    expect(() => planOfMount(mount)).toThrow(
      expect.objectContaining({
        code: "ERR_RUNLET_MOUNT",
        pointer: "/mounts/0/destination",
        message: expect.stringContaining("inside /proc"),
      }),
    );
  });

  test.each([
    { destination: "/proc/cpuinfo", source: "/var/lib/lxcfs/proc/cpuinfo", options: ["bind"] },
    { destination: "/proc", source: "/proc", options: ["rbind"] },
    { destination: "/processes", type: "tmpfs" },
  ])("but %j is", (mount) => {
    expect(onlyMount(planOfMount(mount)).containerPath).toBe(mount.destination);
  });
});

describe("idmap", () => {
  const own = {
    uidMappings: [{ containerID: 0, hostID: 5000, size: 10 }],
    gidMappings: [{ containerID: 0, hostID: 6000, size: 10 }],
  };

  test("with mappings of its own", () => {
    const plan = planOfMount({ destination: "/d", source: "/srv", options: ["bind", "ridmap"], ...own });
    expect(onlyMount(plan)).toMatchObject({ idmapSlot: 0, idmapRecursive: true });
    expect(plan.descriptors[0]).toEqual({ kind: "idmap", ...own, from: "/mounts/0" });
  });

  test("mappings mean idmap without the word", () => {
    const plan = planOfMount({ destination: "/d", source: "/srv", options: ["bind"], ...own });
    expect(onlyMount(plan)).toMatchObject({ idmapSlot: 0, idmapRecursive: false });
  });

  test("two mounts with the same mappings share a descriptor", () => {
    const mount = { source: "/srv", options: ["bind"], ...own };
    const plan = planOfMount({ destination: "/a", ...mount }, { destination: "/b", ...mount });
    expect(operationsOf(plan, "mount").map(({ idmapSlot }) => idmapSlot)).toEqual([0, 0]);
  });

  test("with the container's mappings, which the parent applies", () => {
    const mounts = [{ destination: "/d", source: "/srv", options: ["bind", "idmap"] }];
    const plan = planOf({ mounts, linux: userNamespace });
    expect(onlyMount(plan)).toMatchObject({ source: { kind: "descriptor", slot: 1 }, idmapSlot: null });
    expect(plan.descriptors.slice(0, 2)).toMatchObject([
      { kind: "idmap", uidMappings: userNamespace.uidMappings },
      { kind: "tree", hostPath: "/srv", idmapSlot: 0, idmapRecursive: false },
    ]);
  });

  test("of a new file system in a user namespace, which the parent makes: the helper's own could not be mapped", () => {
    const mount = { destination: "/d", type: "tmpfs", source: "tmpfs", options: ["idmap", "size=1m", "ro", "nosuid"] };
    const plan = planOf({ mounts: [mount], linux: userNamespace });
    expect(onlyMount(plan)).toMatchObject({
      source: { kind: "descriptor", slot: 1 },
      attributes: { set: ["MOUNT_ATTR_NOSUID"], clear: [] },
      idmapSlot: null,
      keepMode: true,
    });
    expect(plan.descriptors.slice(0, 2)).toEqual([
      { kind: "idmap", ...mappingsOf(userNamespace), from: "/mounts/0" },
      {
        kind: "filesystem",
        type: "tmpfs",
        source: "tmpfs",
        options: [{ key: "size", value: "1m" }],
        idmapSlot: 0,
        from: "/mounts/0",
      },
    ]);
  });

  test("with those of a user namespace that is joined", () => {
    const linux = { namespaces: [...namespaces("mount"), { type: "user" as const, path: "/run/userns" }] };
    const plan = planOf({ mounts: [{ destination: "/d", type: "tmpfs", options: ["idmap"] }], linux });
    const { source } = onlyMount(plan);
    const filesystem = plan.descriptors[source.kind === "descriptor" ? source.slot : -1];
    const namespace = plan.descriptors[filesystem?.kind === "filesystem" ? filesystem.idmapSlot : -1];
    expect(namespace).toMatchObject({ kind: "namespace", type: "user", hostPath: "/run/userns" });
  });

  test("with none", () => {
    expect(() => planOfMount({ destination: "/d", source: "/srv", options: ["bind", "idmap"] })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_MOUNT", pointer: "/mounts/0/options" }),
    );
  });
});

test("mountLabel is the context of every file system but proc and sysfs", () => {
  const label = "system_u:object_r:container_file_t:s0";
  const plan = planOf(
    {
      mounts: [
        { destination: "/proc", type: "proc" },
        { destination: "/sys", type: "sysfs" },
        { destination: "/t", type: "tmpfs" },
        { destination: "/d", source: "/srv", options: ["bind"] },
      ],
      linux: { namespaces: namespaces("mount"), mountLabel: label },
    },
    { host: { securityModules: ["selinux"] } },
  );
  const labelled = operationsOf(plan, "mount").filter(
    ({ source }) =>
      source.kind === "filesystem" && source.options.some(({ key, value }) => key === "context" && value === label),
  );
  expect(labelled.map(({ containerPath }) => containerPath)).toEqual(["/t"]);
});

test("iversion is a word of ext4; others decide themselves", () => {
  const ext4 = planOfMount({ destination: "/d", type: "ext4", source: "/dev/sdb", options: ["iversion"] });
  expect(onlyMount(ext4).source).toMatchObject({ options: [{ key: "i_version", value: null }] });
  const xfs = planOfMount({ destination: "/d", type: "xfs", source: "/dev/sdb", options: ["iversion"] });
  expect(onlyMount(xfs).source).toMatchObject({ options: [] });
  expect(xfs.warnings).toEqual([expect.objectContaining({ pointer: "/mounts/0/options" })]);
});

test("a relative destination is taken from the root, with a warning", () => {
  const plan = planOfMount({ destination: "data/./x", type: "tmpfs" });
  expect(onlyMount(plan).containerPath).toBe("/data/x");
  expect(plan.warnings).toEqual([expect.objectContaining({ pointer: "/mounts/0/destination" })]);
});

test.each([
  ["no type", { destination: "/d", source: "x" }, "/mounts/0/type"],
  ["the type none without bind", { destination: "/d", type: "none" }, "/mounts/0/type"],
])("refused: %s", (_, mount, pointer) => {
  expect(() => planOfMount(mount)).toThrow(expect.objectContaining({ code: "ERR_RUNLET_MOUNT", pointer }));
});
