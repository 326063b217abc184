import { join } from "node:path";
import { cgroupManager, type Result, type RunningCommand } from "../../harness/command.ts";
import { waitUntil } from "../../harness/patience.ts";
import type { Person } from "../../harness/person.ts";
import { readControlGroup } from "./control-group.ts";
import { Daemon } from "./daemon.ts";
import { image, makeDockerArchive } from "./docker-archive.ts";
import type { Runtime } from "./flow.ts";
import { installRunlet } from "./installation.ts";
import { type CallOptions, Scene } from "./scene.ts";

/** Namespaces of containerd, which also name the control groups: that of `ctr`, and CRI's, whose name is fixed. */
const namespaces = { ctr: "runlet-e2e", cri: "k8s.io" } as const;

/** Who makes the control groups: with `systemd` the machine must have it as first process. */
export const usesSystemd = cgroupManager === "systemd";

/** As docs/engines.md has it, and beside it `runc` under a name of its own. */
const config = (socketPath: string) => `version = 2
[grpc]
  address = "${socketPath}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${image}"
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE nobody can lower a sandbox's score.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runlet]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runlet.options]
      BinaryName = "/usr/local/bin/runlet"
      SystemdCgroup = ${usesSystemd}
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = ${usesSystemd}
`;

/** A network for pods: a bridge, and addresses from a range that only documentation uses. */
const network = {
  cniVersion: "0.4.0",
  name: "pods",
  plugins: [
    {
      type: "bridge",
      bridge: "pods0",
      isGateway: true,
      ipam: { type: "host-local", ranges: [[{ subnet: "198.51.100.0/24" }]] },
    },
  ],
};

/** A scene in which containerd runs, has the image, and can be told of runlet. */
export interface ContainerdScene {
  readonly scene: Scene;
  readonly daemon: Daemon;
  /** Where containerd and its CRI listen, for the machine too. */
  readonly socketPath: string;
  /** The image, as a file of the scene. */
  readonly archive: string;
}

/** Opens a scene and starts containerd there. */
export async function openContainerdScene(): Promise<ContainerdScene> {
  const scene = await Scene.open({
    name: "containerd",
    lockPath: import.meta.filename,
    empty: ["/var/lib/containerd", "/var/lib/cni", "/opt/containerd"],
    controlGroups: [...Object.values(namespaces), "default", "runlet-e2e.slice", "runlet-e2e-pods", "runlet-e2e-load"],
  });
  try {
    await installRunlet(scene);
    const socketPath = join(scene.directory, "containerd.sock");
    await scene.writeFile("/etc/containerd/config.toml", config(socketPath));
    await scene.writeFile("/etc/cni/net.d/10-pods.conflist", JSON.stringify(network));
    const ctr = ["ctr", "--address", socketPath];
    const daemon = new Daemon({ scene, argv: ["containerd"], probe: [...ctr, "version"] });
    await daemon.start();
    const archive = makeDockerArchive(scene.directory);
    for (const namespace of Object.values(namespaces))
      await scene.succeed([...ctr, "--namespace", namespace, "images", "import", archive]);
    return { scene, daemon, socketPath, archive };
  } catch (error) {
    await scene.close();
    throw error;
  }
}

/** containerd through its client `ctr`, with one runtime. */
export class Containerd {
  readonly scene: Scene;
  readonly daemon: Daemon;
  readonly runtime: Runtime;
  readonly #socketPath: string;
  #counter = 0;

  constructor(place: ContainerdScene, runtime: Runtime) {
    this.scene = place.scene;
    this.daemon = place.daemon;
    this.#socketPath = place.socketPath;
    this.runtime = runtime;
  }

  /** An id that nothing else in the scene has. */
  id(): string {
    return `${this.runtime.name}-${process.pid}-${this.#counter++}`;
  }

  /** The argument list of a call, program first. */
  argv(args: readonly string[]): string[] {
    return ["ctr", "--address", this.#socketPath, "--namespace", namespaces.ctr, ...args];
  }

  /** The arguments of `ctr run`: options and a container's id, then what it runs. */
  runArgs(options: readonly string[], id: string, args: readonly string[], root: string = image): string[] {
    const manager = usesSystemd ? ["--runc-systemd-cgroup", "--cgroup", `runlet-e2e.slice:ctr:${id}`] : [];
    return ["run", "--runc-binary", this.runtime.path, ...manager, ...options, root, id, ...args];
  }

  /** Runs `ctr` to its end, whatever that is. */
  async invoke(args: readonly string[], options?: CallOptions): Promise<Result> {
    return await this.scene.run(this.argv(args), options);
  }

  /** Runs `ctr`, which must succeed; what it printed, without the line break at its end. */
  async print(args: readonly string[], options?: CallOptions): Promise<string> {
    const { stdout } = await this.scene.succeed(this.argv(args), options);
    return stdout.trimEnd();
  }

  /** Starts `ctr` without waiting. */
  start(args: readonly string[], options?: CallOptions): RunningCommand {
    return this.scene.start(this.argv(args), options);
  }

  /** Runs `ctr` on a terminal. */
  atTerminal(args: readonly string[], size = { rows: 24, columns: 80 }): Person {
    return this.scene.atTerminal(this.argv(args), size);
  }

  /** Runs a container to its end. */
  async run(options: readonly string[], args: readonly string[]): Promise<Result> {
    return await this.invoke(this.runArgs(["--rm", ...options], this.id(), args));
  }

  /** Starts a container that stays; @returns its id. */
  async detach(options: readonly string[], args: readonly string[]): Promise<string> {
    const id = this.id();
    await this.print(this.runArgs(["--detach", ...options], id, args));
    return id;
  }

  /** Runs a process in a container to its end. */
  async exec(id: string, args: readonly string[], options: readonly string[] = []): Promise<Result> {
    return await this.invoke(["task", "exec", "--exec-id", this.id(), ...options, id, ...args]);
  }

  /** A container's task, as `ctr task ls` has it; undefined when there is none. */
  async task(id: string): Promise<{ pid: number; status: string } | undefined> {
    const line = (await this.print(["task", "ls"])).split("\n").find((text) => text.startsWith(`${id} `));
    const [, pid, status = ""] = line?.split(/\s+/) ?? [];
    return line === undefined ? undefined : { pid: Number(pid), status };
  }

  /** Waits until a container's task has a status. */
  async waitForStatus(id: string, status: string): Promise<void> {
    await waitUntil({
      look: async () => (await this.task(id))?.status,
      until: (seen) => seen === status,
      complain: (seen) => `the task of ${id} is ${seen}, not ${status}`,
      everyMs: 50,
    });
  }

  /** Words of files of the control group that a container is in, by the layout of the machine. */
  async readControlGroup(id: string, files: { v1: readonly string[]; v2: readonly string[] }): Promise<string[]> {
    const task = await this.task(id);
    return await readControlGroup(this.scene, task?.pid ?? 0, files);
  }

  /** Kills and removes a container, whatever it does. */
  async remove(id: string): Promise<void> {
    await this.invoke(["task", "rm", "--force", id]);
    await this.print(["container", "rm", id]);
  }
}
