import { existsSync } from "node:fs";
import type { Result, RunningCommand } from "../../harness/command.ts";
import { waitUntil } from "../../harness/patience.ts";
import type { Person } from "../../harness/person.ts";
import type { MachineReason, Runtime } from "./flow.ts";
import { makeImageArchive } from "./image.ts";
import { installRunlet } from "./installation.ts";
import { type CallOptions, Scene } from "./scene.ts";

/** Name of the image that every flow runs. */
export const image = "localhost/machine:latest";

const isSystemdBooted = existsSync("/run/systemd/system");

/** Without CAP_SYS_RESOURCE nobody can raise the limits as Podman would by itself: these are below what everybody has. */
const containersConf = `[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
netns = "none"
[engine]
events_logger = "file"
cgroup_manager = "${isSystemdBooted ? "systemd" : "cgroupfs"}"
`;

/** Opens a scene in which Podman has the image and runlet is installed. */
export async function openPodmanScene(): Promise<Scene> {
  const scene = await Scene.open({
    name: "podman",
    lockPath: import.meta.filename,
    empty: ["/var/lib/containers"],
    controlGroups: isSystemdBooted ? ["machine.slice"] : ["libpod_parent"],
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
  /** Whether systemd makes its control groups. */
  readonly isUnderSystemd = isSystemdBooted;
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

  /** Runs the image in the background. @returns the container's name. */
  async runDetached(options: readonly string[], ...command: readonly string[]): Promise<string> {
    const name = this.name();
    await this.print(["run", "--detach", `--name=${name}`, ...options, image, ...command]);
    return name;
  }

  /** Runs a command in a container; what it printed, without the line break at its end. */
  async exec(name: string, ...command: readonly string[]): Promise<string> {
    return await this.print(["exec", name, ...command]);
  }

  /** Ends and removes a container. */
  async remove(name: string): Promise<void> {
    const removal = ["rm", "--force", "--time=0", name];
    // The kernel takes a moment to give up the mounts of a user namespace that has ended, and Podman does not wait for it.
    const { status, stderr } = await waitUntil({
      look: async () => await this.invoke(removal),
      until: (result) => !result.stderr.includes("device or resource busy"),
      complain: (result) => result.stderr,
      everyMs: 200,
    });
    if (status !== 0) throw new Error(`${removal.join(" ")}: ${stderr}`);
  }

  /** Looks up one thing of a container. @param format - a Go template. */
  async inspect(name: string, format: string): Promise<string> {
    return await this.print(["inspect", `--format=${format}`, name]);
  }

  /** Waits until a container has printed a text. */
  async waitForLog(name: string, text: string): Promise<void> {
    await waitUntil({
      look: async () => await this.print(["logs", name]),
      until: (log) => log.includes(text),
      complain: (log) => `${name} did not print ${JSON.stringify(text)}, but ${JSON.stringify(log)}`,
      everyMs: 100,
    });
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
export const machineReasons: readonly MachineReason[] = [
  {
    evidence: /conmon was told of the kill/,
    because: "Debian's conmon does not see a kill for want of memory, and Podman does not say so",
  },
  {
    evidence: /criu failed|CRIU checkpoint restore failed|notify-script: line/,
    because: "CRIU of Debian 12 cannot save processes on this kernel",
  },
  {
    evidence: /rootless containers with cgroup V1/,
    because: "Podman gives containers of an ordinary user control groups on cgroup v2 only",
  },
];
