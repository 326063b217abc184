import { execFile, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Runtime } from "@runlet/lifecycle";
import { firstSyscalls, helperOperations, type Operation, operationCodes, type Plan, syscallsOf } from "@runlet/plan";
import { describe, expect, test as plainTest } from "vitest";
import type { Bundle, Config } from "../harness/bundle.ts";
import { patienceMs } from "../harness/patience.ts";
import { agentPath, terminalPath } from "../harness/programs.ts";
import { openSuite } from "../harness/suite.ts";
import { findMismatch } from "../harness/syscall-pattern.ts";

const e2e = openSuite({ root: true, runtime: ["runlet"], program: "strace" });
const { test } = e2e;

interface Call {
  readonly name: string;
  readonly text: string;
}

interface RunOptions {
  readonly noPivot?: boolean;
  readonly noNewKeyring?: boolean;
  /** Whether the command runs on a terminal, and the container with it. */
  readonly hasTerminal?: boolean;
}

/** The calls of the init helper, from its first to the execve(2) by which it becomes the container's process. */
async function traceHelper(bundle: Bundle, id: string, options: RunOptions): Promise<Call[]> {
  const prefix = join(bundle.hostPath, "trace");
  const flags = [...(options.noPivot ? ["--no-pivot"] : []), ...(options.noNewKeyring ? ["--no-new-keyring"] : [])];
  const argv = e2e.runtime.argv(["run", ...flags, "--bundle", bundle.hostPath, id]);
  const strace = ["strace", "-ff", "-q", "-s", "4096", "-o", prefix, ...argv];
  const [program = "", ...rest] = options.hasTerminal ? [terminalPath, "run", "24", "80", ...strace] : strace;
  await new Promise<void>((fulfil, reject) => {
    const child = execFile(program, rest, { timeout: patienceMs }, (error, stdout, stderr) => {
      if (error !== null) reject(new Error(`${error.message}\n${stdout}${stderr}`));
      else fulfil();
    });
    if (!options.hasTerminal) child.stdin?.end();
  });
  const traces = readdirSync(dirname(prefix))
    .filter((name) => name.startsWith(`${basename(prefix)}.`))
    .map((name) => readTrace(join(dirname(prefix), name)));
  const helpers = traces
    .filter((calls) => indexOfStart(calls) >= 0)
    .map((calls) => calls.slice(indexOfStart(calls) + 1));
  const whole = helpers.find((calls) => calls.some(becomesProbe));
  if (whole !== undefined) return upToProbe(whole);
  // It went on in a child that is not its own: the `fork` operation. A helper that only held a namespace is killed.
  const first = helpers.find((calls) => calls.at(-1)?.name === "exit_group");
  const second = traces.find((calls) => indexOfStart(calls) < 0 && calls.some(becomesProbe));
  if (first === undefined || second === undefined) throw new Error("strace saw no init helper");
  return [...first, ...upToProbe(second)];
}

function readTrace(path: string): Call[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((text) => {
      const name = /^([a-z_][a-z_0-9]*)\(/.exec(text)?.[1];
      return name === undefined ? [] : [{ name, text }];
    });
}

function indexOfStart(calls: readonly Call[]): number {
  return calls.findIndex(
    ({ name, text }) => name === "execveat" && text.includes('"runlet-init"') && text.includes(" = 0"),
  );
}

function becomesProbe({ name, text }: Call): boolean {
  return name === "execve" && text.includes('"/probe"') && text.includes(" = 0");
}

function upToProbe(calls: readonly Call[]): Call[] {
  return calls.slice(0, calls.findIndex(becomesProbe) + 1);
}

/** The plan's own words that the calls must bear, in the plan's order: types of file systems, names, paths. */
function wordsOf(operation: Operation): string[] {
  switch (operation.op) {
    case "mount":
      return [
        ...(operation.source.kind === "filesystem" ? [`fsopen("${operation.source.type}"`] : []),
        ...(operation.source.kind === "bind" ? [`open_tree(AT_FDCWD, "${operation.source.hostPath}"`] : []),
        `"${operation.containerPath}"`,
      ];
    case "remount":
    case "maskPath":
    case "makePathReadonly":
    case "makeDirectory":
      return [`"${operation.containerPath}"`];
    case "makeDevice":
    case "symlink":
      return [`"${basename(operation.containerPath)}"`];
    case "setHostname":
      return [`sethostname("${operation.hostname}"`];
    case "setDomainname":
      return [`setdomainname("${operation.domainname}"`];
    case "setSysctl":
      return [`"sys/${operation.path}"`, `"${operation.value}"`];
    case "setUser":
      return [`setresgid(${operation.gid}, `, `setresuid(${operation.uid}, `];
    case "setRlimit":
      return [operation.name];
    case "joinSessionKeyring":
      return [`"${operation.name}"`];
    case "exec":
      return operation.args.map((arg) => `"${arg}"`);
    default:
      return [];
  }
}

async function expectTruth(bundle: Bundle, options: RunOptions = {}): Promise<Plan> {
  const id = e2e.id();
  const plan = await new Runtime({ root: e2e.runtime.root }).plan({
    bundle: bundle.hostPath,
    id,
    noPivot: options.noPivot ?? false,
    noNewKeyring: options.noNewKeyring ?? false,
  });
  const calls = await traceHelper(bundle, id, options);
  const operations = helperOperations(plan);
  const expected = [
    { name: "the start", pattern: firstSyscalls },
    ...operations.map((operation, index) => ({
      name: `${index} ${operation.op} (${operation.from})`,
      pattern: syscallsOf(operation),
    })),
  ];
  expect(
    findMismatch(
      expected,
      calls.map(({ name }) => name),
    ),
  ).toBeUndefined();
  let at = 0;
  for (const operation of operations) {
    for (const word of wordsOf(operation)) {
      const found = calls.findIndex(({ text }, index) => index >= at && text.includes(word));
      expect([operation.op, operation.from, word, found >= 0]).toEqual([operation.op, operation.from, word, true]);
      at = found;
    }
  }
  return plan;
}

function shape(edit: (config: Config, bundle: Bundle) => void = () => {}): Bundle {
  return e2e.bundle(edit).probing("pid");
}

function without(config: Config, ...types: readonly string[]): void {
  config.linux.namespaces = (config.linux.namespaces ?? []).filter(({ type }) => !types.includes(type));
}

describe("what strace sees of the init helper is what the plan says", () => {
  const seen = new Set<string>();
  const note = (plan: Plan) => {
    for (const { op } of helperOperations(plan)) seen.add(op);
  };

  test("the default config", async () => note(await expectTruth(shape())));

  test("a writable root, host names, kernel parameters, another user, limits", async () => {
    note(
      await expectTruth(
        shape((config, bundle) => {
          bundle.add({ "etc/passwd": "user:x:1000:1000::/home/user:/bin/sh\n" });
          config.root.readonly = false;
          config.domainname = "example.org";
          config.linux.sysctl = { "net.ipv4.ip_forward": "1", "kernel.msgmax": "4096" };
          config.process.env = ["PATH=/nowhere:/"];
          config.process.cwd = "/made/here";
          config.process.oomScoreAdj = 500;
          config.process.user = { uid: 1000, gid: 1001, additionalGids: [5, 6], umask: 0o027 };
          config.process.rlimits = [
            { type: "RLIMIT_NOFILE", soft: 512, hard: 1024 },
            { type: "RLIMIT_CORE", soft: 0, hard: 0 },
          ];
          const sets = ["bounding", "effective", "inheritable", "permitted", "ambient"] as const;
          config.process.capabilities = Object.fromEntries(sets.map((set) => [set, ["CAP_KILL", "CAP_CHOWN"]]));
        }),
      ),
    );
  });

  test("mounts of every kind", async () => {
    const source = join(e2e.directory, "source");
    mkdirSync(join(source, "sub"), { recursive: true });
    writeFileSync(join(source, "file"), "x");
    note(
      await expectTruth(
        shape((config, bundle) => {
          bundle.add({ "var/a": "1", "var/sub/b": "2", "srv/": "" });
          config.root.readonly = false;
          config.linux.rootfsPropagation = "slave";
          config.linux.maskedPaths = ["/proc/kcore", "/proc/missing", "/var/sub", "/proc/acpi", "/proc/timer_list"];
          config.linux.readonlyPaths = ["/proc/sys", "/proc/missing"];
          config.mounts.push(
            { destination: "/srv", type: "bind", source, options: ["rbind", "ro", "nosuid", "rslave"] },
            { destination: "/deep/down/here", type: "bind", source, options: ["bind", "rro"] },
            { destination: "/one/file", type: "bind", source: join(source, "file"), options: ["bind"] },
            { destination: "/var", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "size=1m", "noexec"] },
            { destination: "/srv", options: ["remount", "ro", "noexec"] },
          );
        }),
      ),
    );
  });

  test("an overlay as the root, of layers whose paths are long", async () => {
    note(
      await expectTruth(
        shape((config, bundle) => {
          const [upper = "", work = "", root = ""] = ["upper", "work", "empty"].map((name) =>
            join(bundle.hostPath, name),
          );
          for (const directory of [upper, work, root]) mkdirSync(directory, { recursive: true });
          config.root.path = root;
          const layers = ["a", "b", "c"].map((letter) => join(bundle.hostPath, letter.repeat(100)));
          for (const layer of layers) mkdirSync(layer, { recursive: true });
          const options = [
            `lowerdir=${[bundle.rootfs, ...layers].join(":")}`,
            `upperdir=${upper}`,
            `workdir=${work}`,
            "index=off",
          ];
          config.mounts.unshift({ destination: "/", type: "overlay", source: "overlay", options });
        }),
      ),
    );
  });

  test("devices and links", async () => {
    note(
      await expectTruth(
        shape((config) => {
          config.linux.devices = [
            { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o640, uid: 12, gid: 34 },
            { path: "/dev/net/tun", type: "c", major: 10, minor: 200, fileMode: 0o666, uid: 0, gid: 0 },
            { path: "/dev/pipe", type: "p", fileMode: 0o622 },
          ];
        }),
      ),
    );
  });

  test("a terminal", async () => {
    const bundle = shape((config) => {
      config.process.terminal = true;
      config.process.consoleSize = { height: 30, width: 90 };
    });
    note(await expectTruth(bundle, { hasTerminal: true }));
  });

  test("a user namespace", async () => {
    note(
      await expectTruth(
        shape((config) => {
          config.root.readonly = false;
          config.linux.namespaces?.push({ type: "user" });
          config.linux.uidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
          config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
          config.process.oomScoreAdj = 100;
          config.mounts.push({ destination: "/mapped", type: "tmpfs", source: "tmpfs", options: ["idmap", "nosuid"] });
        }),
      ),
    );
  });

  test("an idmapped mount", async () => {
    const source = join(e2e.directory, "mapped");
    mkdirSync(source, { recursive: true });
    const mappings = [{ containerID: 0, hostID: 1000, size: 10 }];
    note(
      await expectTruth(
        shape((config) => {
          config.root.readonly = false;
          config.mounts.push({
            destination: "/mapped",
            type: "tmpfs",
            source: "tmpfs",
            options: ["idmap"],
            uidMappings: mappings,
            gidMappings: mappings,
          });
        }),
      ),
    );
  });

  test("a time namespace and one that is joined: it goes on in a child", async () => {
    note(
      await expectTruth(
        shape((config) => {
          without(config, "network");
          config.linux.namespaces?.push({ type: "time" }, { type: "network", path: "/proc/self/ns/net" });
          config.linux.timeOffsets = { monotonic: { secs: 100, nanosecs: 5 }, boottime: { secs: 200, nanosecs: 0 } };
        }),
      ),
    );
  });

  test("no namespaces but a mount namespace, no new keyring, no pivot", async () => {
    note(
      await expectTruth(
        shape((config) => {
          config.linux.namespaces = [{ type: "mount" }, { type: "pid" }];
          delete config.hostname;
        }),
        { noPivot: true, noNewKeyring: true },
      ),
    );
  });

  test("no mount namespace: the root is entered, nothing is mounted", async () => {
    note(
      await expectTruth(
        shape((config, bundle) => {
          bundle.add({ "dev/": "", "proc/": "" });
          config.linux.namespaces = [{ type: "pid" }];
          config.mounts = [];
          config.root.readonly = false;
          delete config.linux.maskedPaths;
          delete config.linux.readonlyPaths;
          delete config.hostname;
        }),
      ),
    );
  });

  test("scheduling and memory", async () => {
    note(
      await expectTruth(
        shape((config) => {
          config.process.scheduler = { policy: "SCHED_BATCH", nice: 3 };
          config.process.ioPriority = { class: "IOPRIO_CLASS_BE", priority: 5 };
          config.linux.personality = { domain: "LINUX" };
          config.linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "0" };
        }),
      ),
    );
  });

  for (const noNewPrivileges of [true, false]) {
    test(`a filter of system calls, noNewPrivileges ${noNewPrivileges}`, async () => {
      note(
        await expectTruth(
          shape((config) => {
            config.process.noNewPrivileges = noNewPrivileges;
            config.linux.seccomp = {
              defaultAction: "SCMP_ACT_ALLOW",
              syscalls: [{ names: ["getpgid"], action: "SCMP_ACT_ERRNO" }],
            };
          }),
        ),
      );
    });
  }

  test("a filter that notifies", async () => {
    const listenerPath = join(e2e.directory, "agent.sock");
    const agent = spawn(agentPath, [listenerPath], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await new Promise((resolve) => agent.stdout.once("data", resolve));
      note(
        await expectTruth(
          shape((config) => {
            config.linux.seccomp = {
              defaultAction: "SCMP_ACT_ALLOW",
              listenerPath,
              syscalls: [{ names: ["getpgid"], action: "SCMP_ACT_NOTIFY" }],
            };
          }),
        ),
      );
    } finally {
      agent.kill("SIGKILL");
    }
  });

  test("hooks of every kind", async () => {
    note(
      await expectTruth(
        shape((config) => {
          config.root.readonly = false;
          const outside = [{ path: "/bin/true" }];
          const inside = [
            { path: "/probe", args: ["probe", "pid"] },
            { path: "/probe", timeout: 60 },
          ];
          config.hooks = {
            prestart: outside,
            createRuntime: outside,
            createContainer: [...outside, ...outside],
            startContainer: inside,
            poststart: outside,
            poststop: outside,
          };
        }),
      ),
    );
  });

  plainTest("every operation of the helper has been seen", (context) => {
    if (seen.size === 0) {
      const { name } = e2e.runtime;
      context.task.meta.skipReason = name === "runlet" ? "none of these tests ran" : `${name} does not have it`;
      context.skip();
    }
    // A label needs its security module, and affinity and joining are of `exec`.
    const elsewhere = new Set(["pause", "setLabel", "setAffinity", "clearGroups", "joinRoot"]);
    const missing = Object.keys(operationCodes).filter((name) => !seen.has(name) && !elsewhere.has(name));
    expect(missing).toEqual([]);
  });
});
