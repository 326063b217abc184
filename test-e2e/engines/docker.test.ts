import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { patienceMs, sleep } from "../harness/patience.ts";
import { Docker, type DockerScene, openDockerScene } from "./harness/docker.ts";
import { image } from "./harness/docker-archive.ts";
import { openFlows } from "./harness/flow.ts";
import { machineReasons } from "./harness/machine-reasons.ts";
import { useTerminal, windowSize } from "./harness/terminal-session.ts";

let place: DockerScene;
const flow = openFlows({
  openScene: async () => {
    place = await openDockerScene();
    return place.scene;
  },
  openEngine: async (_scene, runtime) => new Docker(place, runtime),
  machineReasons,
});

/** A shell that ends at once when it is asked to. */
const obedient = ["sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"];

/** Prints a line of /proc/self/status. */
const statusOf = (field: string) => ["sed", "-n", `s/^${field}:\\t//p`, "/proc/self/status"];

describe("run", () => {
  flow("prints what the container prints, and ends as it ends", async (docker) => {
    const result = await docker.run([], ["sh", "-c", "echo seen; echo heard >&2; exit 42"]);
    expect(result).toMatchObject({ status: 42, stdout: "seen\n", stderr: "heard\n" });
  });

  flow("--interactive reads standard input to its end", async (docker) => {
    const args = docker.runArgs(["--rm", "--interactive"], ["wc", "-c"]);
    expect(await docker.print(args, { input: "x".repeat(300_000) })).toBe("300000");
  });

  flow("--interactive --tty has a terminal of the person's size, follows it, and obeys its keys", async (docker) => {
    await useTerminal(docker.atTerminal(docker.runArgs(["--rm", "-it"], ["sh"]), windowSize));
  });

  flow("says what is wrong with an executable: absent is 127, not executable 126", async (docker) => {
    const absent = await docker.run(["--network=none"], ["/nosuch"]);
    expect(absent.status).toBe(127);
    expect(absent.stderr).toMatch(/exec: "\/nosuch": (stat \/nosuch: )?no such file or directory/);
    const unfit = await docker.run(["--network=none"], ["/etc/passwd"]);
    expect(unfit.status).toBe(126);
    expect(unfit.stderr).toContain('exec: "/etc/passwd": permission denied');
    expect(await docker.print(["ps", "--all", "--quiet", "--filter=status=created"])).toBe("");
  });

  flow("user, groups, directory, environment, host name and limits are those asked for", async (docker) => {
    const seen = await docker.see(
      [
        "--user=visitor",
        "--group-add=77",
        "--workdir=/made/for/it",
        "--env=GREETING=hello",
        "--hostname=named",
        "--ulimit=nofile=100:200",
        "--oom-score-adj=200",
      ],
      ["sh", "-c", "id -u; id -g; id -G; pwd; echo $GREETING; hostname; ulimit -n; cat /proc/self/oom_score_adj"],
    );
    const [uid, gid, groups = "", ...rest] = seen.split("\n");
    expect([uid, gid, ...rest]).toEqual(["1234", "1235", "/made/for/it", "hello", "named", "100", "200"]);
    expect(groups.split(" ").sort()).toEqual(["1235", "50", "77"]);
  });

  flow("--init reaps and forwards from process 1", async (docker) => {
    const seen = await docker.see(["--init"], ["ps", "-o", "pid,args"]);
    expect(seen).toMatch(/^ +1 \/sbin\/docker-init -- ps/m);
  });

  flow("--read-only makes the root read-only, and --tmpfs an exception", async (docker) => {
    const result = await docker.run(
      ["--read-only", "--tmpfs=/exception"],
      ["sh", "-c", "echo > /exception/file && echo written; echo > /file"],
    );
    expect(result).toMatchObject({ status: 1, stdout: "written\n" });
    expect(result.stderr).toContain("Read-only file system");
  });

  flow("--sysctl, --device, --shm-size and --add-host are seen inside", async (docker) => {
    const seen = await docker.see(
      [
        "--sysctl=net.ipv4.ip_default_ttl=77",
        "--device=/dev/kmsg:/dev/other:r",
        "--shm-size=1m",
        "--add-host=other:192.0.2.9",
      ],
      [
        "sh",
        "-c",
        "cat /proc/sys/net/ipv4/ip_default_ttl; stat -c %t:%T /dev/other; df -k /dev/shm | awk 'END { print $2 }'; grep other /etc/hosts",
      ],
    );
    expect(seen.split("\n")).toEqual(["77", "1:b", "1024", "192.0.2.9\tother"]);
  });
});

describe("security", () => {
  flow("capabilities are dropped and added", async (docker) => {
    expect(await docker.see(["--cap-drop=ALL"], statusOf("CapEff"))).toBe("0000000000000000");
    expect(await docker.see(["--cap-drop=ALL", "--cap-add=CHOWN"], statusOf("CapBnd"))).toBe("0000000000000001");
  });

  flow("a privileged container has every capability and the machine's devices", async (docker) => {
    const own = /^CapEff:\t(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    expect(await docker.see(["--privileged"], statusOf("CapEff"))).toBe(own);
    expect(await docker.see(["--privileged"], ["ls", "/dev"])).toContain("kmsg");
  });

  flow("the default seccomp profile, none, and one of the user's are in force", async (docker) => {
    expect(await docker.see([], statusOf("Seccomp"))).toBe("2");
    expect(await docker.see(["--security-opt=seccomp=unconfined"], statusOf("Seccomp"))).toBe("0");
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 122 }],
    };
    const path = join(docker.scene.directory, `${docker.name()}.json`);
    writeFileSync(path, JSON.stringify(profile));
    const result = await docker.run([`--security-opt=seccomp=${path}`], ["mkdir", "/new"]);
    expect(result.stderr).toContain("Disk quota exceeded");
  });

  flow("--security-opt=no-new-privileges is in force, for exec too", async (docker) => {
    const name = await docker.detach(["--security-opt=no-new-privileges"], obedient);
    expect(await docker.print(["exec", name, ...statusOf("NoNewPrivs")])).toBe("1");
    await docker.remove(name);
  });

  flow("the kernel's settings are hidden or read-only", async (docker) => {
    const result = await docker.run([], ["sh", "-c", "wc -c < /proc/keys; echo 1 > /proc/sys/kernel/panic"]);
    expect(result).toMatchObject({ status: 1, stdout: "0\n" });
    expect(result.stderr).toContain("Read-only file system");
  });
});

describe("limits", () => {
  const limits = {
    v1: ["memory/memory.limit_in_bytes", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "pids/pids.max"],
    v2: ["memory.max", "cpu.max", "pids.max"],
  };

  flow("those of run are set, and update changes them", async (docker) => {
    const name = await docker.detach(["--memory=64m", "--cpus=0.5", "--pids-limit=50", "--cpuset-cpus=0"], obedient);
    expect(await docker.readControlGroup(name, limits)).toEqual(["67108864", "50000", "100000", "50"]);
    expect(await docker.print(["exec", name, ...statusOf("Cpus_allowed_list")])).toBe("0");
    await docker.print(["update", "--memory=32m", "--memory-swap=32m", "--cpus=0.25", "--pids-limit=20", name]);
    expect(await docker.readControlGroup(name, limits)).toEqual(["33554432", "25000", "100000", "20"]);
    expect(await docker.print(["exec", name, "echo", "alive"])).toBe("alive");
    await docker.remove(name);
  });

  flow("--pids-limit refuses the process that is one too many", async (docker) => {
    const result = await docker.run(["--pids-limit=4"], ["sh", "-c", "for n in 1 2 3 4 5 6; do sleep 9 & done"]);
    expect(result.stderr).toContain("can't fork");
  });

  flow("a container that takes too much memory is killed, and docker knows why", async (docker) => {
    // containerd's shim looks for a lack of memory from the start's end on: on a slow machine it would miss one at once.
    const script = "until [ -e /go ]; do sleep 0.1; done; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";
    const name = await docker.detach(["--memory=16m", "--memory-swap=16m"], ["sh", "-c", script]);
    await docker.print(["exec", name, "touch", "/go"]);
    expect(await docker.print(["wait", name])).toBe("137");
    // The word that memory was short comes beside that of the end.
    await docker.waitFor(name, "{{.State.OOMKilled}} {{.State.ExitCode}}", "true 137");
    await docker.remove(name);
  });

  flow("stats measures a container", async (docker) => {
    const name = await docker.detach(["--memory=64m"], obedient);
    const format = "--format={{.Name}} {{.PIDs}} {{.MemUsage}}";
    const stats = await docker.print(["stats", "--no-stream", format, name]);
    expect(stats).toMatch(new RegExp(`^${name} [12] [\\d.]+[KM]iB / 64MiB$`));
    expect(stats).not.toContain(" 0B /");
    await docker.remove(name);
  });
});

describe("a running container", () => {
  flow("exec joins it, as the user and in the directory asked for, and returns its status", async (docker) => {
    const name = await docker.detach(["--env=GREETING=hello"], obedient);
    const result = await docker.invoke([
      ...["exec", "--user=1234:1235", "--workdir=/tmp", "--env=OTHER=bye", name],
      ...["sh", "-c", "id -u; id -g; pwd; echo $GREETING $OTHER; exit 6"],
    ]);
    expect(result).toMatchObject({ status: 6, stdout: "1234\n1235\n/tmp\nhello bye\n" });
    expect((await docker.invoke(["exec", name, "/nosuch"])).status).toBe(126);
    expect(await docker.print(["exec", "--interactive", name, "cat"], { input: "typed\n" })).toBe("typed");
    await docker.print(["exec", "--detach", name, "touch", "/left"]);
    expect(await docker.print(["exec", name, "sh", "-c", "while ! [ -e /left ]; do sleep 0.1; done; echo found"])).toBe(
      "found",
    );
    await docker.remove(name);
  });

  flow("exec --tty has a terminal", async (docker) => {
    const name = await docker.detach([], obedient);
    const person = docker.atTerminal(["exec", "-it", name, "sh"], { rows: 40, columns: 120 });
    await person.see("/ # ");
    person.type("tty\r");
    await person.see("/dev/pts/0");
    await person.ask("stty size", "40 120");
    person.type("exit 4\r");
    expect(await person.status).toBe(4);
    await docker.remove(name);
  });

  flow("exec --privileged has more capabilities than the container", async (docker) => {
    const name = await docker.detach(["--cap-drop=ALL"], obedient);
    expect(await docker.print(["exec", name, ...statusOf("CapEff")])).toBe("0000000000000000");
    const own = /^CapEff:\t(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    expect(await docker.print(["exec", "--privileged", name, ...statusOf("CapEff")])).toBe(own);
    await docker.remove(name);
  });

  flow("top names its processes, logs has what it printed", async (docker) => {
    const name = await docker.detach([], ["sh", "-c", "echo said; echo complained >&2; exec sleep 1000"]);
    const processes = async () => (await docker.print(["top", name, "-o", "pid,args"])).split("\n").slice(1);
    await expect.poll(processes, { timeout: patienceMs }).toEqual([expect.stringMatching(/^\d+ +sleep 1000$/)]);
    const logs = async () => await docker.invoke(["logs", name]);
    await expect.poll(logs, { timeout: patienceMs }).toMatchObject({ stdout: "said\n", stderr: "complained\n" });
    await docker.remove(name);
  });

  flow("pause stops it and unpause lets it go on", async (docker) => {
    const name = await docker.detach([], ["sh", "-c", "while :; do echo tick; sleep 0.1; done"]);
    const count = async () => (await docker.print(["logs", name])).split("\n").length;
    await docker.print(["pause", name]);
    expect(await docker.inspect(name, "{{.State.Status}}")).toBe("paused");
    // What was on its way arrives first.
    let before = await count();
    const countLater = async () => {
      const earlier = before;
      await sleep(500);
      before = await count();
      return before - earlier;
    };
    await expect.poll(countLater, { timeout: patienceMs }).toBe(0);
    expect(await countLater()).toBe(0);
    await docker.print(["unpause", name]);
    await expect.poll(count, { timeout: patienceMs }).toBeGreaterThan(before);
    await docker.remove(name);
  });

  flow("stop ends it by its signal, start and restart run it again, kill ends it at once", async (docker) => {
    const name = await docker.detach([], obedient);
    await docker.waitForLog(name, "ready");
    await docker.print(["stop", "--time=60", name]);
    expect(await docker.inspect(name, "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 5");
    await docker.print(["start", name]);
    const first = await docker.inspect(name, "{{.State.Pid}}");
    await docker.print(["restart", name]);
    expect(await docker.inspect(name, "{{.State.Running}}")).toBe("true");
    expect(await docker.inspect(name, "{{.State.Pid}}")).not.toBe(first);
    await docker.print(["kill", name]);
    await docker.waitFor(name, "{{.State.Status}} {{.State.ExitCode}}", "exited 137");
    await docker.remove(name);
  });

  flow("wait returns its status, attach shows what it prints", async (docker) => {
    const name = docker.name();
    const script = "sleep 0.5; echo attached; exit 6";
    await docker.print(["create", `--runtime=${docker.runtimeName}`, `--name=${name}`, image, "sh", "-c", script]);
    expect(await docker.invoke(["start", "--attach", name])).toMatchObject({ status: 6, stdout: "attached\n" });
    await docker.print(["start", name]);
    expect(await docker.print(["wait", name])).toBe("6");
    await docker.remove(name);
  });

  flow("a health check runs in it", async (docker) => {
    const check = ["--health-cmd=test -e /healthy", "--health-interval=1s", "--health-retries=1"];
    const name = await docker.detach(check, obedient);
    await docker.waitFor(name, "{{.State.Health.Status}}", "unhealthy");
    await docker.print(["exec", name, "touch", "/healthy"]);
    await docker.waitFor(name, "{{.State.Health.Status}}", "healthy");
    await docker.remove(name);
  });

  flow("--restart=on-failure starts it again as often as allowed", async (docker) => {
    const name = await docker.detach(["--restart=on-failure:2"], ["sh", "-c", "exit 3"]);
    await docker.waitFor(name, "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}", "2 exited 3");
    await docker.remove(name);
  });

  flow("it outlives the daemon, which governs it again when it is back", async (docker) => {
    const name = await docker.detach([], obedient);
    await docker.waitForLog(name, "ready");
    const pid = await docker.inspect(name, "{{.State.Pid}}");
    await docker.daemon.stop();
    await docker.scene.succeed(["kill", "-0", pid]);
    await docker.daemon.start();
    expect(await docker.inspect(name, "{{.State.Status}} {{.State.Pid}}")).toBe(`running ${pid}`);
    expect(await docker.print(["exec", name, "echo", "alive"])).toBe("alive");
    await docker.print(["stop", "--time=60", name]);
    expect(await docker.inspect(name, "{{.State.ExitCode}}")).toBe("5");
    await docker.remove(name);
  });
});

describe("files", () => {
  flow("a volume outlives its container, a directory of the machine is shared as asked", async (docker) => {
    const volume = docker.name();
    const shared = join(docker.scene.directory, volume);
    mkdirSync(shared);
    writeFileSync(join(shared, "file"), "of the machine\n");
    await docker.see([`--volume=${volume}:/volume`], ["sh", "-c", "echo kept > /volume/file"]);
    const options = [`--volume=${volume}:/volume:ro`, `--volume=${shared}:/shared:ro`, `--volume=${shared}:/open`];
    const result = await docker.run(options, [
      "sh",
      "-c",
      "cat /volume/file /shared/file; touch /open/touched; touch /shared/other",
    ]);
    expect(result).toMatchObject({ status: 1, stdout: "kept\nof the machine\n" });
    expect(result.stderr).toContain("Read-only file system");
    expect(readFileSync(join(shared, "touched"), "utf8")).toBe("");
    await docker.print(["volume", "rm", volume]);
  });

  flow("cp reaches into containers, diff and commit keep what they changed", async (docker) => {
    const name = await docker.detach([], ["sh", "-c", "echo new > /new; echo made; exec sleep 1000"]);
    await docker.waitForLog(name, "made");
    const path = join(docker.scene.directory, name);
    writeFileSync(path, "copied\n");
    await docker.print(["cp", path, `${name}:/copied`]);
    expect(await docker.print(["exec", name, "cat", "/copied", "/new"])).toBe("copied\nnew");
    expect((await docker.print(["diff", name])).split("\n").sort()).toEqual(["A /copied", "A /new"]);
    await docker.print(["commit", name, name]);
    await docker.remove(name);
    const args = ["run", "--rm", `--runtime=${docker.runtimeName}`, name, "cat", "/copied"];
    expect(await docker.print(args)).toBe("copied");
    await docker.print(["rmi", name]);
  });
});

describe("several containers", () => {
  flow("talk to each other by name on a network of their own, and to the machine by a port", async (docker) => {
    const network = docker.name();
    await docker.print(["network", "create", network]);
    const serve = ["sh", "-c", "mkdir /www; hostname > /www/name; exec httpd -f -p 80 -h /www"];
    const servers = [];
    for (const hostname of ["one", "two"])
      servers.push(
        await docker.detach([`--network=${network}`, `--network-alias=${hostname}`, `--hostname=${hostname}`], serve),
      );
    servers.push(await docker.detach(["--publish=127.0.0.1:8123:80", "--hostname=three"], serve));
    const ask = "for name in one two; do until wget -q -O - http://$name/name; do sleep 0.1; done; done";
    expect(await docker.see([`--network=${network}`], ["sh", "-c", ask])).toBe("one\ntwo");
    const askMachine = "until busybox wget -q -O - http://127.0.0.1:8123/name; do sleep 0.1; done";
    expect((await docker.scene.succeed(["sh", "-c", askMachine])).stdout).toBe("three\n");
    expect((await docker.run([], ["sh", "-c", "wget -q -T 1 -O - http://one/name"])).status).not.toBe(0);
    await docker.remove(...servers);
    await docker.print(["network", "rm", network]);
  });

  flow("share network, process ids and IPC", async (docker) => {
    const name = await docker.detach(["--ipc=shareable"], ["sleep", "1234"]);
    const namespaces = [`--network=container:${name}`, `--pid=container:${name}`, `--ipc=container:${name}`];
    const seen = await docker.see(namespaces, [
      "sh",
      "-c",
      "ps -o args; readlink /proc/self/ns/ipc; readlink /proc/self/ns/net",
    ]);
    expect(seen).toContain("sleep 1234");
    const own = await docker.print([
      "exec",
      name,
      "sh",
      "-c",
      "readlink /proc/self/ns/ipc; readlink /proc/self/ns/net",
    ]);
    expect(seen.endsWith(own)).toBe(true);
    await docker.remove(name);
  });

  flow("use the machine's namespaces", async (docker) => {
    const script = "for name in net uts ipc pid; do readlink /proc/self/ns/$name; done";
    const machine = await docker.scene.succeed(["sh", "-c", script]);
    const seen = await docker.see(["--network=host", "--uts=host", "--ipc=host", "--pid=host"], ["sh", "-c", script]);
    expect(`${seen}\n`).toBe(machine.stdout);
  });

  flow("ten begin and end at once", async (docker) => {
    const numbers = Array.from({ length: 10 }, (_, index) => index);
    const results = await Promise.all(
      numbers.map((number) => docker.run(["--network=none"], ["sh", "-c", `echo ${number}; exit ${number}`])),
    );
    expect(results.map(({ status }) => status)).toEqual(numbers);
    expect(results.map(({ stdout }) => Number(stdout))).toEqual(numbers);
  });
});

describe("as the default runtime", () => {
  flow("it runs what asks for none, and docker knows its version", async (docker) => {
    await docker.becomeDefault();
    const name = docker.name();
    await docker.print(["run", `--name=${name}`, image, "true"]);
    expect(await docker.inspect(name, "{{.HostConfig.Runtime}}")).toBe(docker.runtimeName);
    await docker.remove(name);
    const [, commit] =
      /^commit: (\S+)$/m.exec((await docker.scene.succeed([docker.runtime.path, "--version"])).stdout) ?? [];
    const info = await docker.print(["info", "--format={{.RuncCommit.ID}}"]);
    expect(info).toBe(commit);
  });

  for (const [builder, env] of [
    ["the classic builder", { DOCKER_BUILDKIT: "0" }],
    ["BuildKit", { DOCKER_BUILDKIT: "1" }],
  ] as const) {
    flow(`${builder} builds with it`, async (docker) => {
      await docker.becomeDefault();
      const tag = docker.name();
      const context = join(docker.scene.directory, tag);
      mkdirSync(context);
      writeFileSync(join(context, "greeting"), "hello\n");
      writeFileSync(
        join(context, "Dockerfile"),
        `FROM scratch AS base
ADD rootfs.tar /
ENV PATH=/bin
FROM base
COPY greeting /greeting
WORKDIR /built
RUN tr a-z A-Z < /greeting > loud && id -u >> loud
USER visitor
RUN id -u > /tmp/user && test "$(cat /tmp/user)" = 1234
CMD ["cat", "/built/loud", "/tmp/user"]
`,
      );
      await docker.scene.succeed([
        "sh",
        "-c",
        'tar -C "$1" -c . > "$2"',
        "sh",
        join(docker.scene.directory, "image"),
        join(context, "rootfs.tar"),
      ]);
      await docker.print(["build", "--tag", tag, context], { env });
      const args = ["run", "--rm", `--runtime=${docker.runtimeName}`, tag];
      expect(await docker.print(args)).toBe("HELLO\n0\n1234");
      await docker.print(["rmi", tag]);
      writeFileSync(join(context, "Dockerfile"), `FROM ${image}\nRUN echo about to fail && exit 7\n`);
      const failed = await docker.invoke(["build", context], { env });
      expect(failed.status).not.toBe(0);
      expect(`${failed.stdout}${failed.stderr}`).toMatch(/returned a non-zero code: 7|exit code: 7/);
    });
  }
});
