import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Container, Runtime } from "@runlet/lifecycle";
import { describe, expect } from "vitest";
import type { Config } from "../harness/bundle.ts";
import { ControlGroup, isV2 } from "../harness/control-group.ts";
import { DescriptorReceiver } from "../harness/descriptor-receiver.ts";
import { ExecProbe } from "../harness/exec.ts";
import { Observation } from "../harness/observation.ts";
import { OrdinaryUser } from "../harness/ordinary-user.ts";
import { sleep, waitUntil } from "../harness/patience.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, runtime: ["runlet", "runc"] });
const { test } = e2e;
const runletOnly = { runtime: ["runlet"] } as const;

const probe = new ExecProbe(e2e);
const running: ExecProbe["start"] = (...given) => probe.start(...given);
const exec: ExecProbe["exec"] = (...given) => probe.exec(...given);
const seen: ExecProbe["see"] = (...given) => probe.see(...given);

/** Waits until something is so. */
async function until(isSo: () => boolean): Promise<void> {
  await waitUntil({ look: isSo, until: (seen) => seen, complain: () => `it is not so: ${isSo}` });
}

describe("the session keyring", () => {
  const verb = "sessionKeyringId";

  test("is the container's, in what exec runs too", async () => {
    const id = e2e.id();
    const bundle = e2e.bundle().probing(verb, "sessionKeyring", "wait");
    const call = e2e.runtime.start(["run", "--detach", "--bundle", bundle.hostPath, id]);
    await call.ended;
    await call.waitForOutput("waiting");
    const own = new Observation(call.stdout());
    const joined = await seen(id, [], verb, "sessionKeyring");
    expect(own.of(verb)).toBeGreaterThan(0);
    expect(joined.of(verb)).toBe(own.of(verb));
    // The owner may search it besides, and change nothing: keyctl(2).
    expect(own.of("sessionKeyring")).toMatch(/^keyring;0;0;3f1b0000;_ses/);
    expect(joined.of("sessionKeyring")).toBe(own.of("sessionKeyring"));
  });

  // runc's exec has one of its own there: it asks before it is of the namespace.
  test("is the container's in a user namespace too, and another container's is another", runletOnly, async () => {
    const mapUsers = (config: Config) => {
      config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "user" }];
      config.linux.uidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
    };
    const ids = [await running(mapUsers), await running(mapUsers)];
    const rings = await Promise.all(ids.map(async (id) => (await seen(id, [], verb)).of(verb)));
    const again = await Promise.all(ids.map(async (id) => (await seen(id, [], verb)).of(verb)));
    expect(again).toEqual(rings);
    expect(rings[0]).not.toBe(rings[1]);
  });
});

describe("exec", () => {
  test("--preserve-fds passes descriptors from 3 on", async () => {
    const id = await running();
    const file = join(e2e.directory, "preserved");
    writeFileSync(file, "content");
    const [program = "", ...args] = e2e.runtime.argv([
      "exec",
      "--preserve-fds",
      "2",
      id,
      "/probe",
      "fds",
      "read=/proc/self/fd/4",
    ]);
    const preserved = ["/dev/null", file].map((path) => openSync(path, "r"));
    const { status, stdout, stderr } = spawnSync(program, args, { stdio: ["ignore", "pipe", "pipe", ...preserved] });
    for (const fd of preserved) closeSync(fd);
    expect(status, String(stderr)).toBe(0);
    const inside = new Observation(String(stdout));
    expect(inside.of("fds")).toEqual([0, 1, 2, 3, 4]);
    expect(inside.of("read=/proc/self/fd/4")).toBe("content");
  });

  test("--pidfd-socket receives a descriptor of the process", runletOnly, async () => {
    const id = await running();
    using receiver = new DescriptorReceiver(join(e2e.directory, "exec-pidfd.sock"));
    const pidFile = join(e2e.directory, "pidfd.pid");
    const options = ["--detach", "--pidfd-socket", receiver.hostPath, "--pid-file", pidFile];
    const [received, result] = await Promise.all([receiver.receive(), exec(id, options, "wait")]);
    expect(result.status).toBe(0);
    try {
      expect(readlinkSync(`/proc/self/fd/${received.fd}`)).toBe("anon_inode:[pidfd]");
      const pid = /^Pid:\t(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${received.fd}`, "utf8"))?.[1];
      expect(pid).toBe(readFileSync(pidFile, "utf8"));
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toBe("/probe\0wait\0");
    } finally {
      closeSync(received.fd);
    }
  });

  test("--cgroup puts the process into a control group below the container's", {
    cgroup: ["v1", "hybrid", "v2"],
  }, async () => {
    const id = await running();
    const { pid } = await e2e.runtime.state(id);
    const group = new ControlGroup(pid);
    const below = join(group.hostPath("pids"), "below");
    mkdirSync(below);
    try {
      const pidFile = join(e2e.directory, "below.pid");
      const path = isV2 ? "/below" : "pids:below";
      const result = await exec(id, ["--cgroup", path, "--detach", "--pid-file", pidFile], "wait");
      expect(result.status, result.stderr).toBe(0);
      const joined = new ControlGroup(Number(readFileSync(pidFile, "utf8")));
      expect(joined.hostPath("pids")).toBe(below);
      // On v1 the other hierarchies keep to the container's own.
      if (!isV2) expect(joined.hostPath("memory")).toBe(group.hostPath("memory"));
    } finally {
      await e2e.runtime.succeed(["kill", id, "KILL"]);
      await until(() => readFileSync(join(below, "cgroup.procs"), "utf8") === "");
      rmdirSync(below);
    }
  });

  test("--ignore-paused waits in a paused container", { ...runletOnly, cgroup: ["v1", "hybrid", "v2"] }, async () => {
    const id = await running();
    const group = new ControlGroup((await e2e.runtime.state(id)).pid);
    await e2e.runtime.succeed(["pause", id]);
    const call = e2e.runtime.start(["exec", "--ignore-paused", id, "/probe", "exit=6"]);
    await until(() => group.read("freezer", "cgroup.procs").split("\n").length === 2);
    await sleep(100);
    expect(call.child.exitCode).toBeNull();
    await e2e.runtime.succeed(["resume", id]);
    expect((await call.ended).status).toBe(6);
  });

  for (const [option, module, path] of [
    ["--apparmor", "apparmor", "/sys/kernel/security/apparmor"],
    ["--process-label", "selinux", "/sys/fs/selinux"],
  ] as const) {
    const needs = { ...runletOnly, absent: [path, module] } as const;
    test(`${option} is refused where the kernel has no such module`, needs, async () => {
      const id = await running();
      const { status, stderr } = await exec(id, [option, "label"], "pid");
      expect(status).toBe(255);
      expect(stderr).toContain(`the kernel has no security module ${module}`);
      expect((await exec(id, [option, ""], "exit=3")).status).toBe(3);
    });
  }

  test("says of which process it speaks, and not of the config", runletOnly, async () => {
    const id = await running();
    const absent = await exec(id, ["--cwd", "/absent"], "pid");
    expect(absent.status).toBe(255);
    expect(absent.stderr).toContain('process /cwd: chdir to cwd (\\"/absent\\") failed: no such file or directory');
    const file = join(e2e.directory, "cwd.json");
    writeFileSync(file, JSON.stringify({ args: ["/probe"], cwd: "/gone", user: { uid: 0, gid: 0 } }));
    const fromFile = await e2e.runtime.invoke(["exec", "--process", file, id]);
    expect(fromFile.stderr).toContain("process /cwd: chdir to cwd");
    const warned = await exec(id, ["--cap", "CAP_NONE_SUCH"], "pid");
    expect(warned.status).toBe(0);
    expect(warned.stderr).toContain("process /capabilities/bounding: ");
    for (const { stderr } of [absent, fromFile, warned]) expect(stderr).not.toContain("config.json");
  });
});

describe("exec by an ordinary user", () => {
  for (const [what, ranges] of [
    ["with one mapped id", undefined],
    ["with ranges of /etc/subuid", { first: 300_000, count: 65_536 }],
  ] as const) {
    test(`joins a container ${what}`, runletOnly, async () => {
      const user = new OrdinaryUser({ suite: e2e, ...(ranges === undefined ? {} : { subordinateIds: ranges }) });
      const made = await user.bundle(({ linux }) => {
        if (ranges === undefined) return;
        const own = { containerID: 0, hostID: user.uid, size: 1 };
        const more = { containerID: 1, hostID: ranges.first, size: ranges.count };
        linux.uidMappings = [own, more];
        linux.gidMappings = [own, more];
      });
      const bundle = made.probing("wait");
      const id = e2e.id();
      expect(await user.invoke(["run", "--detach", "--bundle", bundle.hostPath, id])).toMatchObject({ status: 0 });
      const inside = ["ids", "capabilities", "readlink=/proc/self/ns/user", "readlink=/proc/1/ns/user", "list=/"];
      const { status, stdout, stderr } = await user.invoke(["exec", id, "/probe", ...inside]);
      expect(status, stderr).toBe(0);
      const seen = new Observation(stdout);
      expect(seen.of("ids")).toMatchObject({ uid: 0, euid: 0, gid: 0 });
      expect(seen.of("readlink=/proc/self/ns/user")).toBe(seen.of("readlink=/proc/1/ns/user"));
      expect(seen.of("list=/")).toContain("probe");
      const other = await user.invoke(["exec", "--user", "5", id, "/probe", "ids"]);
      if (ranges === undefined) {
        expect(other.status).toBe(255);
        expect(other.stderr).toMatch(/process \/user\/uid: /);
      } else {
        expect(new Observation(other.stdout).of("ids")).toMatchObject({ uid: 5, euid: 5 });
      }
      expect((await user.invoke(["exec", id, "/probe", "exit=7"])).status).toBe(7);
      await user.deleteContainers();
    });
  }
});

describe("[/process/terminal] a receiver that goes away", () => {
  function descriptors(): number {
    return readdirSync("/proc/self/fd").length;
  }

  /** A container of this process, so that what is left open can be counted. */
  async function openContainer(): Promise<Container> {
    const runtime = new Runtime({ root: e2e.runtime.root });
    const bundle = e2e.bundle().probing("wait");
    const container = await runtime.create(e2e.id(), { bundle: bundle.hostPath, stdio: "null" });
    await container.start();
    return container;
  }

  for (const option of ["consoleSocket", "pidfdSocket"] as const) {
    const name = option === "consoleSocket" ? "console socket" : "pidfd socket";

    test(`ends exec and the process, ${name}`, { ...runletOnly, cgroup: ["v1", "hybrid", "v2"] }, async () => {
      await using container = await openContainer();
      // The frozen process waits in its control group, with its terminal still to come.
      await container.pause();
      using receiver = new DescriptorReceiver(join(e2e.directory, `gone-${option}.sock`));
      const before = descriptors();
      const options = { args: ["/probe", "wait"], tty: true, ignorePaused: true, [option]: receiver.hostPath };
      const failure = expect(container.exec(options)).rejects.toMatchObject({
        code: "ERR_RUNLET_TERMINAL",
        message: `the ${name} was closed before it received its descriptor`,
        errno: "EPIPE",
      });
      await receiver.hangUp();
      await container.resume();
      await failure;
      expect(descriptors()).toBe(before);
      expect(await container.processes()).toHaveLength(1);
      expect((await container.state()).status).toBe("running");
    });

    test(`undoes create, ${name}`, runletOnly, async () => {
      const gone = join(e2e.directory, `gone-${option}`);
      const bundle = e2e.bundle((config) => {
        config.process.terminal = true;
        const script = 'until [ -e "$0" ]; do sleep 0.01; done';
        config.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", script, gone] }] };
      });
      using receiver = new DescriptorReceiver(`${gone}.sock`);
      const runtime = new Runtime({ root: e2e.runtime.root });
      const before = descriptors();
      const id = e2e.id();
      const creation = runtime.create(id, { bundle: bundle.probing("wait").hostPath, [option]: receiver.hostPath });
      const failure = expect(creation).rejects.toMatchObject({ code: "ERR_RUNLET_TERMINAL", errno: "EPIPE" });
      await receiver.hangUp();
      writeFileSync(gone, "");
      await failure;
      expect(descriptors()).toBe(before);
      expect(readdirSync(runtime.root)).not.toContain(id);
    });
  }

  test(
    "[/process/terminal] --pidfd-socket of create receives a descriptor of the container's process",
    runletOnly,
    async () => {
      using receiver = new DescriptorReceiver(join(e2e.directory, "create-pidfd.sock"));
      const id = e2e.id();
      const bundle = e2e.bundle().probing("wait");
      const create = e2e.runtime.succeed([
        "create",
        "--bundle",
        bundle.hostPath,
        "--pidfd-socket",
        receiver.hostPath,
        id,
      ]);
      const [received] = await Promise.all([receiver.receive(), create]);
      try {
        const information = readFileSync(`/proc/self/fdinfo/${received.fd}`, "utf8");
        expect(information).toMatch(new RegExp(`^Pid:\\t${(await e2e.runtime.state(id)).pid}$`, "m"));
      } finally {
        closeSync(received.fd);
      }
    },
  );
});
