import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LinuxCapabilities } from "@runlet/spec";
import { describe, expect } from "vitest";
import { capabilitySets } from "../harness/capability.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

describe("[/process/capabilities/**] capabilities", () => {
  test("the default config gives three, in each set it names", async () => {
    const bundle = e2e.bundle();
    const seen = await e2e.observe(bundle, "capabilities");
    const three = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"] as const;
    const named = bundle.config.process.capabilities ?? {};
    expect(named.bounding).toEqual([...three]);
    // An ambient capability must be inheritable as well, capabilities(7): one that is not stays out of the set.
    expect(seen.of("capabilities")).toEqual(capabilitySets({ bounding: three, effective: three, permitted: three }));
  });

  const cases: [what: string, uid: number, given: LinuxCapabilities][] = [
    ["none at all", 0, {}],
    ["bounding alone", 0, { bounding: ["CAP_CHOWN", "CAP_NET_RAW"] }],
    [
      "effective and permitted below the bounding set",
      0,
      { bounding: ["CAP_CHOWN", "CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"] },
    ],
    [
      "all five",
      0,
      {
        bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_ADMIN"],
        effective: ["CAP_CHOWN", "CAP_KILL"],
        inheritable: ["CAP_CHOWN", "CAP_KILL"],
        permitted: ["CAP_CHOWN", "CAP_KILL"],
        ambient: ["CAP_KILL"],
      },
    ],
    [
      "an ambient set that a user keeps through execve",
      1000,
      {
        bounding: ["CAP_NET_BIND_SERVICE", "CAP_KILL"],
        effective: ["CAP_NET_BIND_SERVICE"],
        inheritable: ["CAP_NET_BIND_SERVICE"],
        permitted: ["CAP_NET_BIND_SERVICE"],
        ambient: ["CAP_NET_BIND_SERVICE"],
      },
    ],
  ];
  for (const [what, uid, given] of cases) {
    test(what, async () => {
      const seen = await e2e.observe(
        e2e.bundle((config) => {
          config.process.user = { uid, gid: uid };
          config.process.capabilities = given;
        }),
        "capabilities",
      );
      // With no_new_privs execve(2) gives root no more than it had; a user keeps the ambient set, capabilities(7).
      const kept = uid === 0 ? given.permitted : given.ambient;
      const expected = { ...given, permitted: kept ?? [], effective: kept ?? [] };
      expect(seen.of("capabilities")).toEqual(capabilitySets(expected as Parameters<typeof capabilitySets>[0]));
    });
  }

  test("without noNewPrivileges root has after execve what is in the bounding set", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.process.noNewPrivileges = false;
        config.process.capabilities = {
          bounding: ["CAP_CHOWN", "CAP_NET_RAW"],
          effective: [],
          permitted: ["CAP_CHOWN"],
        };
      }),
      "capabilities",
    );
    const both = ["CAP_CHOWN", "CAP_NET_RAW"] as const;
    expect(seen.of("capabilities")).toEqual(capabilitySets({ bounding: both, permitted: both, effective: both }));
  });

  test("an ordinary user without an ambient set has none effective", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.process.user = { uid: 1000, gid: 1000 };
        config.process.capabilities = {
          bounding: ["CAP_KILL"],
          effective: ["CAP_KILL"],
          permitted: ["CAP_KILL"],
          inheritable: [],
        };
      }),
      "capabilities",
    );
    expect(seen.of("capabilities")).toEqual(capabilitySets({ bounding: ["CAP_KILL"] }));
  });

  test("CVE-2022-29162: nothing is inheritable that the config does not make so", async () => {
    const seen = await e2e.observe(e2e.bundle(), "capabilities");
    expect(seen.of<{ inheritable: string }>("capabilities").inheritable).toBe("0000000000000000");
  });

  test("what a capability allows is refused without it", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.process.capabilities = {};
      }),
      "chown=/probe",
      "mknod=/node:c:1:3",
      "mount=tmpfs:/proc",
      "sethostname=mine",
      "unshare=20000",
    );
    for (const verb of [
      "chown=/probe",
      "mknod=/node:c:1:3",
      "mount=tmpfs:/proc",
      "sethostname=mine",
      "unshare=20000",
    ]) {
      expect([verb, seen.of(verb)]).toEqual([verb, { errno: "EPERM" }]);
    }
  });
});

describe("[/process/noNewPrivileges] noNewPrivileges", () => {
  for (const value of [true, false]) {
    test(String(value), async () => {
      const seen = await e2e.observe(
        e2e.bundle((config) => {
          config.process.noNewPrivileges = value;
        }),
        "noNewPrivileges",
      );
      expect(seen.of("noNewPrivileges")).toBe(value);
    });
  }
});

describe("user", () => {
  test("[/process/user/uid] [/process/user/gid] [/process/user/additionalGids] uid, gid and additionalGids are all three ids of the process", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.process.user = { uid: 1234, gid: 2345, additionalGids: [5, 6000, 70000] };
      }),
      "ids",
    );
    expect(seen.of("ids")).toEqual({
      uid: 1234,
      euid: 1234,
      suid: 1234,
      gid: 2345,
      egid: 2345,
      sgid: 2345,
      groups: [5, 6000, 70000],
    });
  });

  test("no additionalGids are no groups, whatever the caller's", async () => {
    const seen = await e2e.observe(e2e.bundle(), "ids");
    expect(seen.of("ids")).toMatchObject({ uid: 0, gid: 0, groups: [] });
  });

  for (const umask of [0o000, 0o027, 0o077]) {
    test(`umask ${umask.toString(8).padStart(3, "0")}`, async () => {
      const bundle = e2e.bundle((config) => {
        config.root.readonly = false;
        config.process.user = { uid: 0, gid: 0, umask };
      });
      const seen = await e2e.observe(bundle, "umask", "write=/made:x");
      expect(seen.of("umask")).toBe(umask);
      expect(statSync(join(bundle.rootfs, "made")).mode & 0o777).toBe(0o666 & ~umask);
    });
  }

  test("[/process/user/umask] umask is 022 when the config has none", async () => {
    expect((await e2e.observe(e2e.bundle(), "umask")).of("umask")).toBe(0o022);
  });
});

describe("[/process/rlimits/**] rlimits", () => {
  test("are those of the config, soft and hard", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.process.rlimits = [
          { type: "RLIMIT_NOFILE", soft: 512, hard: 1024 },
          { type: "RLIMIT_CORE", soft: 0, hard: 0 },
          { type: "RLIMIT_STACK", soft: 8388608, hard: 16777216 },
          { type: "RLIMIT_NPROC", soft: 100, hard: 200 },
          { type: "RLIMIT_AS", soft: 1073741824, hard: 1073741824 },
          { type: "RLIMIT_CPU", soft: 60, hard: 61 },
          { type: "RLIMIT_FSIZE", soft: 4096, hard: 8192 },
        ];
      }),
      "rlimits",
    );
    expect(seen.of("rlimits")).toMatchObject({
      RLIMIT_NOFILE: ["512", "1024"],
      RLIMIT_CORE: ["0", "0"],
      RLIMIT_STACK: ["8388608", "16777216"],
      RLIMIT_NPROC: ["100", "200"],
      RLIMIT_AS: ["1073741824", "1073741824"],
      RLIMIT_CPU: ["60", "61"],
      RLIMIT_FSIZE: ["4096", "8192"],
    });
  });

  // crun 1.8 sets them before it has done everything.
  test("as low as they may be do not break the start", { runtime: ["runlet", "runc"] }, async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.process.rlimits = [
          { type: "RLIMIT_NOFILE", soft: 8, hard: 8 },
          { type: "RLIMIT_MEMLOCK", soft: 0, hard: 0 },
        ];
      }),
      "rlimits",
    );
    expect(seen.of("rlimits")).toMatchObject({ RLIMIT_NOFILE: ["8", "8"], RLIMIT_MEMLOCK: ["0", "0"] });
  });
});

describe("[/process/env] [/process/args] env and args", () => {
  test("are passed as they are", async () => {
    const bundle = e2e.bundle((config) => {
      config.process.env = [
        "PATH=/",
        "PLAIN=value",
        "EMPTY=",
        "SPACES=a b  c",
        "UNICODE=ü€😀",
        "QUOTES=\"'`$(x)",
        "HOME=/somewhere",
      ];
    });
    const seen = await e2e.observe(bundle, "env", "hostname");
    expect(seen.of("env")).toEqual(bundle.config.process.env);
  });

  test("HOME is taken from the container's passwd when env has none", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config, bundle) => {
        bundle.add({ "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n" });
        config.process.user = { uid: 1000, gid: 1000 };
        config.process.env = ["PATH=/"];
      }),
      "env",
    );
    expect(seen.of("env")).toContain("HOME=/home/user");
  });

  test("HOME is / for a user that the container's passwd does not know", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.process.user = { uid: 4321, gid: 4321 };
        config.process.env = ["PATH=/"];
      }),
      "env",
    );
    expect(seen.of("env")).toContain("HOME=/");
  });

  test("nothing of the runtime's own environment is passed on", async () => {
    const bundle = e2e.bundle().probing("env");
    const { stdout } = await e2e.runtime.succeed(["run", "--bundle", bundle.hostPath, e2e.id()], {
      env: { FROM_OUTSIDE: "leaked" },
    });
    expect(stdout).not.toContain("FROM_OUTSIDE");
    const names = (JSON.parse(stdout)[1] as string[]).map((entry) => entry.split("=")[0]);
    expect(names.filter((name) => !["PATH", "TERM", "HOME"].includes(name ?? ""))).toEqual([]);
  });

  test("args[0] is looked up in the container's PATH", async () => {
    const bundle = e2e.bundle((config, made) => {
      made.add({ "opt/bin/": "" });
      config.process.env = ["PATH=/nowhere:/opt/bin:/usr/bin"];
      config.process.args = ["tool", "exit=9"];
    });
    copyFileSync(join(bundle.rootfs, "probe"), join(bundle.rootfs, "opt/bin/tool"));
    expect((await e2e.run(bundle)).status).toBe(9);
  });
});

describe("[/process/cwd] cwd", () => {
  test("is where the process starts", async () => {
    const seen = await e2e.observe(
      e2e.bundle((config, bundle) => {
        bundle.add({ "srv/here/": "" });
        config.process.cwd = "/srv/here";
      }),
      "cwd",
    );
    expect(seen.of("cwd")).toBe("/srv/here");
  });

  test("is made when it is missing", async () => {
    const bundle = e2e.bundle((config) => {
      config.root.readonly = false;
      config.process.cwd = "/made/for/the/process";
    });
    expect((await e2e.observe(bundle, "cwd")).of("cwd")).toBe("/made/for/the/process");
    expect(statSync(join(bundle.rootfs, "made/for/the/process")).isDirectory()).toBe(true);
  });

  test("may be inside a mount", async () => {
    const source = join(e2e.directory, "working");
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, "file"), "");
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.mounts.push({ destination: "/work", type: "bind", source, options: ["bind"] });
        config.process.cwd = "/work";
      }),
      "list=.",
    );
    expect(seen.of("list=.")).toEqual(["file"]);
  });
});

describe("[/process/oomScoreAdj] oomScoreAdj", () => {
  for (const value of [0, 500, 1000]) {
    test(String(value), async () => {
      const seen = await e2e.observe(
        e2e.bundle((config) => {
          config.process.oomScoreAdj = value;
        }),
        "read=/proc/self/oom_score_adj",
      );
      expect(seen.of<string>("read=/proc/self/oom_score_adj").trim()).toBe(String(value));
    });
  }

  test("is the caller's when the config has none", async () => {
    const seen = await e2e.observe(e2e.bundle(), "read=/proc/self/oom_score_adj");
    expect(seen.of("read=/proc/self/oom_score_adj")).toBe(readFileSync("/proc/self/oom_score_adj", "utf8"));
  });
});

describe("descriptors", () => {
  test("0, 1 and 2 are all that there is", async () => {
    const seen = await e2e.observe(e2e.bundle(), "fds");
    expect(seen.of("fds")).toEqual([0, 1, 2]);
  });

  // runc's own run puts pipes between.
  test("the host's null device becomes the container's", { runtime: ["runlet", "crun"] }, async () => {
    const seen = await e2e.observe(e2e.bundle(), "read=/proc/self/fdinfo/0", "read=/proc/self/mountinfo");
    const mountId = Number(/^mnt_id:\s*(\d+)$/m.exec(seen.of("read=/proc/self/fdinfo/0"))?.[1]);
    expect(seen.mounts().find((mount) => mount.mountId === mountId)?.target).toBe("/dev");
  });

  test("the process is dumpable as any other, since it is the container's own", async () => {
    expect((await e2e.observe(e2e.bundle(), "dumpable")).of("dumpable")).toBe(1);
  });
});
