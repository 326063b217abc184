import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LinuxIDMapping, Mount } from "@runlet/spec";
import { describe, expect } from "vitest";
import type { Bundle, Config } from "../harness/bundle.ts";
import { openSuite } from "../harness/suite.ts";

// runc has id-mapped mounts since 1.2; crun 1.8.1 has them for single bind mounts.
// The files are in a tmpfs, which can be mapped since Linux 6.3, since what /tmp is in may not be.
const e2e = openSuite({ root: true, runtime: ["runlet", "crun"], kernel: "6.3" });
const { test } = e2e;
const first = 800_000;
const range: readonly LinuxIDMapping[] = [{ containerID: 0, hostID: first, size: 65_536 }];
/** On disk the files belong to 1000, in the container to root. */
const shifted = {
  uidMappings: [{ containerID: 1000, hostID: 0, size: 1 }],
  gidMappings: [{ containerID: 2000, hostID: 0, size: 1 }],
};

function mapUsers(config: Config, bundle: Bundle): void {
  config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "user" }];
  config.linux.uidMappings = [...range];
  config.linux.gidMappings = [...range];
  execFileSync("chown", ["--recursive", `${first}:${first}`, bundle.rootfs]);
  chmodSync(e2e.directory, 0o755);
}

function bundleWith(mount: Omit<Mount, "destination">, edit?: (config: Config, bundle: Bundle) => void) {
  return e2e.bundle((config, made) => {
    made.add({ "data/": "" });
    config.mounts.push({ destination: "/data", ...mount });
    edit?.(config, made);
  });
}

let files: string;

e2e.beforeAll(() => {
  files = join(e2e.directory, "files");
  mkdirSync(files);
  execFileSync("mount", ["-t", "tmpfs", e2e.tag, files]);
});

e2e.afterAll(() => {
  execFileSync("umount", [files]);
});

/** A directory of the host and a file in it, both of 1000:2000: in one whose owner is not mapped nobody can make anything. */
function source(name: string): string {
  const path = join(files, name);
  mkdirSync(path);
  writeFileSync(join(path, "file"), "content");
  chownSync(join(path, "file"), 1000, 2000);
  chownSync(path, 1000, 2000);
  chmodSync(path, 0o777);
  return path;
}

describe("[/mounts/*/uidMappings/**] [/mounts/*/gidMappings/**] a bind mount with mappings of its own", () => {
  test("[/mounts/uidMappings] shows the files as another's, and writes them as theirs", async () => {
    const path = source("own");
    const bundle = bundleWith({ type: "bind", source: path, options: ["bind"], ...shifted });
    const seen = await e2e.observe(bundle, "stat=/data/file", "write=/data/new:x", "stat=/data/new");
    expect(seen.of("stat=/data/file")).toMatchObject({ uid: 0, gid: 0 });
    expect(seen.of("write=/data/new:x")).toBe("ok");
    expect(seen.of("stat=/data/new")).toMatchObject({ uid: 0, gid: 0 });
    expect(statSync(join(path, "new"))).toMatchObject({ uid: 1000, gid: 2000 });
    expect(statSync(join(path, "file"))).toMatchObject({ uid: 1000, gid: 2000 });
  });

  test("[/mounts/options] idmap says the same with mappings", async () => {
    const path = source("said");
    const seen = await e2e.observe(
      bundleWith({ type: "bind", source: path, options: ["bind", "idmap"], ...shifted }),
      "stat=/data/file",
    );
    expect(seen.of("stat=/data/file")).toMatchObject({ uid: 0, gid: 0 });
  });

  test("[/mounts/gidMappings] shows ids that are not mapped as the overflow id, and lets nobody write there", async () => {
    const path = source("unmapped");
    chownSync(join(path, "file"), 5, 6);
    const seen = await e2e.observe(
      bundleWith({ type: "bind", source: path, options: ["bind"], ...shifted }),
      "stat=/data/file",
      "overwrite=/data/file:x",
    );
    expect(seen.of("stat=/data/file")).toMatchObject({ uid: 65_534, gid: 65_534 });
    expect(seen.of("overwrite=/data/file:x")).toEqual({ errno: "EACCES" });
  });

  test("[/mounts/uidMappings] holds in a user namespace, on top of its maps", async () => {
    const path = source("both");
    const mappings = {
      uidMappings: [{ containerID: 1000, hostID: first, size: 1 }],
      gidMappings: [{ containerID: 2000, hostID: first, size: 1 }],
    };
    const bundle = bundleWith({ type: "bind", source: path, options: ["bind"], ...mappings }, mapUsers);
    const seen = await e2e.observe(bundle, "stat=/data/file", "write=/data/new:x");
    expect(seen.of("stat=/data/file")).toMatchObject({ uid: 0, gid: 0 });
    expect(seen.of("write=/data/new:x")).toBe("ok");
    expect(statSync(join(path, "new"))).toMatchObject({ uid: 1000, gid: 2000 });
  });
});

describe("a bind mount with the container's mappings", () => {
  test("[/mounts/options] idmap lets the container's root own what the host's root owns", async () => {
    const path = source("containers");
    for (const owned of [path, join(path, "file")]) chownSync(owned, 0, 0);
    const bundle = bundleWith({ type: "bind", source: path, options: ["bind", "idmap"] }, mapUsers);
    const seen = await e2e.observe(bundle, "stat=/data/file", "write=/data/new:x", "overwrite=/data/file:y");
    expect(seen.of("stat=/data/file")).toMatchObject({ uid: 0, gid: 0 });
    expect(seen.of("write=/data/new:x")).toBe("ok");
    expect(seen.of("overwrite=/data/file:y")).toBe("ok");
    expect(statSync(join(path, "new"))).toMatchObject({ uid: 0, gid: 0 });
  });

  test("[/mounts/options] without it the host's root is nobody there", async () => {
    const path = source("plain");
    chownSync(join(path, "file"), 0, 0);
    const bundle = bundleWith({ type: "bind", source: path, options: ["bind"] }, mapUsers);
    const seen = await e2e.observe(bundle, "stat=/data/file", "overwrite=/data/file:y");
    expect(seen.of("stat=/data/file")).toMatchObject({ uid: 65_534, gid: 65_534 });
    expect(seen.of("overwrite=/data/file:y")).toEqual({ errno: "EACCES" });
  });

  test("[/mounts/options] idmap takes the maps of a user namespace that is joined", async () => {
    const ownerId = e2e.id();
    const owner = e2e.bundle(mapUsers).probing("wait");
    const call = e2e.runtime.start(["run", "--detach", "--bundle", owner.hostPath, ownerId]);
    expect(await call.ended).toMatchObject({ status: 0 });
    const { pid } = await e2e.runtime.state(ownerId);
    const path = source("joined");
    chownSync(join(path, "file"), 7, 8);
    const bundle = bundleWith({ type: "bind", source: path, options: ["bind", "idmap"] }, (config, made) => {
      mapUsers(config, made);
      config.linux.namespaces = (config.linux.namespaces ?? []).map((namespace) =>
        namespace.type === "user" ? { type: "user", path: `/proc/${pid}/ns/user` } : namespace,
      );
      delete config.linux.uidMappings;
      delete config.linux.gidMappings;
    });
    expect((await e2e.observe(bundle, "stat=/data/file")).of("stat=/data/file")).toMatchObject({ uid: 7, gid: 8 });
  });
});

describe("a tree of mounts", () => {
  let tree: string;

  e2e.beforeAll(() => {
    tree = join(e2e.directory, "tree");
    mkdirSync(tree);
    for (const path of [tree, join(tree, "below")]) {
      mkdirSync(path, { recursive: true });
      execFileSync("mount", ["-t", "tmpfs", e2e.tag, path]);
      writeFileSync(join(path, "file"), "");
      chownSync(join(path, "file"), 1000, 2000);
    }
  });

  e2e.afterAll(() => {
    execFileSync("umount", ["--recursive", tree]);
  });

  for (const [option, below] of [
    ["idmap", { uid: 1000, gid: 2000 }],
    ["ridmap", { uid: 0, gid: 0 }],
  ] as const) {
    test(`[/mounts/options] ${option} maps ${option === "idmap" ? "its top alone" : "all of it"}`, {
      runtime: ["runlet"],
    }, async () => {
      const bundle = bundleWith({ type: "bind", source: tree, options: ["rbind", option], ...shifted });
      const seen = await e2e.observe(bundle, "stat=/data/file", "stat=/data/below/file");
      expect(seen.of("stat=/data/file")).toMatchObject({ uid: 0, gid: 0 });
      expect(seen.of("stat=/data/below/file")).toMatchObject(below);
    });
  }
});

describe("a file system that is not bound", () => {
  test("[/mounts/uidMappings] a tmpfs of the container's own", { runtime: ["runlet"] }, async () => {
    const mappings = {
      uidMappings: [{ containerID: 0, hostID: 500, size: 10 }],
      gidMappings: [{ containerID: 0, hostID: 600, size: 10 }],
    };
    const bundle = bundleWith({ type: "tmpfs", source: "tmpfs", options: ["mode=755"], ...mappings });
    const seen = await e2e.observe(bundle, "stat=/data");
    expect(seen.of("stat=/data")).toMatchObject({ uid: 500, gid: 600 });
  });

  test("[/mounts/options] a tmpfs in a user namespace, with its maps", { runtime: ["runlet"] }, async () => {
    const bundle = bundleWith(
      { type: "tmpfs", source: "tmpfs", options: ["idmap", "mode=750", "nosuid", "noatime", "size=1m"] },
      mapUsers,
    );
    const seen = await e2e.observe(
      bundle,
      "stat=/data",
      "write=/data/new:x",
      "stat=/data/new",
      "read=/proc/self/mountinfo",
    );
    expect(seen.of("stat=/data")).toMatchObject({ uid: 0, gid: 0, mode: 0o750 });
    expect(seen.of("write=/data/new:x")).toBe("ok");
    expect(seen.of("stat=/data/new")).toMatchObject({ uid: 0, gid: 0 });
    const line = seen.mountAt("/data");
    expect(line.options).toEqual(expect.arrayContaining(["rw", "nosuid", "noatime", "idmapped"]));
    expect(line.superOptions).toContain("size=1024k");
  });

  test("[/mounts/uidMappings] a tmpfs in a user namespace, with others", { runtime: ["runlet"] }, async () => {
    const mappings = {
      uidMappings: [{ containerID: 0, hostID: first + 500, size: 10 }],
      gidMappings: [{ containerID: 0, hostID: first + 600, size: 10 }],
    };
    const bundle = bundleWith({ type: "tmpfs", source: "tmpfs", options: ["mode=755"], ...mappings }, mapUsers);
    const seen = await e2e.observe(bundle, "stat=/data");
    expect(seen.of("stat=/data")).toMatchObject({ uid: 500, gid: 600 });
  });

  test("[/mounts/options] what lay there is copied into it", { runtime: ["runlet"] }, async () => {
    const bundle = bundleWith({ type: "tmpfs", source: "tmpfs", options: ["idmap", "tmpcopyup"] }, (config, made) => {
      made.add({ "data/file": "content" });
      mapUsers(config, made);
    });
    const seen = await e2e.observe(bundle, "read=/data/file", "stat=/data/file");
    expect(seen.of("read=/data/file")).toBe("content");
    expect(seen.of("stat=/data/file")).toMatchObject({ uid: 0, gid: 0 });
  });

  for (const [what, mount, words] of [
    ["of a type that the kernel has not", { type: "nosuchfs" }, /no file system type .*nosuchfs/],
    ["with an option that it has not", { type: "tmpfs", options: ["idmap", "nosuch=1"] }, /nosuch/],
    ["that cannot be id-mapped", { type: "ramfs" }, /id-mapped/],
  ] as const) {
    test(`[/mounts/options] one ${what} is refused in a user namespace too`, { runtime: ["runlet"] }, async () => {
      const bundle = bundleWith(
        { source: "none", ...mount, options: [...("options" in mount ? mount.options : ["idmap"])] },
        mapUsers,
      );
      const result = await e2e.run(bundle.probing("ids"));
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
      expect(result.stderr).toContain("/mounts/7");
      expect(result.stderr).toMatch(words);
    });
  }
});

describe("what cannot be mapped", () => {
  test("[/mounts] a file system without id-mapped mounts is refused", async () => {
    const result = await e2e.run(
      bundleWith({ type: "bind", source: "/proc/sys", options: ["bind"], ...shifted }).probing("ids"),
    );
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    if (e2e.runtime.name === "runlet") {
      expect(result.stderr).toContain("/mounts/7");
      expect(result.stderr).toMatch(/id-mapped/);
    }
  });

  const refused: [what: string, pointer: string, mount: Omit<Mount, "destination">][] = [
    ["idmap without any mappings", "/mounts/7/options", { options: ["bind", "idmap"] }],
    [
      "uidMappings without gidMappings",
      "/mounts/7/uidMappings",
      { options: ["bind"], uidMappings: shifted.uidMappings },
    ],
    [
      "mappings of no ids",
      "/mounts/7/uidMappings/0/size",
      { options: ["bind"], ...shifted, uidMappings: [{ containerID: 0, hostID: 0, size: 0 }] },
    ],
  ];
  for (const [what, pointer, mount] of refused) {
    test(`[/mounts] ${what} are refused`, { runtime: ["runlet"] }, async () => {
      const bundle = bundleWith({ type: "bind", source: e2e.directory, ...mount });
      const result = await e2e.run(bundle.probing("ids"));
      expect(result.status).toBe(1);
      expect(result.stderr).toContain(pointer);
    });
  }
});
