import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { Bundle } from "../harness/bundle.ts";
import type { Result, RuntimeName } from "../harness/command.ts";
import { findLeaks } from "../harness/leaks.ts";
import { OrdinaryUser } from "../harness/ordinary-user.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

/** A mistake, and what the message must have: what is wrong, where, and what to do. The peers say it in words of their own. */
interface Mistake {
  readonly what: string;
  readonly arrange: (bundle: Bundle) => void;
  readonly says: readonly RegExp[];
  /** Peers that let it pass. */
  readonly passes?: readonly RuntimeName[];
  /** Whether peers find it only at execve(2): it is asserted of `run` alone. */
  readonly late?: true;
}

const mistakes: Mistake[] = [
  {
    what: "no config.json",
    arrange: (bundle) => rmSync(join(bundle.hostPath, "config.json")),
    says: [/JSON specification file config\.json not found/],
  },
  {
    what: "a config that is not JSON",
    arrange: (bundle) => bundle.write('{\n  "ociVersion": "1.0.2",\n  "process": {,\n}\n'),
    says: [/config\.json/, /line 3|:3:/, /column 15|:3:15/],
  },
  {
    what: "an empty config.json",
    arrange: (bundle) => bundle.write(""),
    says: [/config\.json/],
  },
  {
    what: "a value of the wrong type",
    arrange: (bundle) => bundle.write(JSON.stringify({ ...bundle.config, hostname: 42 })),
    says: [/\/hostname/, /string/],
    passes: ["crun"],
  },
  {
    what: "a missing rootfs",
    arrange: (bundle) => rmSync(bundle.rootfs, { recursive: true }),
    says: [/\/root\/path/, /rootfs/, /no such file or directory|does not exist/],
  },
  {
    what: "a rootfs that is a file",
    arrange: (bundle) => {
      rmSync(bundle.rootfs, { recursive: true });
      writeFileSync(bundle.rootfs, "");
    },
    says: [/\/root\/path/, /not a directory/],
  },
  {
    what: "an executable that is absent",
    arrange: (bundle) => {
      bundle.config.process.args = ["/nosuch"];
      bundle.write();
    },
    says: [/exec: "\/nosuch"|"\/nosuch"/, /no such file or directory/, /\/process\/args/],
  },
  {
    what: "an executable that is nowhere on the PATH",
    arrange: (bundle) => {
      bundle.config.process.args = ["nosuch"];
      bundle.write();
    },
    says: [/exec: "nosuch": executable file not found in \$PATH/],
  },
  {
    what: "an executable without an execute bit",
    arrange: (bundle) => {
      writeFileSync(join(bundle.rootfs, "data"), "#!/probe\n");
      bundle.config.process.args = ["/data"];
      bundle.write();
    },
    says: [/"\/data"/, /permission denied/, /chmod|execute/],
  },
  {
    what: "an executable that is a directory",
    arrange: (bundle) => {
      mkdirSync(join(bundle.rootfs, "directory"));
      bundle.config.process.args = ["/directory"];
      bundle.write();
    },
    says: [/"\/directory"/, /permission denied|is a directory/],
  },
  {
    what: "an executable of another architecture",
    arrange: (bundle) => {
      // The ELF header's e_machine, at offset 18, says aarch64.
      const path = join(bundle.rootfs, "foreign");
      copyFileSync(join(bundle.rootfs, "probe"), path);
      patch(path, 18, Buffer.from([process.arch === "arm64" ? 62 : 183, 0]));
      bundle.config.process.args = ["/foreign"];
      bundle.write();
    },
    late: true,
    says: [/"\/foreign"/, /exec format error/, /aarch64|arm64|x86_64/],
  },
  {
    what: "an executable without its interpreter",
    arrange: (bundle) => {
      const source = join(bundle.hostPath, "dynamic.c");
      writeFileSync(source, "int main(void) { return 0; }\n");
      execFileSync("cc", ["-o", join(bundle.rootfs, "dynamic"), source]);
      bundle.config.process.args = ["/dynamic"];
      bundle.write();
    },
    late: true,
    says: [/"\/dynamic"/, /no such file or directory/, /interpreter|ld-linux/],
  },
  {
    what: "a script without its interpreter",
    arrange: (bundle) => {
      writeFileSync(join(bundle.rootfs, "script"), "#!/bin/nosuch\n", { mode: 0o755 });
      bundle.config.process.args = ["/script"];
      bundle.write();
    },
    late: true,
    says: [/"\/script"/, /no such file or directory/, /\/bin\/nosuch/],
  },
  {
    what: "a mount of an unknown type",
    arrange: (bundle) => {
      bundle.config.mounts.push({ destination: "/data", type: "nosuchfs", source: "none" });
      bundle.config.root.readonly = false;
      bundle.write();
    },
    says: [/\/mounts\/7/, /nosuchfs/, /ENODEV|no such device/, /hint|\/proc\/filesystems/],
  },
  {
    what: "a bind mount whose source is absent",
    arrange: (bundle) => {
      bundle.config.mounts.push({ destination: "/data", type: "bind", source: "/no/such/source", options: ["bind"] });
      bundle.config.root.readonly = false;
      bundle.write();
    },
    says: [/\/mounts\/7/, /\/no\/such\/source/, /no such file or directory/],
  },
  {
    what: "a namespace to join that is absent",
    arrange: (bundle) => {
      delete bundle.config.hostname;
      bundle.config.linux.namespaces = [{ type: "mount" }, { type: "network", path: "/run/netns/nosuch" }];
      bundle.write();
    },
    says: [/\/linux\/namespaces\/1/, /\/run\/netns\/nosuch/],
  },
  {
    what: "a namespace listed twice",
    arrange: (bundle) => {
      delete bundle.config.hostname;
      bundle.config.linux.namespaces = [{ type: "mount" }, { type: "pid" }, { type: "pid" }];
      bundle.write();
    },
    says: [/\/linux\/namespaces\/2/, /pid/],
    passes: ["crun"],
  },
  {
    what: "a hostname without a uts namespace",
    arrange: (bundle) => {
      bundle.config.hostname = "nowhere";
      bundle.config.linux.namespaces = [{ type: "mount" }, { type: "pid" }];
      bundle.write();
    },
    says: [/\/hostname/, /uts/],
  },
  {
    what: "no process",
    arrange: (bundle) => bundle.write(JSON.stringify({ ...bundle.config, process: undefined })),
    says: [/process/],
  },
  {
    what: "no args",
    arrange: (bundle) => {
      bundle.config.process.args = [];
      bundle.write();
    },
    says: [/\/process\/args|args/],
  },
  {
    what: "a cwd that is relative",
    arrange: (bundle) => {
      bundle.config.process.cwd = "relative";
      bundle.write();
    },
    says: [/\/process\/cwd/, /absolute/],
    passes: ["crun"],
  },
  {
    what: "a cwd that is a file",
    arrange: (bundle) => {
      bundle.add({ file: "" });
      bundle.config.process.cwd = "/file";
      bundle.write();
    },
    says: [/\/process\/cwd/, /"\/file"/, /not a directory/],
  },
  {
    what: "a cwd that cannot be made, in a read-only root",
    arrange: (bundle) => {
      bundle.config.root.readonly = true;
      bundle.config.process.cwd = "/sys/made";
      bundle.write();
    },
    says: [/\/process\/cwd/, /\/sys\/made/],
  },
  {
    what: "a device of an unknown type",
    arrange: (bundle) =>
      bundle.write(
        JSON.stringify({
          ...bundle.config,
          linux: { ...bundle.config.linux, devices: [{ path: "/dev/x", type: "z" }] },
        }),
      ),
    says: [/\/linux\/devices\/0\/type/],
    passes: ["crun"],
  },
  {
    what: "an rlimit whose soft value is above the hard one",
    arrange: (bundle) => {
      bundle.config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 2000, hard: 1000 }];
      bundle.write();
    },
    says: [/\/process\/rlimits\/0/, /hard/],
  },
  {
    what: "an rlimit of an unknown type",
    arrange: (bundle) => {
      bundle.config.process.rlimits = [{ type: "RLIMIT_NOSUCH", soft: 1, hard: 1 }];
      bundle.write();
    },
    says: [/\/process\/rlimits\/0/, /RLIMIT_NOSUCH/],
  },
];

/** What a command wrote, without the escapes of a log line. */
function said(result: Result): string {
  return result.stderr.replaceAll('\\"', '"');
}

function patch(path: string, offset: number, bytes: Buffer): void {
  const content = readFileSync(path);
  bytes.copy(content, offset);
  writeFileSync(path, content, { mode: 0o755 });
}

describe("a mistake in the bundle is an error of create and of run, and nothing is left behind", () => {
  const all = ["runlet", "runc", "crun"] as const;
  for (const { what, arrange, says, passes = [], late = false } of mistakes) {
    test(what, { runtime: all.filter((name) => !passes.includes(name)) }, async () => {
      const bundle = e2e.bundle();
      arrange(bundle);
      for (const command of late ? ["run"] : ["create", "run"]) {
        const id = e2e.id();
        const result = await e2e.runtime.invoke([command, "--bundle", bundle.hostPath, id]);
        expect([command, result.status]).toEqual([command, 1]);
        expect(result.stdout).toBe("");
        if (e2e.runtime.name === "runlet") for (const words of says) expect(said(result)).toMatch(words);
        else expect(result.stderr).not.toBe("");
        expect(readdirSync(e2e.runtime.root)).not.toContain(id);
        expect(findLeaks(id)).toEqual([]);
      }
    });
  }
});

describe("unknown fields", () => {
  const known = { runtime: ["runlet"] } as const;

  test("are ignored with a warning that suggests the nearest known name", known, async () => {
    const bundle = e2e.bundle();
    const text = JSON.stringify({
      ...bundle.config,
      hostnmae: "typo",
      process: { ...bundle.config.process, args: ["/probe", "exit=0"], aditionalGids: [1] },
    });
    bundle.write(text);
    const result = await e2e.run(bundle);
    expect(result.status).toBe(0);
    expect(said(result)).toMatch(/hostnmae.*hostname/);
    expect(said(result)).toMatch(/aditionalGids/);
  });

  test("all mistakes are told at once by validate, and counted by run", known, async () => {
    const bundle = e2e.bundle();
    bundle.write(
      JSON.stringify({ ...bundle.config, hostname: 1, process: { ...bundle.config.process, cwd: "x", args: [] } }),
    );
    const validation = await e2e.runtime.invoke(["validate", bundle.hostPath]);
    expect(validation.status).toBe(1);
    for (const place of ["/hostname", "/process/cwd", "/process/args"]) {
      expect(validation.stdout + validation.stderr).toContain(place);
    }
    const result = await e2e.run(bundle);
    expect(result.status).toBe(1);
    expect(said(result)).toMatch(/and 2 more errors/);
  });
});

describe("ids", () => {
  const ids: [what: string, id: string][] = [
    ["a slash", "a/b"],
    ["two dots", ".."],
    ["one dot", "."],
    ["a path out of the state root", "../../etc"],
    ["a space", "a b"],
    ["nothing", ""],
    ["a letter that is not ASCII", "ü"],
    ["a line break", "a\nb"],
  ];
  for (const [what, id] of ids) {
    test(`with ${what} are refused`, { runtime: ["runlet", "runc"] }, async () => {
      const bundle = e2e.bundle().probing("pid");
      const before = readdirSync(e2e.directory);
      for (const command of ["create", "run", "state", "delete"]) {
        const args =
          command === "state" || command === "delete" ? [command, id] : [command, "--bundle", bundle.hostPath, id];
        const result = await e2e.runtime.invoke(args);
        expect([command, result.status]).toEqual([command, 1]);
        if (id !== "") expect(said(result)).toMatch(/invalid container ID format|container does not exist/);
      }
      expect(readdirSync(e2e.directory)).toEqual(before);
      expect(readdirSync(e2e.runtime.root)).toEqual([]);
    });
  }

  test("of a hundred thousand characters are refused", { runtime: ["runlet", "runc"] }, async () => {
    const result = await e2e.runtime.invoke(["create", "--bundle", e2e.bundle().hostPath, "a".repeat(100_000)]);
    expect(result.status).toBe(1);
  });

  test("in use are refused, and the container is unharmed", async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing("wait");
    await e2e.runtime.succeed(["create", "--bundle", bundle.hostPath, id]);
    const before = await e2e.runtime.state(id);
    const again = await e2e.runtime.invoke(["create", "--bundle", bundle.hostPath, id]);
    expect(again.status).toBe(1);
    if (e2e.runtime.name !== "crun") expect(again.stderr).toContain("container with given ID already exists");
    expect(await e2e.runtime.state(id)).toEqual(before);
  });
});

describe("calls at the wrong moment", () => {
  async function created(...verbs: string[]): Promise<string> {
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", e2e.bundle().probing(...verbs).hostPath, id]);
    return id;
  }
  const words = (text: string): RegExp => (e2e.runtime.name === "crun" ? /./ : new RegExp(text));

  test("start twice", async () => {
    const id = await created("wait");
    await e2e.runtime.succeed(["start", id]);
    const result = await e2e.runtime.invoke(["start", id]);
    expect(result.status).toBe(1);
    expect(said(result)).toMatch(words("cannot start an already running container"));
    expect((await e2e.runtime.state(id)).status).toBe("running");
  });

  test("start of one that has stopped", async () => {
    const id = await created("exit=0");
    await e2e.runtime.succeed(["start", id]);
    await e2e.runtime.waitForStatus(id, "stopped");
    const result = await e2e.runtime.invoke(["start", id]);
    expect(result.status).toBe(1);
    expect(said(result)).toMatch(words("cannot start a container that has stopped"));
  });

  test("delete of a running container", async () => {
    const id = await created("wait");
    await e2e.runtime.succeed(["start", id]);
    const result = await e2e.runtime.invoke(["delete", id]);
    expect(result.status).toBe(1);
    expect(said(result)).toMatch(words(`cannot delete container ${id} that is not stopped: running`));
    expect((await e2e.runtime.state(id)).status).toBe("running");
  });

  test("kill with an unknown signal", { runtime: ["runlet", "runc"] }, async () => {
    const id = await created("wait");
    const result = await e2e.runtime.invoke(["kill", id, "FOO"]);
    expect(result.status).toBe(1);
    expect(said(result)).toMatch(words('unknown signal "FOO"'));
    expect((await e2e.runtime.state(id)).status).toBe("created");
  });

  test("kill of a stopped container", async () => {
    const id = await created("exit=0");
    await e2e.runtime.succeed(["start", id]);
    await e2e.runtime.waitForStatus(id, "stopped");
    const stopped = await e2e.runtime.invoke(["kill", id, "TERM"]);
    expect(stopped.status).toBe(1);
    expect(said(stopped)).toMatch(words("container not running"));
  });

  for (const command of ["state", "start", "kill", "delete"]) {
    test(`${command} of an absent container`, async () => {
      const result = await e2e.runtime.invoke([command, `${e2e.tag}-absent`]);
      expect(result.status).toBe(1);
      expect(said(result)).toMatch(words("container does not exist"));
    });
  }
});

describe("the command line", () => {
  const ours = { runtime: ["runlet"] } as const;

  test("an unknown command ends with status 3 and suggests the nearest", ours, async () => {
    const result = await e2e.runtime.invoke(["strat", "x"]);
    expect(result.status).toBe(3);
    expect(said(result)).toMatch(/strat/);
    expect(said(result)).toMatch(/start/);
  });

  test("an unknown flag ends with status 1 and is named", async () => {
    const result = await e2e.runtime.invoke(["create", "--nosuch", "x"]);
    expect(result.status).not.toBe(0);
    expect(result.stderr + result.stdout).toContain("nosuch");
  });

  test("an argument that is not UTF-8, which no engine gives as it is, is refused", ours, async () => {
    const line = e2e.runtime.argv(["create", "--bundle", "/no/such/bundle"]);
    const result = spawnSync("sh", ["-c", `exec "$@" "$(printf 'a\\377')"`, "sh", ...line], { encoding: "utf8" });
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/the argument .* is not UTF-8/);
  });

  test("a bundle that is absent is named", ours, async () => {
    const result = await e2e.runtime.invoke(["create", "--bundle", "/no/such/bundle", e2e.id()]);
    expect(result.status).toBe(1);
    expect(said(result)).toMatch(/chdir \/no\/such\/bundle: no such file or directory/);
  });

  test("--log and --log-format json: the error as one object on one line", async () => {
    const log = join(e2e.directory, "errors.json");
    const bundle = e2e.bundle();
    rmSync(join(bundle.hostPath, "config.json"));
    const result = await e2e.runtime.invoke(["create", "--bundle", bundle.hostPath, e2e.id()], {
      global: ["--log", log, "--log-format", "json"],
    });
    expect(result.status).toBe(1);
    const lines = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.at(-1)).toMatchObject({
      level: "error",
      msg: expect.stringContaining("config.json"),
      time: expect.any(String),
    });
  });
});

let user: OrdinaryUser | undefined;

function ordinaryUser(): OrdinaryUser {
  user ??= new OrdinaryUser({ suite: e2e });
  return user;
}

test("an ordinary user without a user namespace is told what is missing", { runtime: ["runlet"] }, async () => {
  const bundle = await ordinaryUser().bundle((config) => {
    config.linux.namespaces = config.linux.namespaces?.filter(({ type }) => type !== "user") ?? [];
  });
  const result = await ordinaryUser().run(bundle);
  expect(result.status).toBe(1);
  expect(said(result)).toMatch(/root|user namespace/);
  expect(said(result)).toMatch(/--rootless|userns|user namespace/);
});

test("an ordinary user without a place for state sees a plan, and is told what a container wants", {
  runtime: ["runlet"],
}, async () => {
  const { hostPath } = await ordinaryUser().bundle();
  const options = { namesRoot: false, env: { XDG_RUNTIME_DIR: "" } };
  expect(await ordinaryUser().invoke(["plan", hostPath], options)).toMatchObject({ status: 0, stderr: "" });
  const result = await ordinaryUser().invoke(["create", "--bundle", hostPath, e2e.id()], options);
  expect(result.status).toBe(1);
  expect(said(result)).toMatch(/no directory for the state/);
  expect(said(result)).toMatch(/XDG_RUNTIME_DIR.*--root/);
});
