import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

describe("the default devices", () => {
  const devices: [name: string, major: number, minor: number][] = [
    ["null", 1, 3],
    ["zero", 1, 5],
    ["full", 1, 7],
    ["random", 1, 8],
    ["urandom", 1, 9],
    ["tty", 5, 0],
  ];
  test("are there, readable and writable for all", async () => {
    const seen = await e2e.observe(e2e.bundle(), ...devices.map(([name]) => `stat=/dev/${name}`));
    for (const [name, major, minor] of devices) {
      expect([name, seen.of(`stat=/dev/${name}`)]).toEqual([
        name,
        expect.objectContaining({ type: "c", mode: 0o666, uid: 0, gid: 0, major, minor }),
      ]);
    }
  });

  test("can be opened", async () => {
    const seen = await e2e.observe(
      e2e.bundle(),
      "openWrite=/dev/null",
      "openRead=/dev/zero",
      "openRead=/dev/urandom",
      "write=/dev/full:x",
    );
    expect(seen.of("openWrite=/dev/null")).toBe("ok");
    expect(seen.of("openRead=/dev/zero")).toBe("ok");
    expect(seen.of("openRead=/dev/urandom")).toBe("ok");
    expect(seen.of("write=/dev/full:x")).toEqual({ errno: "ENOSPC" });
  });

  test("come with the usual links", async () => {
    const seen = await e2e.observe(
      e2e.bundle(),
      "readlink=/dev/fd",
      "readlink=/dev/stdin",
      "readlink=/dev/stdout",
      "readlink=/dev/stderr",
      "readlink=/dev/ptmx",
    );
    expect(seen.of("readlink=/dev/fd")).toBe("/proc/self/fd");
    expect(seen.of("readlink=/dev/stdin")).toBe("/proc/self/fd/0");
    expect(seen.of("readlink=/dev/stdout")).toBe("/proc/self/fd/1");
    expect(seen.of("readlink=/dev/stderr")).toBe("/proc/self/fd/2");
    expect(seen.of("readlink=/dev/ptmx")).toBe("pts/ptmx");
  });

  test("nothing else is in /dev", async () => {
    const seen = await e2e.observe(e2e.bundle(), "list=/dev");
    const usual = [
      "core",
      "fd",
      "full",
      "mqueue",
      "null",
      "ptmx",
      "pts",
      "random",
      "shm",
      "stderr",
      "stdin",
      "stdout",
      "tty",
      "urandom",
      "zero",
      "console",
    ];
    expect(seen.of<string[]>("list=/dev").filter((name) => !usual.includes(name))).toEqual([]);
  });
});

describe("[/linux/devices/**] devices of the config", () => {
  test("are made with their numbers, mode and owner", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.linux.devices = [
          { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o640, uid: 12, gid: 34 },
          { path: "/dev/loop7", type: "b", major: 7, minor: 7, fileMode: 0o600 },
          { path: "/dev/pipe", type: "p", fileMode: 0o622 },
        ];
      }),
      "stat=/dev/fuse",
      "stat=/dev/loop7",
      "stat=/dev/pipe",
    );
    expect(seen.of("stat=/dev/fuse")).toMatchObject({
      type: "c",
      major: 10,
      minor: 229,
      mode: 0o640,
      uid: 12,
      gid: 34,
    });
    expect(seen.of("stat=/dev/loop7")).toMatchObject({ type: "b", major: 7, minor: 7, mode: 0o600 });
    expect(seen.of("stat=/dev/pipe")).toMatchObject({ type: "p", mode: 0o622 });
  });

  test("may lie in directories that do not exist", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.linux.devices = [
          { path: "/dev/net/tun", type: "c", major: 10, minor: 200, fileMode: 0o666, uid: 0, gid: 0 },
        ];
      }),
      "stat=/dev/net/tun",
    );
    expect(seen.of("stat=/dev/net/tun")).toMatchObject({ type: "c", major: 10, minor: 200 });
  });

  test("take a fileMode that carries the type's bits, as Podman writes it", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.linux.devices = [
          { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o20666, uid: 0, gid: 0 },
        ];
      }),
      "stat=/dev/fuse",
    );
    expect(seen.of("stat=/dev/fuse")).toMatchObject({ type: "c", mode: 0o666 });
  });
});

describe("the device list of the control group", () => {
  test("denies what is not listed: a node that the container makes itself cannot be opened", {
    cgroup: ["v1", "hybrid", "v2"],
  }, async () => {
    const bundle = e2e.bundle((config) => {
      config.process.capabilities = Object.fromEntries(
        ["bounding", "effective", "permitted", "inheritable"].map((set) => [set, ["CAP_MKNOD", "CAP_DAC_OVERRIDE"]]),
      );
      config.linux.devices = [{ path: "/dev/loop7", type: "b", major: 7, minor: 7, fileMode: 0o666, uid: 0, gid: 0 }];
      config.linux.resources = {
        devices: [
          { allow: false, access: "rwm" },
          { allow: true, type: "c", major: 1, minor: 11, access: "rwm" },
        ],
      };
    });
    const seen = await e2e.observe(
      bundle,
      "mknod=/dev/mem:c:1:1",
      "openRead=/dev/mem",
      "openRead=/dev/loop7",
      "openRead=/dev/null",
      "mknod=/dev/kmsg:c:1:11",
      "openWrite=/dev/kmsg",
    );
    expect([{ errno: "EPERM" }, "ok"]).toContainEqual(seen.of("mknod=/dev/mem:c:1:1"));
    expect([{ errno: "EPERM" }, { errno: "ENOENT" }]).toContainEqual(seen.of("openRead=/dev/mem"));
    expect(seen.of("openRead=/dev/loop7")).toEqual({ errno: "EPERM" });
    expect(seen.of("openRead=/dev/null")).toBe("ok");
    expect(seen.of("mknod=/dev/kmsg:c:1:11")).toBe("ok");
    expect(seen.of("openWrite=/dev/kmsg")).toBe("ok");
  });
});

test("a host directory bound over /dev gets no device of ours", { runtime: ["runlet", "runc"] }, async () => {
  const source = join(e2e.directory, "host-dev");
  mkdirSync(source);
  execFileSync("mknod", [join(source, "null"), "c", "1", "3"]);
  const bundle = e2e
    .bundle((config) => {
      config.mounts = [
        ...config.mounts.filter(({ destination }) => !destination.startsWith("/dev")),
        { destination: "/dev", type: "bind", source, options: ["rbind"] },
      ];
    })
    .probing("list=/dev");
  const result = await e2e.run(bundle);
  expect(result.status).toBe(0);
  expect(readdirSync(source)).toEqual(["null"]);
});
