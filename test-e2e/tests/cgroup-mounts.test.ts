import { basename } from "node:path";
import { describe, expect } from "vitest";
import type { Config } from "../harness/bundle.ts";
import { cgroupLayout } from "../harness/requirements.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;
const mountinfo = "read=/proc/self/mountinfo";
const ownGroups = "read=/proc/self/cgroup";
const isUnified = cgroupLayout === "v2";
/** A directory of the container where its own memory group is. */
const group = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";

function withCgroupMount(
  config: Config,
  options: { type?: string; isReadonly?: boolean; hasNamespace?: boolean },
): void {
  const { type = "cgroup", isReadonly = false, hasNamespace = false } = options;
  config.linux.namespaces = (config.linux.namespaces ?? []).filter((namespace) => namespace.type !== "cgroup");
  if (hasNamespace) config.linux.namespaces.push({ type: "cgroup" });
  config.mounts = config.mounts.map((mount) =>
    mount.type === "cgroup"
      ? { ...mount, type, source: type, options: ["nosuid", "noexec", "nodev", isReadonly ? "ro" : "rw"] }
      : mount,
  );
}

for (const hasNamespace of [false, true]) {
  describe(`[/mounts] a cgroup mount ${hasNamespace ? "with" : "without"} a cgroup namespace`, () => {
    test("shows the container's own group, and lets it make groups of its own below", {
      runtime: isUnified && !hasNamespace ? [] : ["runlet", "runc", "crun"],
    }, async () => {
      const bundle = e2e.bundle((config) => withCgroupMount(config, { hasNamespace }));
      const verbs = [`read=${group}/cgroup.procs`, `mkdir=${group}/mine`, `list=${group}/mine`, `remove=${group}/mine`];
      const seen = await e2e.observe(bundle, ...verbs, ownGroups);
      expect(seen.of<string>(`read=${group}/cgroup.procs`).trim().split("\n")).toContain("1");
      expect(seen.of(`mkdir=${group}/mine`)).toBe("ok");
      expect(seen.of(`list=${group}/mine`)).toContain("cgroup.procs");
      expect(seen.of(`remove=${group}/mine`)).toBe("ok");
    });

    test("read-only is that for each hierarchy, and for what holds them", async () => {
      const bundle = e2e.bundle((config) => withCgroupMount(config, { hasNamespace, isReadonly: true }));
      const seen = await e2e.observe(bundle, mountinfo, `mkdir=${group}/mine`, "mkdir=/sys/fs/cgroup/mine");
      const mounts = seen.mounts().filter(({ type }) => type.startsWith("cgroup"));
      expect(mounts.length).toBeGreaterThan(0);
      for (const mount of mounts) expect(mount.options, mount.target).toEqual(expect.arrayContaining(["ro", "nosuid"]));
      expect(seen.of(`mkdir=${group}/mine`)).toEqual({ errno: "EROFS" });
      // The peers leave the tmpfs that holds the hierarchies of v1 writable.
      if (e2e.runtime.name === "runlet") expect(seen.of("mkdir=/sys/fs/cgroup/mine")).toEqual({ errno: "EROFS" });
    });
  });
}

test("[/mounts] with a cgroup namespace the root of each hierarchy is the container's own group", async () => {
  const bundle = e2e.bundle((config) => withCgroupMount(config, { hasNamespace: true, isReadonly: true }));
  const seen = await e2e.observe(bundle, mountinfo, ownGroups);
  const hierarchies = seen.mounts().filter(({ type }) => type === "cgroup" || type === "cgroup2");
  expect(hierarchies.length).toBeGreaterThan(0);
  for (const mount of hierarchies.filter(({ superOptions }) => superOptions.includes("memory"))) {
    expect(mount.root).toBe("/");
  }
  for (const line of seen.of<string>(ownGroups).trim().split("\n")) {
    if (/:(memory|pids|):/.test(line) && isUnified) expect(line).toMatch(/:\/$/);
  }
});

test("[/mounts] on v1 each hierarchy has its place, and a controller that shares one has a link", {
  cgroup: ["v1", "hybrid"],
}, async () => {
  const bundle = e2e.bundle((config) => withCgroupMount(config, { isReadonly: true }));
  const seen = await e2e.observe(bundle, mountinfo, "list=/sys/fs/cgroup");
  const names = seen.of<string[]>("list=/sys/fs/cgroup");
  const hierarchies = seen.mounts().filter(({ type }) => type === "cgroup");
  for (const { target } of hierarchies) expect(names).toContain(basename(target));
  for (const { superOptions } of hierarchies) {
    for (const option of superOptions.filter(
      (name) => !name.startsWith("name=") && !["rw", "ro", "xattr"].includes(name),
    )) {
      expect(names).toContain(option);
    }
  }
});

test("[/mounts] of type cgroup2 is the unified hierarchy, also on a hybrid host", {
  cgroup: ["hybrid", "v2"],
  runtime: ["runlet"],
}, async () => {
  const bundle = e2e.bundle((config) =>
    withCgroupMount(config, { type: "cgroup2", isReadonly: true, hasNamespace: true }),
  );
  const seen = await e2e.observe(bundle, mountinfo, "list=/sys/fs/cgroup");
  expect(seen.mountAt("/sys/fs/cgroup")).toMatchObject({ type: "cgroup2" });
  expect(seen.of("list=/sys/fs/cgroup")).toContain("cgroup.procs");
});

test("[/mounts] options that a hierarchy of v1 does not take are said", {
  cgroup: ["v1", "hybrid"],
  runtime: ["runlet"],
}, async () => {
  const bundle = e2e.bundle((config) => {
    withCgroupMount(config, { isReadonly: true });
    for (const mount of config.mounts) if (mount.type === "cgroup") mount.options?.push("nsdelegate");
  });
  const result = await e2e.run(bundle.probing("ids"));
  expect(result.status).toBe(0);
  expect(result.stderr).toContain("nsdelegate");
  expect(result.stderr).toContain("/mounts/6/options");
});
