import { describe, expect } from "vitest";
import { patienceMs, sleep } from "../harness/patience.ts";
import { openFlows } from "./harness/flow.ts";
import { image, machineReasons, openPodmanScene, Podman } from "./harness/podman.ts";
import { useTerminal, windowSize } from "./harness/terminal-session.ts";

const flow = openFlows({
  openScene: openPodmanScene,
  openEngine: async (scene, runtime) => new Podman(scene, runtime),
  machineReasons,
});

/** A shell that ends at once when it is asked to. */
const obedient = ["sh", "-c", 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'] as const;

describe("run", () => {
  flow("prints what the container prints, and ends as it ends", async (podman) => {
    const result = await podman.invoke(["run", "--rm", image, "sh", "-c", "echo seen; echo heard >&2; exit 42"]);
    expect(result).toMatchObject({ status: 42, stdout: "seen\n", stderr: "heard\n" });
  });

  flow("--interactive reads standard input to its end", async (podman) => {
    const counted = await podman.print(["run", "--rm", "--interactive", image, "wc", "-c"], {
      input: "x".repeat(300_000),
    });
    expect(counted).toBe("300000");
  });

  flow("--detach leaves the container running; stop ends it by its signal, rm removes it", async (podman) => {
    const name = await podman.runDetached([], ...obedient);
    await podman.waitForLog(name, "ready");
    expect(await podman.inspect(name, "{{.State.Status}} {{.State.Running}}")).toBe("running true");
    await podman.print(["stop", "--time=60", name]);
    expect(await podman.inspect(name, "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 7");
    await podman.print(["rm", name]);
    expect((await podman.invoke(["container", "exists", name])).status).toBe(1);
  });

  flow("--interactive --tty has a terminal of the person's size, follows it, and obeys its keys", async (podman) => {
    await useTerminal(podman.atTerminal(["run", "--rm", "--interactive", "--tty", image, "sh"], windowSize));
  });

  flow("--rootfs takes a directory for an image", async (podman) => {
    const directory = `${podman.scene.directory}/image`;
    const printed = await podman.print(["run", "--rm", "--rootfs", directory, "cat", "/etc/group"]);
    expect(printed).toContain("staff:x:50:visitor");
  });

  flow("user, groups, directory, environment and host name are those that were asked for", async (podman) => {
    const printed = await podman.print([
      ...["run", "--rm", "--user=visitor", "--group-add=77", "--workdir=/home/visitor", "--umask=027"],
      ...["--env=GREETING=good day", "--hostname=machine", "--sysctl=kernel.msgmax=9000", image],
      ...["sh", "-c", 'id; pwd; umask; echo "$GREETING, $HOSTNAME from $HOME"; hostname; cat /proc/sys/kernel/msgmax'],
    ]);
    expect(printed.split("\n")).toEqual([
      expect.stringMatching(/^uid=1234\(visitor\) gid=1235\(visitor\) groups=.*50\(staff\),77/),
      "/home/visitor",
      "0027",
      "good day, machine from /home/visitor",
      "machine",
      "9000",
    ]);
  });

  flow("--init puts a process in front that reaps orphans", async (podman) => {
    const script = "(sleep 0.1 &) ; sleep 1; ps -o pid,stat,args";
    const printed = await podman.print([
      "run",
      "--rm",
      "--init",
      "--init-path=/usr/bin/catatonit",
      image,
      "sh",
      "-c",
      script,
    ]);
    expect(printed).toMatch(/^ *1 \S+ +\/(dev|run)\/\S*init /m);
    expect(printed).not.toMatch(/ Z /);
  });

  flow("--preserve-fds hands descriptors on, and only those", async (podman) => {
    const script = 'exec 3< /etc/hostname 4< /etc/debian_version 5< /etc/passwd; exec "$@"';
    const command = ["run", "--rm", "--preserve-fds=2", image, "sh", "-c", "cat <&4; ls /proc/self/fd"];
    const { stdout } = await podman.scene.succeed(["sh", "-c", script, "sh", ...podman.argv(command)]);
    // ls holds the directory that it reads as one more.
    expect(stdout.split("\n")).toEqual([expect.stringMatching(/^\d+\.\d+$|\/sid$/), "0", "1", "2", "3", "4", "5", ""]);
  });
});

describe("what a program that cannot be run gives", () => {
  flow("127 where it is not there", async (podman) => {
    const result = await podman.invoke(["run", "--rm", image, "nosuch"]);
    expect(result).toMatchObject({
      status: 127,
      stderr: expect.stringContaining("executable file not found in $PATH"),
    });
  });

  flow("127 where its path is not there", async (podman) => {
    const result = await podman.invoke(["run", "--rm", image, "/no/such"]);
    expect(result).toMatchObject({ status: 127, stderr: expect.stringContaining("no such file or directory") });
  });

  flow("126 where it is no program", async (podman) => {
    const result = await podman.invoke(["run", "--rm", image, "/etc/passwd"]);
    expect(result).toMatchObject({ status: 126, stderr: expect.stringMatching(/permission denied/i) });
  });

  flow("125 where Podman itself refuses", async (podman) => {
    expect((await podman.invoke(["run", "--rm", "--memory=nonsense", image, "true"])).status).toBe(125);
  });

  flow("the same of exec: 127 and 126, and the container goes on", async (podman) => {
    const name = await podman.runDetached([], "sleep", "1000");
    expect((await podman.invoke(["exec", name, "nosuch"])).status).toBe(127);
    expect((await podman.invoke(["exec", name, "/etc/passwd"])).status).toBe(126);
    expect((await podman.invoke(["exec", "--workdir=/no/such", name, "true"])).status).toBeGreaterThan(125);
    expect(await podman.exec(name, "echo", "well")).toBe("well");
    await podman.remove(name);
  });
});

describe("exec", () => {
  flow("has the container's environment, and what is added; ends as its process ends", async (podman) => {
    const name = await podman.runDetached(["--env=A=container", "--env=B=container"], "sleep", "1000");
    const script = 'echo "$A $B"; pwd; id -u; id -g; exit 3';
    const options = ["--env=B=exec", "--workdir=/var/log", "--user=12:13"];
    const result = await podman.invoke(["exec", ...options, name, "sh", "-c", script]);
    expect(result).toMatchObject({ status: 3, stdout: "container exec\n/var/log\n12\n13\n" });
    await podman.remove(name);
  });

  flow("--interactive reads standard input to its end", async (podman) => {
    const name = await podman.runDetached([], "sleep", "1000");
    const counted = await podman.print(["exec", "--interactive", name, "wc", "-c"], { input: "y".repeat(200_000) });
    expect(counted).toBe("200000");
    await podman.remove(name);
  });

  flow("--interactive --tty has a terminal of the person's size", async (podman) => {
    const name = await podman.runDetached([], "sleep", "1000");
    const person = podman.atTerminal(["exec", "--interactive", "--tty", name, "sh"], { rows: 29, columns: 99 });
    await person.see("/ # ");
    await person.ask("stty size", "29 99");
    person.type("exit 6\r");
    expect(await person.status).toBe(6);
    await podman.remove(name);
  });

  flow(
    "--detach goes on by itself; --preserve-fds hands descriptors on; --privileged has all capabilities",
    async (podman) => {
      const name = await podman.runDetached([], "sleep", "1000");
      await podman.print(["exec", "--detach", name, "sh", "-c", "sleep 0.2; echo made > /made"]);
      await podman.exec(name, "sh", "-c", "until [ -e /made ]; do sleep 0.1; done");
      const { stdout } = await podman.scene.succeed([
        ...["sh", "-c", 'exec 3< /proc/sys/kernel/ostype; exec "$@"', "sh"],
        ...podman.argv(["exec", "--preserve-fds=1", name, "sh", "-c", "cat <&3"]),
      ]);
      expect(stdout).toBe("Linux\n");
      const effective = (text: string) => BigInt(`0x${/CapEff:\s*(\S+)/.exec(text)?.[1]}`);
      const few = effective(await podman.exec(name, "cat", "/proc/self/status"));
      const many = effective(await podman.print(["exec", "--privileged", name, "cat", "/proc/self/status"]));
      expect(many).toBeGreaterThan(few);
      expect(many & few).toBe(few);
      await podman.remove(name);
    },
  );

  flow("into a container that has stopped or is paused is refused, by whomever", async (podman) => {
    const name = await podman.runDetached([], "sleep", "1000");
    await podman.print(["pause", name]);
    expect((await podman.invoke(["exec", name, "true"])).status).not.toBe(0);
    await podman.print(["unpause", name]);
    expect(await podman.exec(name, "echo", "well")).toBe("well");
    await podman.print(["stop", "--time=0", name]);
    expect((await podman.invoke(["exec", name, "true"])).status).not.toBe(0);
    await podman.print(["rm", name]);
  });
});

describe("what is done to a container", () => {
  flow("kill sends the signal that is named", async (podman) => {
    const name = await podman.runDetached(
      [],
      "sh",
      "-c",
      'trap "echo got it; exit 9" USR1; echo ready; while :; do sleep 0.1; done',
    );
    await podman.waitForLog(name, "ready");
    await podman.print(["kill", "--signal=USR1", name]);
    expect(await podman.print(["wait", name])).toBe("9");
    expect(await podman.print(["logs", name])).toContain("got it");
    const again = await podman.invoke(["kill", name]);
    expect(again).toMatchObject({ status: 125, stderr: expect.stringContaining("can only kill running containers") });
    await podman.print(["rm", name]);
  });

  flow("stop kills what does not end, after the time it is given", async (podman) => {
    const name = await podman.runDetached([], "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done");
    await podman.waitForLog(name, "ready");
    await podman.print(["stop", "--time=1", name]);
    expect(await podman.inspect(name, "{{.State.ExitCode}}")).toBe("137");
    await podman.print(["rm", name]);
  });

  flow("pause stops the time of a container, unpause lets it go on", async (podman) => {
    const name = await podman.runDetached([], "sh", "-c", "while :; do echo tick; sleep 0.05; done");
    await podman.waitForLog(name, "tick");
    await podman.print(["pause", name]);
    expect(await podman.inspect(name, "{{.State.Status}}")).toBe("paused");
    const length = async () => (await podman.print(["logs", name])).length;
    // What was on its way through conmon arrives first.
    let before = await length();
    const growth = async () => {
      const earlier = before;
      await sleep(500);
      before = await length();
      return before - earlier;
    };
    await expect.poll(growth, { timeout: patienceMs }).toBe(0);
    expect(await growth()).toBe(0);
    await podman.print(["unpause", name]);
    await expect.poll(length, { timeout: patienceMs }).toBeGreaterThan(before);
    await podman.remove(name);
  });

  flow("start, attach, restart: the same container again and again", async (podman) => {
    const name = podman.name();
    await podman.print(["create", `--name=${name}`, image, "sh", "-c", "echo begun >> /log; wc -l < /log"]);
    expect(await podman.print(["start", "--attach", name])).toBe("1");
    expect(await podman.print(["start", "--attach", name])).toBe("2");
    await podman.print(["restart", name]);
    expect(await podman.print(["wait", name])).toBe("0");
    expect(await podman.print(["logs", name])).toMatch(/3$/);
    await podman.print(["rm", name]);
  });

  flow("--restart=on-failure starts it again as often as it says", async (podman) => {
    const name = await podman.runDetached(["--restart=on-failure:2"], "sh", "-c", "echo life; exit 4");
    const end = async () => await podman.inspect(name, "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}");
    await expect.poll(end, { timeout: patienceMs }).toBe("2 exited 4");
    expect((await podman.print(["logs", name])).match(/life/g)).toHaveLength(3);
    await podman.print(["rm", name]);
  });

  flow("healthcheck run runs the check in the container", async (podman) => {
    const name = await podman.runDetached(["--health-cmd=test -e /well", "--health-interval=disable"], "sleep", "1000");
    expect((await podman.invoke(["healthcheck", "run", name])).status).toBe(1);
    await podman.exec(name, "touch", "/well");
    expect((await podman.invoke(["healthcheck", "run", name])).status).toBe(0);
    await podman.remove(name);
  });

  flow("cp, diff and commit see the files of the container", async (podman) => {
    const name = await podman.runDetached([], "sleep", "1000");
    await podman.exec(name, "sh", "-c", "echo in the container > /made; rm /etc/group");
    await podman.print(["cp", `${name}:/made`, `${podman.scene.directory}/${name}`]);
    expect((await podman.scene.succeed(["cat", `${podman.scene.directory}/${name}`])).stdout).toBe(
      "in the container\n",
    );
    await podman.print(["cp", `${podman.scene.directory}/${name}`, `${name}:/again`]);
    expect(await podman.exec(name, "cat", "/again")).toBe("in the container");
    expect((await podman.print(["diff", name])).split("\n")).toEqual(
      expect.arrayContaining(["A /made", "A /again", "D /etc/group"]),
    );
    await podman.print(["commit", "--quiet", name, `localhost/${name}`]);
    await podman.remove(name);
    expect(await podman.print(["run", "--rm", `localhost/${name}`, "cat", "/made"])).toBe("in the container");
    await podman.print(["rmi", `localhost/${name}`]);
  });
});
