import { describe, expect } from "vitest";
import { openFlows } from "./harness/flow.ts";
import { image, machineReasons, openPodmanScene } from "./harness/podman.ts";
import { addUser, openUserPodman } from "./harness/podman-user.ts";

const flow = openFlows({
  openScene: async () => {
    const scene = await openPodmanScene();
    await addUser(scene);
    return scene;
  },
  openEngine: openUserPodman,
  machineReasons,
});

describe("an ordinary user", () => {
  flow("is root of a container, and nobody else of the host's is in it", async (podman) => {
    const printed = await podman.print([
      "run",
      "--rm",
      image,
      "sh",
      "-c",
      "id; cat /proc/self/uid_map; touch /made; stat -c %u /made",
    ]);
    expect(printed.split("\n").map((line) => line.trim().split(/\s+/))).toEqual([
      [
        expect.stringMatching(/^uid=0/),
        expect.stringMatching(/^gid=0/),
        ...(printed.split("\n")[0]?.split(/\s+/).slice(2) ?? []),
      ],
      ["0", "61234", "1"],
      ["1", "700000", "65536"],
      ["0"],
    ]);
  });

  flow("--userns=keep-id keeps the user", async (podman) => {
    const printed = await podman.print([
      "run",
      "--rm",
      "--userns=keep-id",
      image,
      "sh",
      "-c",
      "id -u; id -g; cat /proc/self/uid_map | wc -l",
    ]);
    expect(printed).toBe("61234\n61234\n3");
  });

  flow("--uidmap maps a range of the user's", async (podman) => {
    const printed = await podman.print(["run", "--rm", "--uidmap=0:1:500", image, "cat", "/proc/self/uid_map"]);
    expect(printed.trim().split(/\s+/)).toEqual(["0", "1", "500"]);
  });

  flow("a volume is the user's own, another user's stays closed", async (podman) => {
    const { scene } = podman;
    const [mine, roots] = [`/home/guest/${podman.name()}`, `${scene.directory}/${podman.name()}`];
    await scene.succeed(["install", "-d", "-o", "61234", mine]);
    await scene.succeed(["install", "-d", "-m", "700", roots]);
    await podman.print([
      "run",
      "--rm",
      `--volume=${mine}:/data`,
      image,
      "sh",
      "-c",
      "echo made > /data/file; chown 5 /data/file",
    ]);
    expect((await scene.succeed(["stat", "--format=%u", `${mine}/file`])).stdout).toBe("700004\n");
    const result = await podman.invoke(["run", "--rm", `--volume=${roots}:/data`, image, "ls", "/data"]);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toMatch(/permission denied/i);
  });

  flow("runs, looks into and ends containers in the background", async (podman) => {
    const name = await podman.runDetached(
      ["--env=A=b"],
      "sh",
      "-c",
      'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done',
    );
    await podman.waitForLog(name, "ready");
    expect(await podman.exec(name, "sh", "-c", 'echo "$A"; id -u')).toBe("b\n0");
    expect((await podman.invoke(["exec", name, "nosuch"])).status).toBe(127);
    expect((await podman.print(["top", name, "pid", "user"])).split("\n")[1]).toMatch(/^1 +root/);
    await podman.print(["stop", "--time=60", name]);
    expect(await podman.inspect(name, "{{.State.ExitCode}}")).toBe("7");
    await podman.remove(name);
  });

  flow("has a terminal of its own size", async (podman) => {
    const person = podman.atTerminal(["run", "--rm", "--interactive", "--tty", image, "sh"], { rows: 31, columns: 95 });
    await person.see("/ # ");
    await person.ask("stty size", "31 95");
    person.type("exit 4\r");
    expect(await person.status).toBe(4);
  });

  flow("keeps seccomp, capabilities and read-only roots", async (podman) => {
    const script = "grep -E '^(Seccomp|CapEff):' /proc/self/status; touch /made || echo refused";
    const printed = await podman.invoke(["run", "--rm", "--read-only", "--cap-drop=all", image, "sh", "-c", script]);
    expect(printed.stdout).toBe(`CapEff:\t${"0".repeat(16)}\nSeccomp:\t2\nrefused\n`);
  });

  flow("pauses and counts what containers use", async (podman) => {
    const name = await podman.runDetached(["--memory=64m"], "sleep", "1000");
    await podman.print(["pause", name]);
    expect(await podman.inspect(name, "{{.State.Status}}")).toBe("paused");
    await podman.print(["unpause", name]);
    const stats = JSON.parse(await podman.print(["stats", "--no-stream", "--format=json", name])) as Record<
      string,
      string
    >[];
    expect(stats[0]).toMatchObject({ name, pids: "1" });
    await podman.remove(name);
  });

  flow("--network=slirp4netns has a network without privilege", async (podman) => {
    const printed = await podman.print(["run", "--rm", "--network=slirp4netns", image, "ip", "-4", "-o", "address"]);
    expect(printed).toMatch(/tap0 +inet 10\.0\.2\.100\/24/);
  });

  flow("pods share what they share", async (podman) => {
    const pod = podman.name();
    const infra = [`--infra-image=${image}`, "--infra-command=/bin/sleep 100000"];
    await podman.print(["pod", "create", ...infra, "--network=none", `--name=${pod}`]);
    const links = ["sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc"];
    const [first, second] = [
      await podman.print(["run", "--rm", `--pod=${pod}`, image, ...links]),
      await podman.print(["run", "--rm", `--pod=${pod}`, image, ...links]),
    ];
    expect(first).toBe(second);
    await podman.print(["pod", "rm", "--force", "--time=0", pod]);
  });
});
