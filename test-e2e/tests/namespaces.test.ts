import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LinuxNamespace } from "@runlet/spec";
import { describe, expect } from "vitest";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

/** The specification's names, and the files of /proc/PID/ns. */
const files = {
  pid: "pid",
  network: "net",
  mount: "mnt",
  ipc: "ipc",
  uts: "uts",
  cgroup: "cgroup",
  user: "user",
  time: "time",
} as const;

function hostNamespace(type: keyof typeof files): string {
  return readlinkSync(`/proc/self/ns/${files[type]}`);
}

describe("[/linux/namespaces/*/type] a new namespace is another than the host's", () => {
  for (const type of ["pid", "network", "mount", "ipc", "uts", "cgroup"] as const) {
    test(type, async () => {
      const bundle = e2e.bundle((config) => {
        const others = (config.linux.namespaces ?? []).filter((namespace) => namespace.type !== type);
        config.linux.namespaces = [...others, { type }];
      });
      const verb = `readlink=/proc/self/ns/${files[type]}`;
      const seen = await e2e.observe(bundle, verb);
      expect(seen.of(verb)).toMatch(new RegExp(`^${files[type]}:\\[\\d+\\]$`));
      expect(seen.of(verb)).not.toBe(hostNamespace(type));
    });
  }
});

describe("a namespace that is not listed is the host's", () => {
  for (const type of ["network", "ipc", "uts", "cgroup"] as const) {
    test(type, async () => {
      const bundle = e2e.bundle((config) => {
        config.linux.namespaces = (config.linux.namespaces ?? []).filter((namespace) => namespace.type !== type);
        if (type === "uts") delete config.hostname;
        // procfs and sysfs of another network namespace's owner, and mqueue of the host, mount alike for root.
      });
      const verb = `readlink=/proc/self/ns/${files[type]}`;
      expect((await e2e.observe(bundle, verb)).of(verb)).toBe(hostNamespace(type));
    });
  }

  test("pid: the process has the host's number and sees the host's processes", async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = (config.linux.namespaces ?? []).filter(({ type }) => type !== "pid");
    });
    const seen = await e2e.observe(bundle, "pid", "readlink=/proc/self/ns/pid", `stat=/proc/${process.pid}`);
    expect(seen.of("readlink=/proc/self/ns/pid")).toBe(hostNamespace("pid"));
    expect(seen.of<number>("pid")).toBeGreaterThan(1);
    expect(seen.of(`stat=/proc/${process.pid}`)).toMatchObject({ type: "directory" });
  });
});

test("in a new pid namespace the process is number 1 and alone", async () => {
  const seen = await e2e.observe(e2e.bundle(), "pid", "ppid", "list=/proc");
  expect(seen.of("pid")).toBe(1);
  expect(seen.of("ppid")).toBe(0);
  expect(seen.of<string[]>("list=/proc").filter((name) => /^\d+$/.test(name))).toEqual(["1"]);
});

test("in a new network namespace there is a loopback, and it is up", async () => {
  const seen = await e2e.observe(e2e.bundle(), "interfaces", "addresses", "loopback");
  expect(seen.of<Record<string, boolean>>("interfaces").lo).toBe(true);
  expect(seen.of("addresses")).toContain("lo 127.0.0.1");
  expect(seen.of("loopback")).toBe("ok");
});

test("in a new cgroup namespace the process's own group is the root", async () => {
  const bundle = e2e.bundle((config) => {
    config.linux.namespaces = [
      ...(config.linux.namespaces ?? []).filter(({ type }) => type !== "cgroup"),
      { type: "cgroup" },
    ];
  });
  const seen = await e2e.observe(bundle, "read=/proc/self/cgroup");
  const groups = seen.of<string>("read=/proc/self/cgroup").trimEnd().split("\n");
  expect(groups.length).toBeGreaterThan(0);
  for (const line of groups.filter((line) => line.includes(":memory:") || line.includes(":pids:")))
    expect(line).toMatch(/:\/$/);
});

describe("[/linux/namespaces/*/path] joining by path", () => {
  for (const type of ["network", "ipc", "uts", "pid"] as const) {
    test(type, async () => {
      const ownerId = e2e.id();
      const owner = e2e
        .bundle((config) => {
          config.hostname = "owner";
        })
        .probing("wait");
      const call = e2e.runtime.start(["run", "--detach", "--bundle", owner.hostPath, ownerId]);
      expect((await call.ended).status).toBe(0);
      const { pid } = await e2e.runtime.state(ownerId);
      const path = `/proc/${pid}/ns/${files[type]}`;
      const joining = e2e.bundle((config) => {
        const others = (config.linux.namespaces ?? []).filter((namespace) => namespace.type !== type);
        config.linux.namespaces = [...others, { type, path } satisfies LinuxNamespace];
        if (type === "uts") delete config.hostname;
      });
      const verb = `readlink=/proc/self/ns/${files[type]}`;
      const seen = await e2e.observe(joining, verb, "hostname", "pid");
      expect(seen.of(verb)).toBe(readlinkSync(path));
      if (type === "uts") expect(seen.of("hostname")).toBe("owner");
      if (type === "pid") expect(seen.of<number>("pid")).toBeGreaterThan(1);
    });
  }

  test("a network namespace that is only a mounted file, as `ip netns add` makes it", async () => {
    const path = join(e2e.directory, "netns");
    writeFileSync(path, "");
    execFileSync("unshare", [`--net=${path}`, "true"]);
    try {
      const bundle = e2e.bundle((config) => {
        config.linux.namespaces = [
          ...(config.linux.namespaces ?? []).filter(({ type }) => type !== "network"),
          { type: "network", path },
        ];
      });
      const seen = await e2e.observe(bundle, "interfaces");
      // A namespace that is joined is used as it is: nothing of it is changed.
      expect(seen.of<Record<string, boolean>>("interfaces").lo).toBe(false);
    } finally {
      execFileSync("umount", [path]);
    }
  });

  test("a path that is a namespace of another kind is refused", async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = [
        ...(config.linux.namespaces ?? []).filter(({ type }) => type !== "ipc"),
        { type: "ipc", path: "/proc/self/ns/uts" },
      ];
    });
    const result = await e2e.run(bundle.probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    if (e2e.runtime.name === "runlet") expect(result.stderr).toContain("/linux/namespaces/");
  });
});

describe("[/hostname] [/domainname] hostname and domainname", () => {
  test("are the config's", { runtime: ["runlet", "crun"] }, async () => {
    const bundle = e2e.bundle((config) => {
      config.hostname = "HAL-9000";
      config.domainname = "discovery.example";
    });
    const seen = await e2e.observe(bundle, "hostname", "domainname");
    expect(seen.of("hostname")).toBe("HAL-9000");
    expect(seen.of("domainname")).toBe("discovery.example");
  });

  test("do not change the host's", async () => {
    const before = readFileSync("/proc/sys/kernel/hostname", "utf8");
    await e2e.observe(
      e2e.bundle((config) => {
        config.hostname = "elsewhere";
      }),
      "hostname",
    );
    expect(readFileSync("/proc/sys/kernel/hostname", "utf8")).toBe(before);
  });
});

describe("[/linux/sysctl] sysctl", () => {
  test("of the network, ipc and uts namespaces takes effect inside and not on the host", async () => {
    const hostForward = readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8");
    const hostMessages = readFileSync("/proc/sys/fs/mqueue/msg_max", "utf8");
    const bundle = e2e.bundle((config) => {
      config.linux.sysctl = {
        "net.ipv4.ip_forward": hostForward.trim() === "1" ? "0" : "1",
        "net.ipv4.ping_group_range": "0 0",
        "kernel.shmmax": "123456789",
        "fs.mqueue.msg_max": String(Number(hostMessages) + 5),
      };
    });
    const paths = [
      "/proc/sys/net/ipv4/ip_forward",
      "/proc/sys/net/ipv4/ping_group_range",
      "/proc/sys/kernel/shmmax",
      "/proc/sys/fs/mqueue/msg_max",
    ];
    const seen = await e2e.observe(bundle, ...paths.map((path) => `read=${path}`));
    expect(seen.of<string>("read=/proc/sys/net/ipv4/ip_forward").trim()).toBe(hostForward.trim() === "1" ? "0" : "1");
    expect(seen.of<string>("read=/proc/sys/net/ipv4/ping_group_range").trim()).toBe("0\t0");
    expect(seen.of<string>("read=/proc/sys/kernel/shmmax").trim()).toBe("123456789");
    expect(Number(seen.of<string>("read=/proc/sys/fs/mqueue/msg_max"))).toBe(Number(hostMessages) + 5);
    expect(readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8")).toBe(hostForward);
    expect(readFileSync("/proc/sys/fs/mqueue/msg_max", "utf8")).toBe(hostMessages);
  });

  for (const [name, value] of [
    ["kernel.panic", "10"],
    ["vm.swappiness", "10"],
    ["net.ipv4.ip_forward/../../../kernel/panic", "10"],
  ] as const) {
    test(`${name} belongs to the host and is refused`, async () => {
      const before = readFileSync("/proc/sys/kernel/panic", "utf8");
      const result = await e2e.run(
        e2e
          .bundle((config) => {
            config.linux.sysctl = { [name]: value };
          })
          .probing("ids"),
      );
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
      expect(readFileSync("/proc/sys/kernel/panic", "utf8")).toBe(before);
    });
  }

  test("of a namespace that is the host's is refused", async () => {
    const before = readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8");
    const result = await e2e.run(
      e2e
        .bundle((config) => {
          config.linux.namespaces = (config.linux.namespaces ?? []).filter(({ type }) => type !== "network");
          config.linux.sysctl = { "net.ipv4.ip_forward": before.trim() === "1" ? "0" : "1" };
        })
        .probing("ids"),
    );
    expect(result.status).toBe(1);
    expect(readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8")).toBe(before);
  });
});
