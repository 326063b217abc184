import { describe, expect, it } from "vitest";
import { layoutOf, parseCgroupMounts, parseOwnCgroups } from "./layout.ts";

const hybrid = `
22 27 0:21 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
`;
const hybridOwn = `5:name=systemd:/
4:blkio:/
3:memory:/process_api/5e
2:cpu,cpuacct:/
0::/`;

const v2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";

function layout(mountinfo: string, ownCgroups: string, files: Readonly<Record<string, string>> = {}) {
  return layoutOf({
    mountinfo,
    ownCgroups,
    readControllers: (hostPath) => files[`${hostPath}/cgroup.controllers`] ?? "",
    fileExists: (hostPath) => hostPath in files,
  });
}

describe("layoutOf", () => {
  it("finds the hierarchies of a hybrid host, with the caller's own group in each", () => {
    expect(layout(hybrid, hybridOwn, { "/sys/fs/cgroup/blkio/blkio.bfq.io_serviced": "" })).toEqual({
      kind: "hybrid",
      hierarchies: [
        {
          controllers: ["cpu", "cpuacct"],
          mountPoint: "/sys/fs/cgroup/cpu,cpuacct",
          ownPath: "/sys/fs/cgroup/cpu,cpuacct",
        },
        {
          controllers: ["memory"],
          mountPoint: "/sys/fs/cgroup/memory",
          ownPath: "/sys/fs/cgroup/memory/process_api/5e",
        },
        { controllers: ["blkio"], mountPoint: "/sys/fs/cgroup/blkio", ownPath: "/sys/fs/cgroup/blkio" },
        { controllers: ["name=systemd"], mountPoint: "/sys/fs/cgroup/systemd", ownPath: "/sys/fs/cgroup/systemd" },
      ],
      unified: { mountPoint: "/sys/fs/cgroup/unified", ownPath: "/sys/fs/cgroup/unified", controllers: [] },
      hasBfq: true,
    });
  });

  it("calls a host v1 when nothing is unified", () => {
    const found = layout(hybrid.replace(/^41 .*\n/m, ""), hybridOwn);
    expect(found.kind).toBe("v1");
    expect(found.unified).toBeNull();
    expect(found.hasBfq).toBe(false);
  });

  it("reads the controllers of a v2 host", () => {
    const files = { "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n", "/sys/module/bfq": "" };
    expect(layout(v2, "0::/user.slice/a.scope\n", files)).toEqual({
      kind: "v2",
      hierarchies: [],
      unified: {
        mountPoint: "/sys/fs/cgroup",
        ownPath: "/sys/fs/cgroup/user.slice/a.scope",
        controllers: ["cpuset", "cpu", "io", "memory", "pids"],
      },
      hasBfq: true,
    });
  });

  it("takes a v2 host for v2 even when a named v1 hierarchy is mounted elsewhere", () => {
    const extra = "50 24 0:40 / /mnt/old rw - cgroup none rw,name=old\n";
    expect(layout(v2 + extra, "1:name=old:/\n0::/\n").kind).toBe("v2");
  });

  it("finds nothing where nothing is mounted", () => {
    const found = layout("22 27 0:21 / /proc rw - proc proc rw\n", "");
    expect(found).toEqual({ kind: "none", hierarchies: [], unified: null, hasBfq: false });
  });

  it("finds the own group below the mount of a container without a cgroup namespace", () => {
    const nested = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    expect(layout(nested, "3:memory:/docker/abc/inner\n").hierarchies[0]?.ownPath).toBe("/sys/fs/cgroup/memory/inner");
    expect(layout(nested, "3:memory:/docker/abcd\n").hierarchies[0]?.ownPath).toBe("/sys/fs/cgroup/memory");
  });
});

describe("parseCgroupMounts", () => {
  it("leaves out a mount that a later one covers", () => {
    const covered = `${hybrid}60 23 0:50 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n`;
    expect(parseCgroupMounts(covered).map(({ mountPoint }) => mountPoint)).toEqual(["/sys/fs/cgroup"]);
  });

  it("prefers the mount below /sys/fs/cgroup to an earlier one elsewhere", () => {
    const twice = `20 1 0:32 / /chroot/memory rw - cgroup cgroup rw,memory\n${hybrid}`;
    const memory = parseCgroupMounts(twice).find(({ controllers }) => controllers.includes("memory"));
    expect(memory?.mountPoint).toBe("/sys/fs/cgroup/memory");
  });

  it("takes no option of a mount for a controller", () => {
    const options = "rw,xattr,favordynmods,release_agent=/lib/agent\\054x,clone_children,name=systemd";
    const [mount] = parseCgroupMounts(`30 24 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup ${options}\n`);
    expect(mount?.controllers).toEqual(["name=systemd"]);
  });

  it("undoes the kernel's escapes", () => {
    const [mount] = parseCgroupMounts("20 1 0:32 / /my\\040groups\\134x rw - cgroup cgroup rw,memory\n");
    expect(mount?.mountPoint).toBe("/my groups\\x");
  });
});

describe("parseOwnCgroups", () => {
  it("keeps colons in paths and names each controller", () => {
    const own = parseOwnCgroups("2:cpu,cpuacct:/system.slice:docker:x\n1:name=systemd:/a\n0::/b\n");
    expect([...own]).toEqual([
      ["cpu", "/system.slice:docker:x"],
      ["cpuacct", "/system.slice:docker:x"],
      ["name=systemd", "/a"],
      ["", "/b"],
    ]);
  });
});
