import { expect } from "vitest";
import { cgroupLayout } from "../harness/requirements.ts";
import { openFlows } from "./harness/flow.ts";
import { image, machineReasons, openPodmanScene, Podman } from "./harness/podman.ts";

const flow = openFlows({
  openScene: openPodmanScene,
  openEngine: async (scene, runtime) => new Podman(scene, runtime),
  machineReasons,
});

flow("--hooks-dir: hooks of every kind run, with the container's state on their input", async (podman) => {
  const { scene } = podman;
  const directory = `${scene.directory}/${podman.name()}`;
  const stages = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;
  // What runs in the container finds only what is there.
  const inContainer = new Set<string>(["createContainer", "startContainer"]);
  for (const stage of stages) {
    const script = `{ printf '${stage} '; cat; echo; } >> ${directory}/log`;
    const hook = inContainer.has(stage)
      ? { path: "/bin/sh", args: ["sh", "-c", stage === "startContainer" ? "cat > /started" : "cat > /dev/null"] }
      : { path: "/bin/sh", args: ["sh", "-c", script] };
    await scene.writeFile(
      `${directory}/hooks/${stage}.json`,
      JSON.stringify({ version: "1.0.0", hook, when: { annotations: { "^hooked$": "^yes$" } }, stages: [stage] }),
    );
  }
  const name = podman.name();
  const run = [
    "--hooks-dir",
    `${directory}/hooks`,
    "run",
    `--name=${name}`,
    "--annotation=hooked=yes",
    image,
    "cat",
    "/started",
  ];
  const started = JSON.parse(await podman.print(run)) as { status: string; id: string };
  await podman.print(["rm", name]);
  const log = (await scene.succeed(["cat", `${directory}/log`])).stdout.trim().split("\n");
  const seen = log.map((line) => {
    const space = line.indexOf(" ");
    const state = JSON.parse(line.slice(space + 1)) as { id: string; status: string };
    return { stage: line.slice(0, space), id: state.id };
  });
  expect(seen.map(({ stage }) => stage)).toEqual(["prestart", "createRuntime", "poststart", "poststop"]);
  expect(new Set(seen.map(({ id }) => id))).toEqual(new Set([started.id]));
});

flow("a bridge: containers of one network reach each other, and the network's address is theirs", async (podman) => {
  const network = podman.name();
  await podman.print(["network", "create", "--subnet=10.91.0.0/24", network]);
  const server = await podman.runDetached(
    [`--network=${network}`, "--ip=10.91.0.7"],
    "sh",
    "-c",
    "echo served | nc -l -p 80",
  );
  const client = ["sh", "-c", "until nc 10.91.0.7 80 < /dev/null; do sleep 0.3; done"];
  expect(await podman.print(["run", "--rm", `--network=${network}`, image, ...client])).toBe("served");
  await podman.remove(server);
  await podman.print(["network", "rm", network]);
});

flow("--shm-size, --pidfile, --cidfile and --systemd=always", async (podman) => {
  const { scene } = podman;
  const [pidFile, idFile] = [`${scene.directory}/${podman.name()}`, `${scene.directory}/${podman.name()}`];
  const options = ["--shm-size=3m", `--pidfile=${pidFile}`, `--cidfile=${idFile}`, "--systemd=always"];
  const name = await podman.runDetached(options, "sleep", "1000");
  expect(await podman.exec(name, "df", "-k", "/dev/shm")).toMatch(/\s3072\s/);
  const written = (await scene.succeed(["cat", pidFile, idFile])).stdout;
  expect(written).toBe(`${await podman.inspect(name, "{{.State.Pid}}{{.Id}}")}`);
  // What systemd needs of a container: these to be file systems in memory, and its own control group to write to.
  const mounts = await podman.exec(name, "cat", "/proc/mounts");
  for (const path of ["/run", "/run/lock", "/tmp", "/var/log/journal"])
    expect(mounts).toContain(`tmpfs ${path} tmpfs rw`);
  const group = cgroupLayout === "v2" ? "/sys/fs/cgroup" : "/sys/fs/cgroup/systemd";
  expect(mounts).toMatch(new RegExp(` ${group} cgroup2? rw`));
  await podman.remove(name);
});

flow("attach sees what comes, and hands input on", async (podman) => {
  const name = await podman.runDetached(["--interactive"], "sh", "-c", 'read line; echo "got $line"; exit 8');
  const attached = await podman.invoke(["attach", name], { input: "a word\n" });
  expect(attached.stdout.trimEnd()).toBe("got a word");
  expect(await podman.print(["wait", name])).toBe("8");
  await podman.print(["rm", name]);
});

flow("--cgroup-parent puts the container there, --cgroups=no-conmon runs too", async (podman) => {
  const parent = cgroupLayout === "v2" && podman.isUnderSystemd ? "machine-e2e.slice" : "/libpod_parent/e2e";
  const name = await podman.runDetached([`--cgroup-parent=${parent}`, "--cgroups=no-conmon"], "sleep", "1000");
  const pid = await podman.inspect(name, "{{.State.Pid}}");
  const groups = (await podman.scene.succeed(["cat", `/proc/${pid}/cgroup`])).stdout;
  expect(groups).toMatch(new RegExp(`${parent}/libpod-[0-9a-f]{64}`));
  await podman.remove(name);
});
