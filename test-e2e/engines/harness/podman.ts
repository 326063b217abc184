import type { Result, RunningCommand } from "../../harness/command.ts";
import type { Person } from "../../harness/person.ts";
import type { MachineReason, Runtime } from "./flow.ts";
import { makeImageArchive } from "./image.ts";
import { installRunlet } from "./installation.ts";
import { type CallOptions, Scene } from "./scene.ts";

/** Name of the image that every flow runs. */
export const image = "localhost/machine:latest";

/** Without CAP_SYS_RESOURCE nobody can raise the limits as Podman would by itself. */
const containersConf = `[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[network]
network_backend = "cni"
[engine]
events_logger = "file"
cgroup_manager = "cgroupfs"
`;

/** Opens a scene in which Podman has the image and runlet is installed. */
export async function openPodmanScene(): Promise<Scene> {
  const scene = await Scene.open({
    name: "podman",
    lockPath: import.meta.filename,
    empty: ["/var/lib/containers"],
    controlGroups: ["libpod_parent"],
  });
  try {
    await installRunlet(scene, ["/usr/local/bin/runlet", "/opt/in-place/runc"]);
    await scene.writeFile("/etc/containers/containers.conf", containersConf);
    await scene.succeed(["podman", "--runtime=runc", "import", makeImageArchive(scene.directory), image]);
    return scene;
  } catch (error) {
    await scene.close();
    throw error;
  }
}

/** Podman in a scene, with one runtime. */
export class Podman {
  readonly scene: Scene;
  readonly runtime: Runtime;
  #counter = 0;

  constructor(scene: Scene, runtime: Runtime) {
    this.scene = scene;
    this.runtime = runtime;
  }

  /** A name that nothing else in the scene has. */
  name(): string {
    return `${this.runtime.name}-${process.pid}-${this.#counter++}`;
  }

  /** The argument list of a call, program first. */
  argv(args: readonly string[]): string[] {
    return ["podman", `--runtime=${this.runtime.path}`, ...args];
  }

  /** Runs `podman` to its end, whatever that is. */
  async invoke(args: readonly string[], options?: CallOptions): Promise<Result> {
    return await this.scene.run(this.argv(args), options);
  }

  /** Runs `podman`, which must succeed; what it printed, without the line break at its end. */
  async print(args: readonly string[], options?: CallOptions): Promise<string> {
    const { stdout } = await this.scene.succeed(this.argv(args), options);
    return stdout.trimEnd();
  }

  /** Starts `podman` without waiting. */
  start(args: readonly string[], options?: CallOptions): RunningCommand {
    return this.scene.start(this.argv(args), options);
  }

  /** Runs `podman` on a terminal. */
  atTerminal(args: readonly string[], size = { rows: 24, columns: 80 }): Person {
    return this.scene.atTerminal(this.argv(args), size);
  }
}

/** What `runc` fails with under Podman where the machine does not let it. */
export const machineReasons: readonly MachineReason[] = [];
