import { describe, expect } from "vitest";
import { openFlows } from "./harness/flow.ts";
import { image, machineReasons, openPodmanScene, Podman } from "./harness/podman.ts";

const flow = openFlows({
  openScene: openPodmanScene,
  openEngine: async (scene, runtime) => new Podman(scene, runtime),
  machineReasons,
});

/** A pod needs an image for the container that holds its namespaces; Podman would build one by itself, with a network. */
const infra = [`--infra-image=${image}`, "--infra-command=/bin/sleep 100000"] as const;

describe("pods", () => {
  flow("containers of a pod share network, IPC and host name, and not files and processes", async (podman) => {
    const pod = podman.name();
    await podman.print(["pod", "create", ...infra, "--network=none", `--hostname=together`, `--name=${pod}`]);
    const [first, second] = [
      await podman.runDetached([`--pod=${pod}`], "sleep", "1000"),
      await podman.runDetached([`--pod=${pod}`], "sleep", "1000"),
    ];
    const look = ["sh", "-c", "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done; hostname"];
    const one = (await podman.exec(first, ...look)).split("\n");
    const other = (await podman.exec(second, ...look)).split("\n");
    expect(other.slice(0, 3)).toEqual(one.slice(0, 3));
    expect(other[3]).not.toBe(one[3]);
    expect(other[4]).not.toBe(one[4]);
    expect([one[5], other[5]]).toEqual(["together", "together"]);
    await podman.exec(first, "sh", "-c", "echo shared > /dev/shm/made");
    expect(await podman.exec(second, "cat", "/dev/shm/made")).toBe("shared");
    await podman.print(["pod", "rm", "--force", "--time=0", pod]);
  });

  flow("--share=pid lets containers see each other's processes", async (podman) => {
    const pod = podman.name();
    await podman.print(["pod", "create", ...infra, "--network=none", "--share=pid,ipc", `--name=${pod}`]);
    await podman.runDetached([`--pod=${pod}`], "sleep", "98765");
    expect(await podman.print(["run", "--rm", `--pod=${pod}`, image, "ps"])).toContain("sleep 98765");
    await podman.print(["pod", "rm", "--force", "--time=0", pod]);
  });

  flow("stop, start, pause and kill act on all of a pod", async (podman) => {
    const pod = podman.name();
    await podman.print(["pod", "create", ...infra, "--network=none", `--name=${pod}`]);
    const name = await podman.runDetached([`--pod=${pod}`], "sleep", "1000");
    const status = async () => await podman.inspect(name, "{{.State.Status}}");
    await podman.print(["pod", "pause", pod]);
    expect(await status()).toBe("paused");
    await podman.print(["pod", "unpause", pod]);
    expect(await status()).toBe("running");
    await podman.print(["pod", "stop", "--time=0", pod]);
    expect(await status()).toBe("exited");
    await podman.print(["pod", "start", pod]);
    expect(await status()).toBe("running");
    await podman.print(["pod", "kill", pod]);
    await podman.print(["wait", name]);
    await podman.print(["pod", "rm", "--force", pod]);
  });

  flow("generate kube writes what play kube runs again", async (podman) => {
    const pod = podman.name();
    await podman.print(["pod", "create", ...infra, "--network=none", `--name=${pod}`]);
    const options = [
      `--pod=${pod}`,
      "--env=COLOUR=blue",
      "--memory=64m",
      "--cap-drop=all",
      "--read-only",
      "--read-only-tmpfs=false",
    ];
    const name = await podman.runDetached(options, "/bin/sh", "-c", 'echo "$COLOUR"; /bin/sleep 1000');
    const file = `${podman.scene.directory}/${pod}.yaml`;
    await podman.print(["generate", "kube", `--filename=${file}`, pod]);
    await podman.print(["pod", "rm", "--force", "--time=0", pod]);
    // What is named in a pod of Kubernetes is pulled, unless it says otherwise; and here is no network to join.
    const change = ["sed", "--in-place", "s/image: localhost.*/&\\n    imagePullPolicy: Never/", file];
    await podman.scene.succeed(change);
    await podman.print(["play", "kube", "--network=none", file]);
    const played = `${pod}-${name}`;
    await podman.waitForLog(played, "blue");
    expect(await podman.inspect(played, "{{.HostConfig.Memory}} {{.HostConfig.ReadonlyRootfs}}")).toBe("67108864 true");
    expect(await podman.exec(played, "/bin/grep", "CapEff", "/proc/self/status")).toMatch(/\t0{16}$/);
    await podman.print(["play", "kube", "--down", file]);
  });
});

describe("service managers", () => {
  flow("--sdnotify=container: the container's word that it is ready reaches the manager", async (podman) => {
    const { scene } = podman;
    const [socket, heard] = [`${scene.directory}/${podman.name()}.sock`, `${scene.directory}/${podman.name()}.heard`];
    const manager = scene.start(["socat", "-u", `UNIX-RECV:${socket}`, `CREATE:${heard}`]);
    await scene.succeed(["sh", "-c", `until [ -S ${socket} ]; do sleep 0.05; done`]);
    const name = podman.name();
    await podman.print(
      ["run", "--detach", `--name=${name}`, "--sdnotify=container", image, "/probe", "notify=READY=1", "wait"],
      { env: { NOTIFY_SOCKET: socket } },
    );
    for (const word of ["READY=1", "MAINPID=[0-9]"])
      await scene.succeed(["sh", "-c", `until grep -q ${word} ${heard}; do sleep 0.1; done`]);
    await podman.remove(name);
    manager.child.kill();
  });

  flow("sockets that a manager has passed arrive in the container", async (podman) => {
    const script = 'exec 3< /proc/sys/kernel/ostype; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"';
    const program = ["sh", "-c", 'echo "$LISTEN_FDS $LISTEN_PID"; cat <&3'];
    const { stdout } = await podman.scene.succeed([
      ...["sh", "-c", script, "sh"],
      ...podman.argv(["run", "--rm", image, ...program]),
    ]);
    expect(stdout).toBe("1 1\nLinux\n");
  });
});

describe("under runc's name", () => {
  flow("the executable is called with runc's log options, and says why it fails", async (podman) => {
    const path = podman.runtime.name === "runc" ? podman.runtime.path : "/opt/in-place/runc";
    const run = async (...args: string[]) =>
      await podman.scene.run(["podman", `--runtime=${path}`, "run", "--rm", ...args]);
    expect(await run(image, "echo", "well")).toMatchObject({ status: 0, stdout: "well\n" });
    const missing = await run(image, "nosuch");
    expect(missing.status).toBe(127);
    expect(missing.stderr).toContain('exec: "nosuch": executable file not found in $PATH');
    // Podman takes the message out of the log, which is JSON.
    expect(missing.stderr).not.toContain('"level"');
    expect((await run(image, "/etc/passwd")).status).toBe(126);
  });
});
