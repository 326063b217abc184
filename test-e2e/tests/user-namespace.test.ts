import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LinuxIDMapping } from "@runlet/spec";
import { describe, expect } from "vitest";
import type { Config } from "../harness/bundle.ts";
import { OrdinaryUser } from "../harness/ordinary-user.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

const first = 200_000;

/** Gives the container a user namespace in which 0..65535 are the host's 200000..265535, and the files to match. */
function mapUsers(config: Config, rootfs: string, mappings?: LinuxIDMapping[]): void {
  const lines = mappings ?? [{ containerID: 0, hostID: first, size: 65_536 }];
  config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "user" }];
  config.linux.uidMappings = lines;
  config.linux.gidMappings = lines;
  execFileSync("chown", ["-R", `${first}:${first}`, rootfs]);
  // The way to the bundle must be open to the container's root, who is nobody special on the host.
  chmodSync(e2e.directory, 0o711);
}

describe("a user namespace", () => {
  test("maps ids as the config says, and the process is root inside and nobody outside", async () => {
    const bundle = e2e.bundle((config, made) => mapUsers(config, made.rootfs));
    const seen = await e2e.observe(bundle, "ids", "read=/proc/self/uid_map", "read=/proc/self/gid_map", "stat=/probe");
    expect(seen.of("ids")).toMatchObject({ uid: 0, gid: 0 });
    expect(seen.of<string>("read=/proc/self/uid_map").trim().split(/\s+/)).toEqual(["0", String(first), "65536"]);
    expect(seen.of<string>("read=/proc/self/gid_map").trim().split(/\s+/)).toEqual(["0", String(first), "65536"]);
    expect(seen.of("stat=/probe")).toMatchObject({ uid: 0, gid: 0 });
  });

  test("takes more than five lines", async () => {
    const mappings = Array.from({ length: 12 }, (_, index) => ({
      containerID: index * 10,
      hostID: first + index * 10,
      size: 10,
    }));
    const bundle = e2e.bundle((config, made) => mapUsers(config, made.rootfs, mappings));
    const seen = await e2e.observe(bundle, "read=/proc/self/uid_map");
    const lines = seen.of<string>("read=/proc/self/uid_map").trim().split("\n");
    // The kernel shows lines that continue one another as they were written.
    expect(lines.map((line) => line.trim().split(/\s+/).map(Number))).toEqual(
      mappings.map(({ containerID, hostID, size }) => [containerID, hostID, size]),
    );
  });

  test("what its root writes belongs to the mapped id on the host", async () => {
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made.rootfs);
      config.root.readonly = false;
      config.process.user = { uid: 7, gid: 8 };
      chmodSync(made.rootfs, 0o777);
    });
    const seen = await e2e.observe(bundle, "write=/made:x");
    expect(seen.of("write=/made:x")).toBe("ok");
    expect(statSync(join(bundle.rootfs, "made"))).toMatchObject({ uid: first + 7, gid: first + 8 });
  });

  test("additionalGids and setgroups work where the map has them", async () => {
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made.rootfs);
      config.process.user = { uid: 0, gid: 0, additionalGids: [5, 60] };
    });
    expect((await e2e.observe(bundle, "ids")).of("ids")).toMatchObject({ groups: [5, 60] });
  });

  test("a directory of the host is bound as often as the config says", async () => {
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made.rootfs);
      const source = join(made.hostPath, "shared");
      mkdirSync(source);
      writeFileSync(join(source, "file"), "content");
      for (const destination of ["/tmp/first", "/tmp/second"])
        config.mounts.push({ destination, type: "bind", source, options: ["bind", "ro"] });
    });
    const paths = ["/tmp/first/file", "/tmp/second/file"];
    const seen = await e2e.observe(bundle, ...paths.map((path) => `read=${path}`));
    for (const path of paths) expect(seen.of(`read=${path}`)).toBe("content");
  });

  test("devices are there without mknod", async () => {
    const bundle = e2e.bundle((config, made) => mapUsers(config, made.rootfs));
    const seen = await e2e.observe(bundle, "stat=/dev/null", "openWrite=/dev/null", "openRead=/dev/urandom");
    expect(seen.of("stat=/dev/null")).toMatchObject({ type: "c", major: 1, minor: 3 });
    expect(seen.of("openWrite=/dev/null")).toBe("ok");
    expect(seen.of("openRead=/dev/urandom")).toBe("ok");
  });

  test("the default mounts and masks hold in it", async () => {
    const bundle = e2e.bundle((config, made) => mapUsers(config, made.rootfs));
    const seen = await e2e.observe(bundle, "read=/proc/keys", "read=/proc/self/mountinfo", "umount=/proc/keys");
    expect(seen.of("read=/proc/keys")).toBe("");
    expect(seen.mountAt("/proc/sys").options).toContain("ro");
    expect(seen.of("umount=/proc/keys")).toEqual({ errno: "EPERM" });
  });

  test("/proc/self belongs to the container's user", async () => {
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made.rootfs);
      config.process.user = { uid: 11, gid: 12 };
    });
    expect((await e2e.observe(bundle, "stat=/proc/self/status")).of("stat=/proc/self/status")).toMatchObject({
      uid: 11,
      gid: 12,
    });
  });

  // runc 1.1 wants mappings even then.
  test("is joined by path", { runtime: ["runlet", "crun"] }, async () => {
    const ownerId = e2e.id();
    const owner = e2e.bundle((config, made) => mapUsers(config, made.rootfs)).probing("wait");
    const call = e2e.runtime.start(["run", "--detach", "--bundle", owner.hostPath, ownerId]);
    expect((await call.ended).status).toBe(0);
    const { pid } = await e2e.runtime.state(ownerId);
    const bundle = e2e.bundle((config, made) => {
      mapUsers(config, made.rootfs);
      delete config.linux.uidMappings;
      delete config.linux.gidMappings;
      config.linux.namespaces = (config.linux.namespaces ?? []).map((namespace) =>
        namespace.type === "user" ? { type: "user", path: `/proc/${pid}/ns/user` } : namespace,
      );
    });
    const seen = await e2e.observe(bundle, "read=/proc/self/uid_map", "readlink=/proc/self/ns/user");
    expect(seen.of<string>("read=/proc/self/uid_map").trim().split(/\s+/)).toEqual(["0", String(first), "65536"]);
  });

  test("mappings without one are refused", { runtime: ["runlet"] }, async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.uidMappings = [{ containerID: 0, hostID: first, size: 10 }];
    });
    const result = await e2e.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/linux/uidMappings");
  });
});

describe("idmapped mounts", () => {
  const mapped = { runtime: ["runlet", "crun"], kernel: "5.12" } as const;

  test("show the files of a directory under other ids", mapped, async () => {
    const source = join(e2e.directory, "mapped");
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, "file"), "");
    chownSync(join(source, "file"), 1000, 1001);
    const bundle = e2e.bundle((config) => {
      config.root.readonly = false;
      config.mounts.push({
        destination: "/data",
        type: "bind",
        source,
        options: ["bind", "idmap"],
        uidMappings: [{ containerID: 1000, hostID: 5000, size: 1 }],
        gidMappings: [{ containerID: 1001, hostID: 6001, size: 1 }],
      });
    });
    const seen = await e2e.observe(bundle, "stat=/data/file");
    // mount_setattr(2): ids of the file system on the left of the map, ids that are seen on the right.
    expect(seen.of("stat=/data/file")).toMatchObject({ uid: 5000, gid: 6001 });
    expect(statSync(join(source, "file"))).toMatchObject({ uid: 1000, gid: 1001 });
  });

  test("in a user namespace use its own mapping when they have none", mapped, async () => {
    const source = join(e2e.directory, "mapped-by-namespace");
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, "file"), "");
    chownSync(join(source, "file"), 0, 0);
    const bundle = e2e.bundle((config, made) => {
      mkdirSync(join(made.rootfs, "data"));
      mapUsers(config, made.rootfs);
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind", "idmap"] });
    });
    const seen = await e2e.observe(bundle, "stat=/data/file", "write=/data/new:x");
    expect(seen.of("stat=/data/file")).toMatchObject({ uid: 0, gid: 0 });
    expect(seen.of("write=/data/new:x")).toBe("ok");
    expect(statSync(join(source, "new"))).toMatchObject({ uid: 0, gid: 0 });
  });
});

test("CVE-2014-8989: an ordinary user's container may not drop groups", { runtime: ["runlet", "runc"] }, async () => {
  const user = new OrdinaryUser({ suite: e2e });
  const seen = await user.observe(await user.bundle(), "ids", "read=/proc/self/setgroups", "setgroups=0");
  expect(seen.of("ids")).toMatchObject({ uid: 0, gid: 0 });
  expect(seen.of<string>("read=/proc/self/setgroups").trim()).toBe("deny");
  expect(seen.of("setgroups=0")).toEqual({ errno: "EPERM" });
  expect(readFileSync("/proc/self/setgroups", "utf8").trim()).toBe("allow");
});
