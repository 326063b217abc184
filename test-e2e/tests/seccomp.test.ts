import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { architectures, findSyscallName, findSyscallNumber } from "@runlet/seccomp";
import type { Arch, LinuxSeccomp, LinuxSyscall } from "@runlet/spec";
import { afterEach, describe, expect } from "vitest";
import type { Bundle, Config } from "../harness/bundle.ts";
import { sleep } from "../harness/patience.ts";
import { agentPath } from "../harness/programs.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

const nativeArch: Arch = process.arch === "arm64" ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64";

function architectureOf(arch: Arch) {
  const architecture = architectures.get(arch);
  if (architecture === undefined) throw new Error(`there is no architecture ${arch}`);
  return architecture;
}

function numberOf(name: string, arch = nativeArch): number {
  const number = findSyscallNumber(name, architectureOf(arch));
  if (number === undefined) throw new Error(`${arch} has no system call ${name}`);
  return number;
}

function call(name: string, ...args: readonly (number | string)[]): string {
  return `syscall=${[numberOf(name), ...args].join(",")}`;
}

/** Everything is allowed but what the rules say. */
function profile(...syscalls: readonly LinuxSyscall[]): LinuxSeccomp {
  return { defaultAction: "SCMP_ACT_ALLOW", architectures: [nativeArch], syscalls: [...syscalls] };
}

/** Everything that the kernel of this architecture has, but a few. */
function namesWithout(...left: readonly string[]): string[] {
  const names: string[] = [];
  for (let number = 0; number < 500; number++) {
    const name = findSyscallName(number, architectureOf(nativeArch));
    if (name !== undefined && !left.includes(name)) names.push(name);
  }
  return names;
}

function bundleOf(seccomp: LinuxSeccomp, edit: (config: Config) => void = () => {}): Bundle {
  return e2e.bundle((config) => {
    config.linux.seccomp = seccomp;
    edit(config);
  });
}

const denyGroupId: LinuxSyscall = { names: ["getpgid"], action: "SCMP_ACT_ERRNO", errnoRet: 95 };

describe("a filter holds", () => {
  const privileges: [what: string, edit: (config: Config) => void][] = [
    ["with noNewPrivileges", (config) => (config.process.noNewPrivileges = true)],
    ["without noNewPrivileges", (config) => (config.process.noNewPrivileges = false)],
    [
      "for a user, with noNewPrivileges",
      (config) => {
        config.process.noNewPrivileges = true;
        config.process.user = { uid: 1000, gid: 1000 };
      },
    ],
    [
      "for a user, without noNewPrivileges",
      (config) => {
        config.process.noNewPrivileges = false;
        config.process.user = { uid: 1000, gid: 1000 };
      },
    ],
    [
      "for one who keeps CAP_SYS_ADMIN, without noNewPrivileges",
      (config) => {
        config.process.noNewPrivileges = false;
        const sets = ["bounding", "effective", "permitted"] as const;
        config.process.capabilities = Object.fromEntries(sets.map((set) => [set, ["CAP_SYS_ADMIN"]]));
      },
    ],
  ];
  for (const [what, edit] of privileges) {
    test(`[/linux/seccomp] ${what}`, async () => {
      const seen = await e2e.observe(
        bundleOf(profile(denyGroupId), edit),
        call("getpgid", 0),
        "read=/proc/self/status",
      );
      expect(seen.of(call("getpgid", 0))).toEqual({ errno: "EOPNOTSUPP" });
      expect(seen.of("read=/proc/self/status")).toMatch(/^Seccomp:\s*2$/m);
      expect(seen.of("read=/proc/self/status")).toMatch(/^Seccomp_filters:\s*1$/m);
    });
  }

  test("[/linux/seccomp] there is none where the config has none", async () => {
    const seen = await e2e.observe(e2e.bundle(), "read=/proc/self/status");
    expect(seen.of("read=/proc/self/status")).toMatch(/^Seccomp:\s*0$/m);
  });
});

describe("[/linux/seccomp/syscalls/*/names] actions", () => {
  test("[/linux/seccomp/syscalls/*/action] SCMP_ACT_ERRNO gives EPERM without errnoRet", async () => {
    const seen = await e2e.observe(
      bundleOf(profile({ names: ["getpgid"], action: "SCMP_ACT_ERRNO" })),
      call("getpgid", 0),
    );
    expect(seen.of(call("getpgid", 0))).toEqual({ errno: "EPERM" });
  });

  test("[/linux/seccomp/syscalls/*/errnoRet] is what the call fails with", async () => {
    const seen = await e2e.observe(
      bundleOf(
        profile(
          { names: ["getpgid"], action: "SCMP_ACT_ERRNO", errnoRet: 110 },
          { names: ["getuid"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
        ),
      ),
      call("getpgid", 0),
      call("getuid"),
      call("getsid", 0),
    );
    expect(seen.of(call("getpgid", 0))).toEqual({ errno: "ETIMEDOUT" });
    expect(seen.of(call("getuid"))).toEqual({ errno: "ENOSYS" });
    expect(seen.of(call("getsid", 0))).toEqual(expect.any(Number));
  });

  test("[/linux/seccomp/defaultErrnoRet] is what meets calls without a rule", async () => {
    const seen = await e2e.observe(
      bundleOf({
        defaultAction: "SCMP_ACT_ERRNO",
        defaultErrnoRet: 95,
        architectures: [nativeArch],
        syscalls: [{ names: namesWithout("getpgid", "getuid"), action: "SCMP_ACT_ALLOW" }],
      }),
      call("getpgid", 0),
      call("getuid"),
      call("getsid", 0),
    );
    expect(seen.of(call("getpgid", 0))).toEqual({ errno: "EOPNOTSUPP" });
    expect(seen.of(call("getuid"))).toEqual({ errno: "EOPNOTSUPP" });
    expect(seen.of(call("getsid", 0))).toEqual(expect.any(Number));
  });

  // crun gives them the default action, which programs take for a refusal instead of trying an older call.
  test("[/linux/seccomp/defaultAction] a call newer than the profile knows is ENOSYS", {
    runtime: ["runlet", "runc"],
  }, async () => {
    const seen = await e2e.observe(
      bundleOf({
        defaultAction: "SCMP_ACT_ERRNO",
        architectures: [nativeArch],
        syscalls: [{ names: namesWithout("getpgid"), action: "SCMP_ACT_ALLOW" }],
      }),
      call("getpgid", 0),
      "syscall=9999",
    );
    expect(seen.of(call("getpgid", 0))).toEqual({ errno: "EPERM" });
    expect(seen.of("syscall=9999")).toEqual({ errno: "ENOSYS" });
  });

  const deadly = [
    ["SCMP_ACT_KILL", 31],
    ["SCMP_ACT_KILL_THREAD", 31],
    ["SCMP_ACT_KILL_PROCESS", 31],
    ["SCMP_ACT_TRAP", 31],
  ] as const;
  for (const [action, signal] of deadly) {
    test(`[/linux/seccomp/syscalls/*/action] ${action} ends the process by SIGSYS`, async () => {
      const bundle = bundleOf(profile({ names: ["getpgid"], action })).probing("pid", call("getpgid", 0), "exit=0");
      const result = await e2e.run(bundle);
      expect(result.stdout).toContain("pid");
      expect(result.status).toBe(128 + signal);
    });
  }

  test("[/linux/seccomp/syscalls/*/action] SCMP_ACT_LOG lets the call through", async () => {
    const seen = await e2e.observe(
      bundleOf(profile({ names: ["getpgid"], action: "SCMP_ACT_LOG" })),
      call("getpgid", 0),
      "read=/proc/self/status",
    );
    expect(seen.of(call("getpgid", 0))).toEqual(expect.any(Number));
    expect(seen.of("read=/proc/self/status")).toMatch(/^Seccomp:\s*2$/m);
  });

  test("[/linux/seccomp/syscalls/*/action] SCMP_ACT_TRACE is ENOSYS without a tracer", async () => {
    const seen = await e2e.observe(
      bundleOf(profile({ names: ["getpgid"], action: "SCMP_ACT_TRACE" })),
      call("getpgid", 0),
    );
    expect(seen.of(call("getpgid", 0))).toEqual({ errno: "ENOSYS" });
  });
});

describe("[/linux/seccomp/syscalls/*/args/**] arguments", () => {
  type Operator = NonNullable<LinuxSyscall["args"]>[number]["op"];
  const cases: [op: Operator, value: number, refused: readonly number[], passed: readonly number[]][] = [
    ["SCMP_CMP_EQ", 1000, [1000], [999, 1001, 0]],
    ["SCMP_CMP_NE", 1000, [999, 1001, 0], [1000]],
    ["SCMP_CMP_LT", 1000, [999, 0], [1000, 1001]],
    ["SCMP_CMP_LE", 1000, [999, 1000], [1001]],
    ["SCMP_CMP_GT", 1000, [1001], [999, 1000]],
    ["SCMP_CMP_GE", 1000, [1000, 1001], [999]],
    ["SCMP_CMP_MASKED_EQ", 0xf0, [0x10, 0x1f], [0x20, 0x0f]],
  ];
  for (const [op, value, refused, passed] of cases) {
    test(`[/linux/seccomp/syscalls/*/args] ${op}`, async () => {
      const args = op === "SCMP_CMP_MASKED_EQ" ? { index: 1, value, valueTwo: 0x10, op } : { index: 1, value, op };
      const verb = (argument: number) => call("getpriority", 0, argument);
      const seen = await e2e.observe(
        bundleOf(profile({ names: ["getpriority"], action: "SCMP_ACT_ERRNO", errnoRet: 95, args: [args] })),
        ...[...refused, ...passed].map(verb),
      );
      for (const argument of refused)
        expect([argument, seen.of(verb(argument))]).toEqual([argument, { errno: "EOPNOTSUPP" }]);
      for (const argument of passed)
        expect([argument, seen.of(verb(argument))]).not.toEqual([argument, { errno: "EOPNOTSUPP" }]);
    });
  }

  test("[/linux/seccomp/syscalls/*/args] all 64 bits count", async () => {
    const value = 2 ** 40;
    const seen = await e2e.observe(
      bundleOf(
        profile({
          names: ["mincore"],
          action: "SCMP_ACT_ERRNO",
          errnoRet: 95,
          args: [{ index: 0, value, op: "SCMP_CMP_EQ" }],
        }),
      ),
      call("mincore", value, 0, 0),
      call("mincore", 0, 0, 0),
    );
    expect(seen.of(call("mincore", value, 0, 0))).toEqual({ errno: "EOPNOTSUPP" });
    expect(seen.of(call("mincore", 0, 0, 0))).not.toEqual({ errno: "EOPNOTSUPP" });
  });
});

describe("architectures", () => {
  const x86 = { program: process.arch === "x64" ? "sh" : "an x86_64 machine" };
  const groupId32 = `call32=${numberOf("getpgid", "SCMP_ARCH_X86")}`;

  test(
    "[/linux/seccomp/architectures] the rules hold for 32-bit calls of a sub-architecture, with its own numbers",
    x86,
    async () => {
      const seen = await e2e.observe(
        bundleOf({ ...profile(denyGroupId), architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"] }),
        groupId32,
        `call32=${numberOf("getpid", "SCMP_ARCH_X86")}`,
        call("getpgid", 0),
      );
      expect(seen.of(groupId32)).toEqual({ errno: "EOPNOTSUPP" });
      expect(seen.of(`call32=${numberOf("getpid", "SCMP_ARCH_X86")}`)).toEqual(expect.any(Number));
      expect(seen.of(call("getpgid", 0))).toEqual({ errno: "EOPNOTSUPP" });
    },
  );

  test("[/linux/seccomp/architectures] calls of an architecture that is not listed end the process", x86, async () => {
    const bundle = bundleOf(profile(denyGroupId)).probing("pid", groupId32, "exit=0");
    expect((await e2e.run(bundle)).status).toBe(128 + 31);
  });
});

describe("flags", () => {
  // runc takes flags since 1.2; crun takes SECCOMP_FILTER_FLAG_TSYNC no more.
  for (const flag of ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"] as const) {
    test(`[/linux/seccomp/flags] ${flag} is taken, and the filter holds`, { runtime: ["runlet", "crun"] }, async () => {
      const seen = await e2e.observe(bundleOf({ ...profile(denyGroupId), flags: [flag] }), call("getpgid", 0));
      expect(seen.of(call("getpgid", 0))).toEqual({ errno: "EOPNOTSUPP" });
    });
  }

  test("[/linux/seccomp/flags] SECCOMP_FILTER_FLAG_TSYNC too", { runtime: ["runlet"] }, async () => {
    const seen = await e2e.observe(
      bundleOf({ ...profile(denyGroupId), flags: ["SECCOMP_FILTER_FLAG_TSYNC"] }),
      call("getpgid", 0),
    );
    expect(seen.of(call("getpgid", 0))).toEqual({ errno: "EOPNOTSUPP" });
  });
});

describe("SCMP_ACT_NOTIFY", () => {
  const agents: ChildProcess[] = [];
  afterEach(() => {
    for (const agent of agents.splice(0)) agent.kill("SIGKILL");
  });

  interface Agent {
    readonly socket: string;
    output(): string;
    /** The process state that came with the listener. */
    state(): { fds: string[]; pid: number; metadata?: string; ociVersion: string; state: Record<string, unknown> };
    /** Numbers of the calls that it was notified of. */
    calls(): number[];
  }

  let counter = 0;
  async function startAgent(...rules: readonly string[]): Promise<Agent> {
    const socket = join(e2e.directory, `agent${counter++}.sock`);
    const child = spawn(agentPath, [socket, ...rules], { stdio: ["ignore", "pipe", "inherit"] });
    agents.push(child);
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    while (!output.includes("listening\n")) await sleep(5);
    const lines = () => output.split("\n").slice(1, -1);
    return {
      socket,
      output: () => output,
      state: () => JSON.parse(lines()[0] ?? "") as ReturnType<Agent["state"]>,
      calls: () => lines().slice(1).map(Number),
    };
  }

  function notify(agent: Agent, names: readonly string[], more: Partial<LinuxSeccomp> = {}): LinuxSeccomp {
    return {
      ...profile({ names: [...names], action: "SCMP_ACT_NOTIFY" }),
      listenerPath: agent.socket,
      ...more,
    };
  }

  const privileges = [true, false];
  for (const noNewPrivileges of privileges) {
    test(`[/linux/seccomp/listenerPath] another process answers, with noNewPrivileges ${noNewPrivileges}`, async () => {
      const agent = await startAgent(`${numberOf("getpgid")}=110`);
      const bundle = bundleOf(notify(agent, ["getpgid", "getuid"]), (config) => {
        config.process.noNewPrivileges = noNewPrivileges;
      });
      const seen = await e2e.observe(bundle, call("getpgid", 0), call("getuid"), "pid");
      expect(seen.of(call("getpgid", 0))).toEqual({ errno: "ETIMEDOUT" });
      expect(seen.of(call("getuid"))).toEqual(expect.any(Number));
      expect(agent.calls()).toEqual(expect.arrayContaining([numberOf("getpgid"), numberOf("getuid")]));
    });
  }

  test("[/linux/seccomp/listenerMetadata] comes with the container process state", async () => {
    const agent = await startAgent();
    const bundle = bundleOf(notify(agent, ["getpgid"], { listenerMetadata: "what I am\nfor" }), (config) => {
      config.annotations = { "org.example.key": "value" };
    }).probing("wait");
    const id = e2e.id();
    await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.hostPath, id]);
    const { pid } = await e2e.runtime.state(id);
    const sent = agent.state();
    expect(sent).toMatchObject({ fds: ["seccompFd"], pid, metadata: "what I am\nfor", ociVersion: expect.any(String) });
    expect(sent.state).toMatchObject({
      id,
      pid,
      status: "creating",
      bundle: bundle.hostPath,
      annotations: { "org.example.key": "value" },
    });
  });

  // The peers hand the listener over by the very call that then waits for it: they refuse the profile or hang.
  const everyCall = ["write", "sendmsg", "close", "waitid", "execve", "recvmsg", "accept4", "ppoll", "rt_sigprocmask"];
  for (const noNewPrivileges of privileges) {
    test(`[/linux/seccomp/listenerPath] what the runtime itself calls may be notified of, noNewPrivileges ${noNewPrivileges}`, {
      runtime: ["runlet"],
    }, async () => {
      const agent = await startAgent();
      const seen = await e2e.observe(
        bundleOf(notify(agent, everyCall), (config) => {
          config.process.noNewPrivileges = noNewPrivileges;
        }),
        "ids",
        "list=/proc/self/fd",
      );
      expect(seen.of("ids")).toMatchObject({ uid: 0 });
      expect(agent.calls()).toEqual(expect.arrayContaining([numberOf("sendmsg"), numberOf("execve")]));
    });
  }

  test("[/linux/seccomp/listenerPath] the listener reaches the agent when the filter refuses to wait for a child", {
    runtime: ["runlet"],
  }, async () => {
    const agent = await startAgent(`${numberOf("getpgid")}=110`);
    const seccomp = notify(agent, ["getpgid"]);
    seccomp.syscalls?.push({ names: ["waitid", "wait4"], action: "SCMP_ACT_ERRNO" });
    const seen = await e2e.observe(bundleOf(seccomp), call("getpgid", 0), "fds");
    expect(seen.of(call("getpgid", 0))).toEqual({ errno: "ETIMEDOUT" });
    expect(seen.of("fds")).toEqual([0, 1, 2]);
  });

  test("[/linux/seccomp/listenerPath] nobody listens: create fails, and says where", async () => {
    const listenerPath = join(e2e.directory, "nobody.sock");
    const result = await e2e.run(
      bundleOf({ ...profile({ names: ["getpgid"], action: "SCMP_ACT_NOTIFY" }), listenerPath }),
    );
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("nobody.sock");
  });
});

describe("a filter that refuses what becoming the container's user takes", () => {
  const cases: [name: string, rule: LinuxSyscall, says: RegExp][] = [
    ["an error", { names: ["capset"], action: "SCMP_ACT_ERRNO" }, /capset\(2\): EPERM/],
    ["no word of it", { names: ["sendmsg"], action: "SCMP_ACT_ERRNO" }, /\/linux\/seccomp/],
    ["the end", { names: ["setresuid"], action: "SCMP_ACT_KILL_PROCESS" }, /SIGSYS/],
  ];
  for (const [name, rule, says] of cases) {
    test(`[/linux/seccomp] ${name}: says what to do about it`, { runtime: ["runlet"] }, async () => {
      const result = await e2e.run(bundleOf(profile(rule), (config) => (config.process.noNewPrivileges = false)));
      expect(result.status).toBe(1);
      expect(result.stderr).toMatch(says);
      expect(result.stderr).toContain("set noNewPrivileges");
    });

    test(`[/linux/seccomp] ${name}: with noNewPrivileges it is installed last, and runs`, {
      runtime: ["runlet"],
    }, async () => {
      expect((await e2e.observe(bundleOf(profile(rule)), "pid")).of("pid")).toBe(1);
    });
  }
});

describe("a profile that cannot be carried out is refused", () => {
  const cases: [what: string, seccomp: LinuxSeccomp, says: RegExp][] = [
    [
      "an unknown action",
      profile({ names: ["getpgid"], action: "SCMP_ACT_MAYBE" as "SCMP_ACT_LOG" }),
      /SCMP_ACT_MAYBE/,
    ],
    ["notifications without a listener", profile({ names: ["getpgid"], action: "SCMP_ACT_NOTIFY" }), /listenerPath/i],
    [
      "an error number for an action that has none",
      profile({ names: ["getpgid"], action: "SCMP_ACT_ALLOW", errnoRet: 1 }),
      /error number|errno/i,
    ],
  ];
  for (const [what, seccomp, says] of cases) {
    test(`[/linux/seccomp] ${what}`, { runtime: ["runlet"] }, async () => {
      const result = await e2e.run(bundleOf(seccomp));
      expect(result.status).not.toBe(0);
      expect(result.stderr).toMatch(says);
      expect(result.stderr).toContain("/linux/seccomp");
    });
  }
});
