import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Operation, Plan } from "@runlet/plan";
import type { Process, Spec } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { type ImageParts, soundParts, temporaryDirectory, writeImage } from "../../test/criu-image.ts";
import { checkImages, type ImageExpectations } from "./image-check.ts";
import { ImageDirectory } from "./image-directory.ts";

const attributes = { set: [], clear: [] };
const mountParts = {
  op: "mount",
  attributes,
  recursiveAttributes: attributes,
  propagation: [],
  idmapSlot: null,
  idmapRecursive: false,
  copyUp: false,
  createTarget: true,
  plainTarget: false,
  fallbackHostPath: null,
} as const;

const operations: readonly Operation[] = [
  {
    ...mountParts,
    source: { kind: "filesystem", type: "proc", source: "proc", options: [] },
    containerPath: "/proc",
    attributes: { set: ["MOUNT_ATTR_NOSUID", "MOUNT_ATTR_NODEV", "MOUNT_ATTR_NOEXEC"], clear: [] },
    from: "/mounts/0",
  },
  {
    ...mountParts,
    source: { kind: "bind", hostPath: "/host", recursive: true },
    containerPath: "/data",
    from: "/mounts/1",
  },
  { op: "maskPath", containerPath: "/proc/acpi", from: "/linux/maskedPaths/0" },
  { op: "maskPath", containerPath: "/proc/not-there", from: "/linux/maskedPaths/1" },
  { op: "makePathReadonly", containerPath: "/proc/sys", from: "/linux/readonlyPaths/0" },
  { op: "dropBoundingCapabilities", keep: [], from: "/process/capabilities/bounding" },
  { op: "setCapabilities", effective: [], permitted: [], inheritable: [], ambient: [], from: "/process/capabilities" },
];

function expectations(change: Partial<ImageExpectations> = {}): ImageExpectations {
  const rootHostPath = temporaryDirectory();
  const plan: Plan = { version: 1, descriptors: [], phases: [{ name: "inNamespaces", operations }] };
  const spec: Spec = {
    ociVersion: "1.3.0",
    process: { cwd: "/", user: { uid: 0, gid: 0 } },
    linux: { namespaces: (["pid", "network", "ipc", "uts", "mount", "cgroup"] as const).map((type) => ({ type })) },
  };
  return {
    spec,
    plan,
    rootHostPath,
    external: [{ containerPath: "/data", hostPath: "/host", from: "/mounts/1" }],
    namespaces: [],
    mountPoints: new Map([
      ["/proc", "/proc"],
      ["/data", "/data"],
    ]),
    restoresCgroups: true,
    hasLsmProfile: false,
    savesNoNewPrivileges: true,
    ...change,
  };
}

/** Checks an image that was changed. */
function check(change: (parts: ImageParts) => void = () => {}, given: Partial<ImageExpectations> = {}): void {
  const hostPath = temporaryDirectory();
  const parts = soundParts();
  change(parts);
  writeImage(hostPath, parts);
  using images = ImageDirectory.open(hostPath);
  checkImages(images, expectations(given));
}

/** The mount of an image at a path. */
function mountAt(parts: ImageParts, path: string) {
  const found = parts.mounts.findIndex(({ mountPoint }) => mountPoint === path);
  return {
    change: (change: ImageParts["mounts"][number]) => {
      parts.mounts[found] = { ...parts.mounts[found], ...change };
    },
    remove: () => parts.mounts.splice(found, 1),
  };
}

function credentials(parts: ImageParts, change: object): void {
  const { thread } = parts.core;
  parts.core = { ...parts.core, thread: { ...thread, credentials: { ...thread?.credentials, ...change } } };
}

it("an image that says what the config says is taken", () => {
  expect(() => check()).not.toThrow();
});

describe("namespaces", () => {
  it.each(["pid", "network", "ipc", "uts", "mount", "cgroup"] as const)(
    "the host's %s namespace is refused",
    (type) => {
      const change = (parts: ImageParts) => {
        parts.ids = { ...parts.ids, [type]: parts.inventory.rootIds?.[type] };
      };
      expect(() => check(change)).toThrow(`puts the container into the host's ${type} namespace`);
    },
  );

  it("a namespace of which nothing is said is refused", () => {
    const { mount: _, ...rest } = soundParts().ids;
    expect(() => check((parts) => Object.assign(parts, { ids: rest }))).toThrow("the host's mount namespace");
  });

  it("one that the config does not have is refused", () => {
    const change = (parts: ImageParts) => {
      parts.ids = { ...parts.ids, user: 77 };
    };
    expect(() => check(change)).toThrow("a user namespace of its own");
  });

  it("two first processes are refused, one of which would be the host's child", () => {
    expect(() => check(({ processes }) => processes.push({ pid: 2, parentPid: 0, threads: [2] }))).toThrow(
      "one first process",
    );
  });
});

describe("mounts", () => {
  it.each<[string, (parts: ImageParts) => void, string]>([
    [
      "one that the config does not have",
      ({ mounts }) => mounts.push({ type: 5, mountId: 9, parentId: 1, root: "/", mountPoint: "/x" }),
      'a mount at "/x" that',
    ],
    [
      "the content of another",
      (parts) => mountAt(parts, "/proc").change({ externalKey: "/data" }),
      'a mount at "/proc" that',
    ],
    [
      "a name that the config does not have",
      (parts) => mountAt(parts, "/data").change({ externalKey: "/etc" }),
      'a mount at "/data" that',
    ],
    [
      "a name that ends early for C",
      (parts) => mountAt(parts, "/data").change({ externalKey: "/data\0" }),
      'a mount at "/data" that',
    ],
    [
      "a new file system where a bind mount belongs",
      (parts) => mountAt(parts, "/data").change({ externalKey: undefined }),
      'a mount at "/data" that',
    ],
    [
      "devtmpfs in the place of procfs",
      (parts) => mountAt(parts, "/proc").change({ type: 3 }),
      'a mount at "/proc" that',
    ],
    [
      "a part of procfs, such as the root of a process",
      (parts) => mountAt(parts, "/proc").change({ root: "/1/root" }),
      'a mount at "/proc" that',
    ],
    [
      "a read-only path that shows another",
      (parts) => mountAt(parts, "/proc/sys").change({ root: "/1/root" }),
      'a mount at "/proc/sys" that',
    ],
    [
      "a read-only path that is writable",
      (parts) => mountAt(parts, "/proc/sys").change({ flags: 0 }),
      'at "/proc/sys" that may do more',
    ],
    [
      "a mask that is writable",
      (parts) => mountAt(parts, "/proc/acpi").change({ flags: 0 }),
      'a mount at "/proc/acpi" that',
    ],
    ["fewer restrictions", (parts) => mountAt(parts, "/proc").change({ flags: 2 }), 'at "/proc" that may do more'],
    ["none where the config has one", (parts) => mountAt(parts, "/data").remove(), 'lacks the mount at "/data"'],
    ["no read-only path", (parts) => mountAt(parts, "/proc/sys").remove(), 'lacks the mount at "/proc/sys"'],
    [
      "a read-only path below what it should cover",
      (parts) => mountAt(parts, "/proc/sys").change({ parentId: 1 }),
      "on another one",
    ],
    ["two with one number", (parts) => mountAt(parts, "/proc/sys").change({ mountId: 4 }), "on another one"],
    ["a second root", (parts) => mountAt(parts, "/data").change({ parentId: 88 }), "on another one"],
  ])("an image with %s is refused", (_, change, message) => {
    expect(() => check(change)).toThrow(message);
  });

  it("a second mount namespace is refused", () => {
    const hostPath = temporaryDirectory();
    writeImage(hostPath, soundParts());
    writeFileSync(join(hostPath, "mountpoints-99.img"), "", { mode: 0o600 });
    using images = ImageDirectory.open(hostPath);
    expect(() => checkImages(images, expectations())).toThrow("belongs to a second mount namespace");
  });

  it("a read-only path of the root file system that is a link is refused: CRIU would follow it to the host's", () => {
    const rootHostPath = temporaryDirectory();
    mkdirSync(join(rootHostPath, "real"));
    symlinkSync("/etc", join(rootHostPath, "linked"));
    const plan = (containerPath: string): Plan => {
      const more: Operation = { op: "makePathReadonly", containerPath, from: "/linux/readonlyPaths/1" };
      return { version: 1, descriptors: [], phases: [{ name: "inNamespaces", operations: [...operations, more] }] };
    };
    const change =
      (path: string) =>
      ({ mounts }: ImageParts) => {
        mounts.push({ type: 17, mountId: 9, parentId: 1, flags: 1, root: `/bundle/rootfs${path}`, mountPoint: path });
      };
    expect(() => check(change("/real"), { plan: plan("/real"), rootHostPath })).not.toThrow();
    expect(() => check(change("/linked"), { plan: plan("/linked"), rootHostPath })).toThrow(
      'a mount at "/linked" that',
    );
  });
});

describe("privileges", () => {
  it.each<[string, object, string]>([
    ["a capability", { effective: [1 << 21, 0] }, "does not grant: CAP_SYS_ADMIN"],
    ["a capability of the second word", { bounding: [0, 1 << 6] }, "does not grant: CAP_PERFMON"],
    ["an ambient capability", { ambient: [1, 0] }, "does not grant: CAP_CHOWN"],
    ["a capability without a name", { permitted: [0, 0x8000_0000] }, "does not grant: unknown ones"],
  ])("a process with %s that the config does not grant is refused", (_, change, message) => {
    expect(() => check((parts) => credentials(parts, change))).toThrow(message);
  });

  it("a process of which nothing is said is refused, unless it has ended", () => {
    const change = (state: number) => (parts: ImageParts) => {
      parts.core = { task: { state } };
    };
    expect(() => check(change(1))).toThrow("says nothing of the privileges");
    expect(() => check(change(2))).not.toThrow();
  });

  it("another user is refused where no process can become one", () => {
    expect(() => check((parts) => credentials(parts, { euid: 1000 }))).toThrow("of another user than config.json's");
    expect(() => check((parts) => credentials(parts, { groups: [27] }))).toThrow("of another user than config.json's");
  });

  const specWith = (process: Partial<Process>): Spec => ({
    ...expectations().spec,
    process: { cwd: "/", user: { uid: 0, gid: 0 }, ...process },
  });

  const limited = (hard: bigint): Operation =>
    ({ op: "setRlimit", name: "RLIMIT_NPROC", resource: 6, soft: 1n, hard, from: "/process/rlimits/0" }) as const;
  const planWith = (...more: readonly Operation[]): Plan => ({
    version: 1,
    descriptors: [],
    phases: [{ name: "inNamespaces", operations: [...operations, ...more] }],
  });
  const limitedTo = (hard: bigint) => (parts: ImageParts) => {
    const entries = Array.from({ length: 16 }, (_, resource) => ({ soft: 0n, hard: resource === 6 ? hard : 0n }));
    parts.core = { ...parts.core, task: { ...parts.core.task, limits: { entries } } };
  };

  it("a limit that is higher than the config's, or is not there, is refused", () => {
    const plan = planWith(limited(100n));
    expect(() => check(limitedTo(100n), { plan })).not.toThrow();
    expect(() => check(limitedTo(99n), { plan })).not.toThrow();
    expect(() => check(limitedTo(101n), { plan })).toThrow("whose RLIMIT_NPROC is higher than config.json's");
    expect(() => check(limitedTo(2n ** 64n - 1n), { plan })).toThrow("RLIMIT_NPROC is higher");
    expect(() => check(() => {}, { plan })).toThrow("RLIMIT_NPROC is higher");
  });

  it("a limit says nothing where a process may change it itself", () => {
    const bounding = operations.map((operation) =>
      operation.op === "dropBoundingCapabilities" ? { ...operation, keep: ["CAP_SYS_RESOURCE" as const] } : operation,
    );
    const plan = { ...planWith(), phases: [{ name: "inNamespaces", operations: [...bounding, limited(1n)] }] } as Plan;
    expect(() => check(limitedTo(5n), { plan })).not.toThrow();
    const spec = specWith({ noNewPrivileges: true });
    const restricted = (parts: ImageParts) => {
      limitedTo(5n)(parts);
      credentials(parts, { noNewPrivileges: 1 });
    };
    expect(() => check(restricted, { plan, spec })).toThrow("RLIMIT_NPROC is higher");
  });

  it("a process that the kernel would spare longer than the config says is refused", () => {
    const spec = specWith({ oomScoreAdj: 300 });
    const scored = (oomScoreAdj?: number) => (parts: ImageParts) => {
      parts.core = { ...parts.core, task: { ...parts.core.task, oomScoreAdj } };
    };
    expect(() => check(scored(300), { spec })).not.toThrow();
    expect(() => check(scored(299), { spec })).toThrow("oom_score_adj is lower");
    expect(() => check(scored(-1000), { spec })).toThrow("oom_score_adj is lower");
    expect(() => check(scored(), { spec })).toThrow("oom_score_adj is lower");
  });

  it("a process that may gain privileges is refused, where CRIU says so", () => {
    const spec = specWith({ noNewPrivileges: true });
    expect(() => check(() => {}, { spec })).toThrow("may gain privileges");
    expect(() => check((parts) => credentials(parts, { noNewPrivileges: 1 }), { spec })).not.toThrow();
    expect(() => check(() => {}, { spec, savesNoNewPrivileges: false })).not.toThrow();
  });

  it("a process without the security profile is refused, unless another is given", () => {
    const spec = specWith({ apparmorProfile: "strict" });
    expect(() => check(() => {}, { spec })).toThrow("without the security profile");
    expect(() => check((parts) => credentials(parts, { lsmProfile: "unconfined" }), { spec })).toThrow(
      "security profile",
    );
    expect(() => check((parts) => credentials(parts, { lsmProfile: "strict (enforce)" }), { spec })).not.toThrow();
    expect(() => check(() => {}, { spec, hasLsmProfile: true })).not.toThrow();
  });

  it("a process without the filter of system calls is refused", () => {
    const filter: Operation = {
      op: "loadSeccomp",
      flags: 0,
      filter: new Uint8Array([6, 0, 0, 0, 0, 0, 0xff, 0x7f]),
      listener: false,
      from: "/linux/seccomp",
    };
    const plan: Plan = {
      version: 1,
      descriptors: [],
      phases: [{ name: "inNamespaces", operations: [...operations, filter] }],
    };
    expect(() => check(() => {}, { plan })).toThrow("without the filter of /linux/seccomp");
    const claims = (parts: ImageParts) => {
      parts.core = { ...parts.core, thread: { ...parts.core.thread, seccompMode: 2, seccompFilter: 0 } };
    };
    expect(() => check(claims, { plan })).toThrow("without the filter of /linux/seccomp");
  });
});

describe("control groups", () => {
  const controllers = (parts: ImageParts, change: object) => {
    const [first] = parts.cgroups.controllers ?? [];
    parts.cgroups = { ...parts.cgroups, controllers: [{ ...first, ...change }] };
  };
  const property = (name: string) => [{ name: "box", properties: [{ name, value: "|/bin/sh" }] }];

  it.each<[string, (parts: ImageParts) => void]>([
    [
      "a process outside",
      ({ cgroups }) => Object.assign(cgroups, { sets: [{ id: 2, members: [{ name: "", path: "/box2" }] }] }),
    ],
    [
      "a process above",
      ({ cgroups }) => Object.assign(cgroups, { sets: [{ id: 2, members: [{ name: "", path: "/box/../other" }] }] }),
    ],
    [
      "a controller that is not named",
      ({ cgroups }) => Object.assign(cgroups, { sets: [{ id: 2, members: [{ name: "x", path: "/box" }] }] }),
    ],
    ["two groups", (parts) => controllers(parts, { directories: [{ name: "box" }, { name: "other" }] })],
    ["a way up", (parts) => controllers(parts, { directories: [{ name: "box", children: [{ name: "../other" }] }] })],
    [
      "a property that is a path",
      (parts) => controllers(parts, { directories: property("../../proc/sys/kernel/core_pattern") }),
    ],
    ["a property that leads up", (parts) => controllers(parts, { directories: property("..") })],
    ["a property that ends early for C", (parts) => controllers(parts, { directories: property("memory.max\0") })],
  ])("an image with %s is refused", (_, change) => {
    expect(() => check(change)).toThrow(/cgroup\.img" (?:has|names)/);
    expect(() => check(change, { restoresCgroups: false })).not.toThrow();
  });
});

it("an image of an old format, and bytes that are none, are refused", () => {
  expect(() => check(({ inventory }) => Object.assign(inventory, { version: 1 }))).toThrow("is too old");
  const hostPath = temporaryDirectory();
  writeImage(hostPath, soundParts());
  writeFileSync(join(hostPath, "core-1.img"), "no image at all", { mode: 0o600 });
  using images = ImageDirectory.open(hostPath);
  expect(() => checkImages(images, expectations())).toThrow("is no core of an image");
});
