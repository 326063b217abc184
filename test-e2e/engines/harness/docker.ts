import type { Result, RunningCommand } from "../../harness/command.ts";
import { waitUntil } from "../../harness/patience.ts";
import type { Person } from "../../harness/person.ts";
import { usesSystemd } from "./containerd.ts";
import { readControlGroup } from "./control-group.ts";
import { Daemon } from "./daemon.ts";
import { image, makeDockerArchive } from "./docker-archive.ts";
import type { Runtime } from "./flow.ts";
import { installRunlet } from "./installation.ts";
import { type CallOptions, Scene } from "./scene.ts";

/** Docker's client: of Debian's package, whatever else a machine has on its PATH. */
const docker = "/usr/bin/docker";

/** Where BuildKit finds a `runc`, which it takes from the PATH whatever the default runtime is. */
const runcOnPath = "/usr/local/sbin/runc";

const containerdSocket = "/run/containerd/containerd.sock";

const cgroupParent = usesSystemd ? "runlet-e2e.slice" : "/runlet-e2e-docker";

/** The daemon's configuration: as docs/engines.md has it; `peer` is the machine's runc, whose own name stands for what is first on the PATH. */
export function daemonConfig(defaultRuntime: string): object {
  return {
    runtimes: { runlet: { path: "/usr/local/bin/runlet" }, peer: { path: "/usr/sbin/runc" } },
    "default-runtime": defaultRuntime,
    "exec-opts": [`native.cgroupdriver=${usesSystemd ? "systemd" : "cgroupfs"}`],
    "cgroup-parent": cgroupParent,
    "live-restore": true,
  };
}

/** A scene in which Docker's daemon runs, has the image, and knows runlet. */
export interface DockerScene {
  readonly scene: Scene;
  readonly daemon: Daemon;
}

/** Opens a scene and starts Docker there. */
export async function openDockerScene(): Promise<DockerScene> {
  const scene = await Scene.open({
    name: "docker",
    lockPath: import.meta.filename,
    empty: ["/var/lib/docker", "/etc/docker", "/var/lib/containerd", "/etc/containerd"],
    controlGroups: ["runlet-e2e-docker", "runlet-e2e.slice"],
  });
  try {
    await installRunlet(scene);
    await scene.writeFile("/etc/docker/daemon.json", JSON.stringify(daemonConfig("runlet")));
    // As Debian's units have it, and not dockerd's own: that must be there within seconds, or dockerd gives up.
    const containerd = new Daemon({
      scene,
      argv: ["containerd"],
      probe: ["ctr", "--address", containerdSocket, "version"],
    });
    await containerd.start();
    const argv = ["dockerd", "--containerd", containerdSocket];
    const daemon = new Daemon({ scene, argv, probe: [docker, "info"] });
    await daemon.start();
    await scene.succeed([docker, "load", "--input", makeDockerArchive(scene.directory)]);
    return { scene, daemon };
  } catch (error) {
    await scene.close();
    throw error;
  }
}

/** Docker through its client, with one runtime. */
export class Docker {
  readonly scene: Scene;
  readonly daemon: Daemon;
  readonly runtime: Runtime;
  /** The runtime's name in the daemon's configuration. */
  readonly runtimeName: string;
  #counter = 0;

  constructor(place: DockerScene, runtime: Runtime) {
    this.scene = place.scene;
    this.daemon = place.daemon;
    this.runtime = runtime;
    this.runtimeName = runtime.name === "runc" ? "peer" : runtime.name;
  }

  /** A name that nothing else in the scene has. */
  name(): string {
    return `${this.runtime.name}-${process.pid}-${this.#counter++}`;
  }

  /** Runs `docker` to its end, whatever that is. */
  async invoke(args: readonly string[], options?: CallOptions): Promise<Result> {
    return await this.scene.run([docker, ...args], options);
  }

  /** Runs `docker`, which must succeed; what it printed, without the line break at its end. */
  async print(args: readonly string[], options?: CallOptions): Promise<string> {
    const { stdout } = await this.scene.succeed([docker, ...args], options);
    return stdout.trimEnd();
  }

  /** Starts `docker` without waiting. */
  start(args: readonly string[], options?: CallOptions): RunningCommand {
    return this.scene.start([docker, ...args], options);
  }

  /** Runs `docker` on a terminal. */
  atTerminal(args: readonly string[], size = { rows: 24, columns: 80 }): Person {
    return this.scene.atTerminal([docker, ...args], size);
  }

  /** The arguments of `docker run` with the runtime: options, then what the container of the image runs. */
  runArgs(options: readonly string[], args: readonly string[]): string[] {
    return ["run", `--runtime=${this.runtimeName}`, ...options, image, ...args];
  }

  /** Runs a container to its end, whatever that is, and removes it. */
  async run(options: readonly string[], args: readonly string[]): Promise<Result> {
    return await this.invoke(this.runArgs(["--rm", ...options], args));
  }

  /** Runs a container, which must succeed, and removes it; what it printed. */
  async see(options: readonly string[], args: readonly string[]): Promise<string> {
    return await this.print(this.runArgs(["--rm", ...options], args));
  }

  /** Starts a container that stays; @returns its name. */
  async detach(options: readonly string[], args: readonly string[]): Promise<string> {
    const name = this.name();
    await this.print(this.runArgs(["--detach", `--name=${name}`, ...options], args));
    return name;
  }

  /** What `docker inspect` says of a container. */
  async inspect(name: string, format: string): Promise<string> {
    return await this.print(["inspect", `--format=${format}`, name]);
  }

  /** Waits until `docker inspect` says something of a container. */
  async waitFor(name: string, format: string, wanted: string): Promise<void> {
    await waitUntil({
      look: async () => await this.inspect(name, format),
      until: (seen) => seen === wanted,
      complain: (seen) => `${format} of ${name} is ${JSON.stringify(seen)}, not ${JSON.stringify(wanted)}`,
      everyMs: 100,
    });
  }

  /** Waits until a container has printed a text on its standard output. */
  async waitForLog(name: string, text: string): Promise<void> {
    await waitUntil({
      look: async () => (await this.invoke(["logs", name])).stdout,
      until: (log) => log.includes(text),
      complain: (log) => `${name} did not print ${JSON.stringify(text)}, but ${JSON.stringify(log)}`,
      everyMs: 100,
    });
  }

  /** Words of files of the control group that a container is in, by the layout of the machine. */
  async readControlGroup(name: string, files: { v1: readonly string[]; v2: readonly string[] }): Promise<string[]> {
    return await readControlGroup(this.scene, Number(await this.inspect(name, "{{.State.Pid}}")), files);
  }

  /** Kills and removes a container. */
  async remove(...names: readonly string[]): Promise<void> {
    await this.print(["rm", "--force", "--volumes", ...names]);
  }

  /** Makes the runtime the daemon's default, and the `runc` of the PATH. */
  async becomeDefault(): Promise<void> {
    await this.scene.succeed(["ln", "-sfn", this.runtime.path, runcOnPath]);
    await this.scene.writeFile("/etc/docker/daemon.json", JSON.stringify(daemonConfig(this.runtimeName)));
    await this.scene.succeed(["sh", "-c", 'kill -HUP "$(cat /run/docker.pid)"']);
    await waitUntil({
      look: async () => await this.print(["info", "--format={{.DefaultRuntime}}"]),
      until: (seen) => seen === this.runtimeName,
      complain: (seen) => `the default runtime is ${seen}, not ${this.runtimeName}`,
      everyMs: 100,
    });
  }
}
