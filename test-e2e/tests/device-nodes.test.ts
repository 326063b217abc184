import type { LinuxDevice } from "@runlet/spec";
import { describe, expect } from "vitest";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

describe("devices in a user namespace, where mknod(2) is not permitted", () => {
  test("[/linux/devices/*/path] are the host's own, bound", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.linux.namespaces?.push({ type: "user" });
        config.linux.uidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
        config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
        config.mounts = config.mounts.filter(({ destination }) => destination !== "/sys");
        config.linux.devices = [{ path: "/dev/kmsg", type: "c", major: 1, minor: 11, fileMode: 0o600, uid: 0, gid: 0 }];
      }),
      "stat=/dev/null",
      "stat=/dev/kmsg",
      "openWrite=/dev/null",
      "read=/proc/self/mountinfo",
    );
    expect(seen.of("stat=/dev/null")).toMatchObject({ type: "c", major: 1, minor: 3 });
    expect(seen.of("stat=/dev/kmsg")).toMatchObject({ type: "c", major: 1, minor: 11 });
    expect(seen.of("openWrite=/dev/null")).toBe("ok");
    expect(seen.mountAt("/dev/null").target).toBe("/dev/null");
  });

  test("[/linux/devices/*/path] one that the host has not is an error that names it", {
    runtime: ["runlet"],
  }, async () => {
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.linux.namespaces?.push({ type: "user" });
        config.linux.uidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
        config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
        config.mounts = config.mounts.filter(({ destination }) => destination !== "/sys");
        config.linux.devices = [{ path: "/dev/absent", type: "c", major: 1, minor: 11 }];
      }),
    );
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/linux/devices/0");
    expect(result.stderr).toContain("/dev/absent");
  });

  const others: [title: string, device: LinuxDevice, found: string][] = [
    [
      "[/linux/devices/*/minor] one of another minor number on the host",
      { path: "/dev/null", type: "c", major: 1, minor: 5 },
      "c 1:3",
    ],
    [
      "[/linux/devices/*/major] one of another major number on the host",
      { path: "/dev/null", type: "c", major: 10, minor: 3 },
      "c 1:3",
    ],
    [
      "[/linux/devices/*/type] one of another type on the host",
      { path: "/dev/null", type: "b", major: 1, minor: 3 },
      "c 1:3",
    ],
    ["what is no device on the host", { path: "/etc/passwd", type: "c", major: 1, minor: 3 }, "no device"],
  ];
  for (const [title, device, found] of others) {
    test(`${title} is refused`, { runtime: ["runlet"] }, async () => {
      const result = await e2e.run(
        e2e
          .bundle((config) => {
            config.root.readonly = false;
            config.linux.namespaces?.push({ type: "user" });
            config.linux.uidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
            config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
            config.mounts = config.mounts.filter(({ destination }) => destination !== "/sys");
            config.linux.devices = [device];
          })
          .probing("ids"),
      );
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
      expect(result.stderr).toContain("/linux/devices/0");
      expect(result.stderr).toContain(`the host's ${device.path} is bound, which is ${found}`);
    });
  }
});

describe("[/linux/devices/**] a path that holds something else", () => {
  test("[/linux/devices/*/path] is an error, as the specification wants it", { runtime: ["runlet"] }, async () => {
    const result = await e2e.run(
      e2e.bundle((config, bundle) => {
        bundle.add({ "opt/node": "a file" });
        config.root.readonly = false;
        config.linux.devices = [{ path: "/opt/node", type: "c", major: 1, minor: 3 }];
      }),
    );
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/linux/devices/0");
  });

  test("[/linux/devices/*/path] may lie outside /dev", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.linux.devices = [
          { path: "/opt/deep/zero", type: "c", major: 1, minor: 5, fileMode: 0o644, uid: 7, gid: 8 },
        ];
      }),
      "stat=/opt/deep/zero",
    );
    expect(seen.of("stat=/opt/deep/zero")).toMatchObject({
      type: "c",
      major: 1,
      minor: 5,
      mode: 0o644,
      uid: 7,
      gid: 8,
    });
  });
});
