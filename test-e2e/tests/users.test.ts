import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LinuxIDMapping } from "@runlet/spec";
import { describe, expect } from "vitest";
import type { Bundle, Config } from "../harness/bundle.ts";
import { capabilitySets } from "../harness/capability.ts";
import { waitUntil } from "../harness/patience.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;
const mountinfo = "read=/proc/self/mountinfo";
const uidMap = "read=/proc/self/uid_map";
const gidMap = "read=/proc/self/gid_map";
const first = 500_000;
const range: readonly LinuxIDMapping[] = [{ containerID: 0, hostID: first, size: 65_536 }];

/** A map as numbers, line by line. */
function mapOf(text: unknown): number[][] {
  return String(text)
    .trimEnd()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
}

/** Puts the container into a user namespace, to whose root its root filesystem belongs. */
function mapUsers(config: Config, bundle: Bundle, mappings: readonly LinuxIDMapping[] = range): void {
  config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "user" }];
  config.linux.uidMappings = [...mappings];
  config.linux.gidMappings = [...mappings];
  const root = mappings.find(({ containerID }) => containerID === 0)?.hostID ?? mappings[0]?.hostID ?? 0;
  execFileSync("chown", ["--recursive", `${root}:${root}`, bundle.rootfs]);
  // Every directory that leads there can be entered by everybody.
  chmodSync(e2e.directory, 0o755);
}

/** Takes out the options of mounts that name ids which are not mapped. */
function withoutIds(config: Config): void {
  config.mounts = config.mounts.map((mount) => ({
    ...mount,
    options: (mount.options ?? []).filter((option) => !/^[ug]id=/.test(option)),
  }));
}

describe("[/linux/uidMappings/**] [/linux/gidMappings/**] a new user namespace", () => {
  test("[/linux/uidMappings] maps a range, and root of it owns its files", async () => {
    const bundle = e2e.bundle((config, made) => {
      config.root.readonly = false;
      mapUsers(config, made);
    });
    const seen = await e2e.observe(bundle, "ids", uidMap, gidMap, "write=/new:x", "stat=/new", "stat=/proc/self");
    expect(seen.of("ids")).toMatchObject({ uid: 0, euid: 0, gid: 0, egid: 0, groups: [] });
    expect(mapOf(seen.of(uidMap))).toEqual([[0, first, 65_536]]);
    expect(mapOf(seen.of(gidMap))).toEqual([[0, first, 65_536]]);
    expect(seen.of("stat=/new")).toMatchObject({ uid: 0, gid: 0 });
    expect(seen.of("stat=/proc/self")).toMatchObject({ uid: 0, gid: 0 });
    expect(statSync(join(bundle.rootfs, "new"))).toMatchObject({ uid: first, gid: first });
  });

  test("[/linux/uidMappings] maps more than five lines", async () => {
    const lines = Array.from({ length: 12 }, (_, index) => ({
      containerID: index * 10,
      hostID: first + 1000 - index * 20,
      size: 10,
    }));
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made, lines);
      config.process.user = { uid: 115, gid: 34, additionalGids: [119, 3] };
    });
    const seen = await e2e.observe(bundle, "ids", uidMap, gidMap);
    const expected = lines.map(({ containerID, hostID, size }) => [containerID, hostID, size]);
    const inOrder = (map: number[][]) => map.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
    expect(inOrder(mapOf(seen.of(uidMap)))).toEqual(expected);
    expect(inOrder(mapOf(seen.of(gidMap)))).toEqual(expected);
    // The kernel sorts groups by their ids on the host.
    expect(seen.of("ids")).toMatchObject({ uid: 115, gid: 34, groups: [119, 3] });
  });

  test("[/linux/gidMappings] can be another than that of the users", async () => {
    const gidMappings = [
      { containerID: 0, hostID: first, size: 10 },
      { containerID: 100, hostID: first + 500, size: 1 },
    ];
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made);
      config.linux.gidMappings = gidMappings;
      config.process.user = { uid: 0, gid: 100 };
    });
    const seen = await e2e.observe(bundle, "ids", uidMap, gidMap);
    expect(mapOf(seen.of(uidMap))).toEqual([[0, first, 65_536]]);
    expect(mapOf(seen.of(gidMap))).toEqual(gidMappings.map((line) => [line.containerID, line.hostID, line.size]));
    expect(seen.of("ids")).toMatchObject({ uid: 0, gid: 100 });
  });

  test("[/linux/uidMappings] need not have a root", { runtime: ["runlet", "crun"] }, async () => {
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made, [{ containerID: 1000, hostID: first + 7, size: 10 }]);
      config.process.user = { uid: 1003, gid: 1004 };
      config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
      withoutIds(config);
    });
    const seen = await e2e.observe(bundle, "ids", uidMap, "stat=/proc/self", "write=/dev/shm/x:y", "stat=/dev/shm/x");
    expect(seen.of("ids")).toMatchObject({ uid: 1003, euid: 1003, gid: 1004, egid: 1004 });
    expect(mapOf(seen.of(uidMap))).toEqual([[1000, first + 7, 10]]);
    expect(seen.of("stat=/proc/self")).toMatchObject({ uid: 1003, gid: 1004 });
    expect(seen.of("stat=/dev/shm/x")).toMatchObject({ uid: 1003, gid: 1004 });
  });

  test("[/process/capabilities] are of the user namespace, and none of them reaches the host", async () => {
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made);
      const names = ["CAP_SYS_ADMIN", "CAP_CHOWN"];
      config.process.capabilities = { bounding: names, effective: names, permitted: names };
    });
    const seen = await e2e.observe(bundle, "capabilities", "chown=/dev/shm", "openWrite=/proc/sysrq-trigger");
    const { effective } = capabilitySets({ effective: ["CAP_SYS_ADMIN", "CAP_CHOWN"] });
    expect(seen.of("capabilities")).toMatchObject({ effective });
    expect(seen.of("chown=/dev/shm")).toBe("ok");
    expect(seen.of("openWrite=/proc/sysrq-trigger")).toMatchObject({ errno: expect.any(String) });
  });

  test("[/process/user/additionalGids] are set, and the caller's groups are gone", async () => {
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made);
      config.process.user = { uid: 1, gid: 2, additionalGids: [30, 4, 500] };
    });
    const seen = await e2e.observe(bundle, "ids");
    expect(seen.of("ids")).toMatchObject({ uid: 1, gid: 2, groups: [4, 30, 500] });
  });

  test("[/process/oomScoreAdj] holds, with limits, although both are the host's to raise", async () => {
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made);
      config.process.oomScoreAdj = 77;
      config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 51, hard: 52 }];
    });
    const seen = await e2e.observe(bundle, "read=/proc/self/oom_score_adj", "rlimits");
    expect(seen.of<string>("read=/proc/self/oom_score_adj").trim()).toBe("77");
    expect(seen.of("rlimits")).toMatchObject({ RLIMIT_NOFILE: ["51", "52"] });
  });

  test("[/root/path] may lie where the container's root may not enter, and so may what is bound", {
    runtime: ["runlet"],
  }, async () => {
    const bundle = e2e.bundle((config, made) => {
      made.add({ "data/": "" });
      mapUsers(config, made);
      mkdirSync(join(made.hostPath, "secret"));
      writeFileSync(join(made.hostPath, "secret/file"), "reachable");
      config.mounts.push({ destination: "/data", type: "bind", source: "secret", options: ["rbind", "ro"] });
    });
    bundle.probing("read=/data/file", mountinfo);
    chmodSync(bundle.hostPath, 0o700);
    const seen = await e2e.observe(bundle, "read=/data/file", mountinfo);
    expect(seen.of("read=/data/file")).toBe("reachable");
    expect(seen.mounts().filter(({ target }) => target === "/")).toHaveLength(1);
  });

  test("[/mounts] lets no mount of the container's go to the host, also where the source is shared", async () => {
    const source = join(e2e.directory, "shared-source");
    mkdirSync(source);
    execFileSync("mount", ["-t", "tmpfs", e2e.tag, source]);
    execFileSync("mount", ["--make-shared", source]);
    try {
      mkdirSync(join(source, "below"));
      const bundle = e2e.bundle((config, made) => {
        made.add({ "data/": "" });
        mapUsers(config, made);
        const names = ["CAP_SYS_ADMIN"];
        config.process.capabilities = { bounding: names, effective: names, permitted: names };
        config.mounts.push({ destination: "/data", type: "bind", source, options: ["rbind", "shared"] });
      });
      const verb = "waitFile=/data/go";
      const id = e2e.id();
      const call = e2e.runtime.start([
        "run",
        "--bundle",
        bundle.probing(mountinfo, "mount=tmpfs:/data/below", "statfs=/data/below", verb).hostPath,
        id,
      ]);
      const output = await call.waitForOutput("statfs=/data/below");
      const hostMounts = readFileSync("/proc/self/mountinfo", "utf8");
      writeFileSync(join(source, "go"), "");
      expect(await call.ended).toMatchObject({ status: 0 });
      expect(output).toContain('["mount=tmpfs:/data/below","ok"]');
      expect(hostMounts).not.toContain(join(source, "below"));
    } finally {
      execFileSync("umount", ["--recursive", source]);
    }
  });

  const refused: [title: string, pointer: string, edit: (config: Config, bundle: Bundle) => void][] = [
    [
      "[/linux/uidMappings] without a user namespace",
      "/linux/uidMappings",
      (config) => {
        config.linux.uidMappings = [...range];
        config.linux.gidMappings = [...range];
      },
    ],
    [
      "[/linux/uidMappings] that are missing",
      "/linux/namespaces",
      (config) => {
        config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "user" }];
      },
    ],
    [
      "[/linux/gidMappings] that overlap",
      "/linux/gidMappings/1",
      (config, made) => {
        mapUsers(config, made);
        config.linux.gidMappings = [
          { containerID: 0, hostID: first, size: 10 },
          { containerID: 5, hostID: first + 100, size: 10 },
        ];
      },
    ],
    [
      "[/linux/uidMappings] that are more than the kernel takes in one write",
      "/linux/uidMappings",
      (config, made) => {
        const lines = Array.from({ length: 340 }, (_, index) => ({
          containerID: index,
          hostID: 1_000_000_000 + index,
          size: 1,
        }));
        mapUsers(config, made, lines);
      },
    ],
    [
      "[/process/user] that is not mapped",
      "/process/user/uid",
      (config, made) => {
        mapUsers(config, made, [{ containerID: 0, hostID: first, size: 5 }]);
        config.process.user = { uid: 5, gid: 0 };
      },
    ],
    [
      "[/process/user/additionalGids] that is not mapped",
      "/process/user/additionalGids/1",
      (config, made) => {
        mapUsers(config, made, [{ containerID: 0, hostID: first, size: 5 }]);
        config.process.user = { uid: 0, gid: 0, additionalGids: [4, 5] };
      },
    ],
  ];
  for (const [title, pointer, edit] of refused) {
    test(`${title} is refused`, { runtime: ["runlet"] }, async () => {
      const result = await e2e.run(e2e.bundle(edit).probing("ids"));
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
      expect(result.stderr).toContain(pointer);
    });
  }
});

describe("joining a user namespace by path", () => {
  test("[/linux/namespaces] is that of another container, with its maps and its ids", async () => {
    const ownerId = e2e.id();
    const owner = e2e.bundle((config, made) => mapUsers(config, made)).probing("wait");
    const call = e2e.runtime.start(["run", "--detach", "--bundle", owner.hostPath, ownerId]);
    expect(await call.ended).toMatchObject({ status: 0 });
    const { pid } = await e2e.runtime.state(ownerId);
    const path = `/proc/${pid}/ns/user`;
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made);
      config.linux.namespaces = (config.linux.namespaces ?? []).map((namespace) =>
        namespace.type === "user" ? { type: "user", path } : namespace,
      );
      config.process.user = { uid: 3, gid: 4, additionalGids: [5] };
      config.process.oomScoreAdj = 55;
    });
    const verbs = ["readlink=/proc/self/ns/user", uidMap, "ids", "read=/proc/self/oom_score_adj", "stat=/proc/self"];
    const seen = await e2e.observe(bundle, ...verbs);
    expect(seen.of("readlink=/proc/self/ns/user")).toBe(readlinkSync(path));
    expect(mapOf(seen.of(uidMap))).toEqual([[0, first, 65_536]]);
    expect(seen.of("ids")).toMatchObject({ uid: 3, gid: 4, groups: [5] });
    expect(seen.of<string>("read=/proc/self/oom_score_adj").trim()).toBe("55");
    expect(seen.of("stat=/proc/self")).toMatchObject({ uid: 3, gid: 4 });
  });

  test("[/linux/namespaces] that denies setgroups(2) leaves none of the caller's groups", {
    runtime: ["runlet"],
  }, async () => {
    // A process that maps one id, as an ordinary user does it: groups are denied there for good.
    const holder = spawn("unshare", ["--user", "--map-root-user", "sleep", "600"], {
      stdio: "ignore",
      uid: 61_300,
      gid: 61_300,
    });
    try {
      const setgroups = () => readFileSync(`/proc/${holder.pid}/setgroups`, "utf8");
      const map = () => readFileSync(`/proc/${holder.pid}/gid_map`, "utf8");
      await waitUntil({ look: map, until: (text) => text.includes("61300"), complain: (text) => `the map is ${text}` });
      expect(setgroups()).toBe("deny\n");
      const bundle = e2e.bundle((config, made) => {
        const path = `/proc/${holder.pid}/ns/user`;
        config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "user", path }];
        withoutIds(config);
        execFileSync("chown", ["--recursive", "61300:61300", made.rootfs]);
      });
      const seen = await e2e.observe(bundle, "ids", "read=/proc/self/setgroups");
      expect(seen.of("read=/proc/self/setgroups")).toBe("deny\n");
      expect(seen.of("ids")).toMatchObject({ uid: 0, gid: 0, groups: [] });
    } finally {
      holder.kill("SIGKILL");
    }
  });

  test("[/linux/namespaces] whose path is none of that kind is refused", async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "user", path: "/proc/self/ns/uts" }];
    });
    const result = await e2e.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
  });

  test("[/linux/namespaces] whose path does not exist is refused, with the path", async () => {
    const path = join(e2e.directory, "no-namespace");
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "user", path }];
    });
    const result = await e2e.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    if (e2e.runtime.name === "runlet") expect(result.stderr).toContain(path);
  });
});
