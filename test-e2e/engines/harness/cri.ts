import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { waitUntil } from "../../harness/patience.ts";
import { type ContainerdScene, usesSystemd } from "./containerd.ts";
import { readControlGroup } from "./control-group.ts";
import { ContainerState, decodeMessage, encodeMessage, type Message } from "./cri-messages.ts";
import { CriStream } from "./cri-stream.ts";
import { image } from "./docker-archive.ts";
import type { Runtime } from "./flow.ts";
import type { Scene } from "./scene.ts";

/** Longer than any call takes, on an emulated machine too. */
const deadlineMs = 300_000;

/** Parent of the pods' control groups. */
const cgroupParent = usesSystemd ? "runlet-e2e.slice" : "/runlet-e2e-pods";

/** What a process in a container wrote, and how it ended. */
export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Status of a container. */
export interface ContainerStatus {
  readonly state: number;
  readonly started_at: number;
  readonly finished_at: number;
  readonly exit_code: number;
  readonly reason: string;
  readonly message: string;
}

/** containerd's container runtime interface, as a kubelet uses it, with one runtime as the handler. */
export class Cri {
  readonly scene: Scene;
  readonly runtime: Runtime;
  readonly #place: ContainerdScene;
  #client: grpc.Client;
  #counter = 0;

  constructor(place: ContainerdScene, runtime: Runtime) {
    this.scene = place.scene;
    this.#place = place;
    this.runtime = runtime;
    this.#client = this.#connect();
    place.scene.beforeClose(async () => this.#client.close());
  }

  #connect(): grpc.Client {
    return new grpc.Client(`unix:${this.#place.socketPath}`, grpc.credentials.createInsecure());
  }

  /** A name that nothing else in the scene has. */
  name(): string {
    return `${this.runtime.name}-${process.pid}-${this.#counter++}`;
  }

  /** Calls a method of the runtime service. */
  async call(method: string, request: Message): Promise<Message> {
    return await new Promise((fulfil, reject) => {
      this.#client.makeUnaryRequest(
        `/runtime.v1.RuntimeService/${method}`,
        (message: Message) => encodeMessage(`${method}Request`, message),
        (bytes: Buffer) => decodeMessage(`${method}Response`, bytes),
        request,
        new grpc.Metadata(),
        { deadline: Date.now() + deadlineMs },
        (error, response) => {
          if (error !== null) reject(new Error(`${method}: ${error.details}`, { cause: error }));
          else if (response === undefined) reject(new Error(`${method} has no answer`));
          else fulfil(response);
        },
      );
    });
  }

  /** Runs a pod, does something with it, and removes it with all of its containers. */
  async withPod(linux: Message, body: (pod: Pod) => Promise<void>, config: Message = {}): Promise<void> {
    const name = this.name();
    const logDirectory = join(this.scene.directory, name);
    mkdirSync(logDirectory);
    const sandbox: Message = {
      metadata: { name, uid: name, namespace: "default", attempt: 0 },
      hostname: name,
      log_directory: logDirectory,
      dns_config: { servers: ["192.0.2.1"] },
      linux: { cgroup_parent: cgroupParent, ...linux },
      ...config,
    };
    const answer = await this.call("RunPodSandbox", { config: sandbox, runtime_handler: this.runtime.name });
    const pod = new Pod({ cri: this, id: String(answer.pod_sandbox_id), config: sandbox, logDirectory });
    // What went wrong first is what is told.
    const failures: unknown[] = [];
    await body(pod).catch((error) => failures.push(error));
    for (const method of ["StopPodSandbox", "RemovePodSandbox"])
      await this.call(method, { pod_sandbox_id: pod.id }).catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  /** Ends containerd and starts it again. */
  async restartDaemon(): Promise<void> {
    this.#client.close();
    await this.#place.daemon.stop();
    await this.#place.daemon.start();
    this.#client = this.#connect();
  }
}

/** A pod that runs. */
export class Pod {
  readonly cri: Cri;
  readonly id: string;
  readonly #config: Message;
  readonly #logDirectory: string;

  constructor(given: { cri: Cri; id: string; config: Message; logDirectory: string }) {
    this.cri = given.cri;
    this.id = given.id;
    this.#config = given.config;
    this.#logDirectory = given.logDirectory;
  }

  /** The pod's status, and what containerd knows besides. */
  async status(): Promise<{ state: number; network: { ip: string } | null; runtime_handler: string }> {
    const answer = await this.cri.call("PodSandboxStatus", { pod_sandbox_id: this.id });
    return answer.status as { state: number; network: { ip: string } | null; runtime_handler: string };
  }

  /** Creates a container. */
  async create(args: readonly string[], config: Message = {}, securityContext: Message = {}): Promise<PodContainer> {
    const name = this.cri.name();
    const answer = await this.cri.call("CreateContainer", {
      pod_sandbox_id: this.id,
      config: {
        metadata: { name, attempt: 0 },
        image: { image },
        command: args,
        log_path: `${name}.log`,
        linux: { security_context: securityContext },
        ...config,
      },
      sandbox_config: this.#config,
    });
    return new PodContainer(this.cri, String(answer.container_id), join(this.#logDirectory, `${name}.log`));
  }

  /** Creates a container and starts it. */
  async start(args: readonly string[], config: Message = {}, securityContext: Message = {}): Promise<PodContainer> {
    const container = await this.create(args, config, securityContext);
    await this.cri.call("StartContainer", { container_id: container.id });
    return container;
  }

  /** Runs a container to its end, with a security context. */
  async run(args: readonly string[], securityContext: Message = {}): Promise<ExecResult> {
    const container = await this.start(args, {}, securityContext);
    const { exit_code } = await container.waitForState(ContainerState.CONTAINER_EXITED);
    return { stdout: container.log("stdout"), stderr: container.log("stderr"), exitCode: exit_code };
  }
}

/** A container of a pod. */
export class PodContainer {
  readonly id: string;
  readonly #cri: Cri;
  readonly #logPath: string;

  constructor(cri: Cri, id: string, logPath: string) {
    this.#cri = cri;
    this.id = id;
    this.#logPath = logPath;
  }

  async status(): Promise<ContainerStatus> {
    const answer = await this.#cri.call("ContainerStatus", { container_id: this.id });
    return answer.status as ContainerStatus;
  }

  /** Its first process, in the scene. */
  async pid(): Promise<number> {
    const answer = await this.#cri.call("ContainerStatus", { container_id: this.id, verbose: true });
    const info = JSON.parse((answer.info as Record<string, string>).info ?? "{}") as { pid?: number };
    return info.pid ?? 0;
  }

  /** Waits until its status has these values; @returns it then. */
  async waitForStatus(wanted: Partial<ContainerStatus>): Promise<ContainerStatus> {
    const fields = Object.keys(wanted) as (keyof ContainerStatus)[];
    return await waitUntil({
      look: async () => await this.status(),
      until: (status) => fields.every((field) => status[field] === wanted[field]),
      complain: (status) => `the container's status is ${JSON.stringify(status)}, not ${JSON.stringify(wanted)}`,
      everyMs: 50,
    });
  }

  /** Waits until it is in a state; @returns its status then. */
  async waitForState(state: number): Promise<ContainerStatus> {
    return await this.waitForStatus({ state });
  }

  /** Runs a process in it to its end. */
  async exec(args: readonly string[], timeoutSeconds = 0): Promise<ExecResult> {
    const answer = await this.#cri.call("ExecSync", { container_id: this.id, cmd: args, timeout: timeoutSeconds });
    return { stdout: String(answer.stdout), stderr: String(answer.stderr), exitCode: Number(answer.exit_code) };
  }

  /** Runs a process in it and stays connected with it. */
  async openExec(args: readonly string[], options: { readonly tty: boolean }): Promise<CriStream> {
    const { tty } = options;
    const request = { container_id: this.id, cmd: args, tty, stdin: true, stdout: true, stderr: !tty };
    return await CriStream.open(this.#cri.scene, String((await this.#cri.call("Exec", request)).url));
  }

  /** Connects with its first process. */
  async attach(options: { readonly tty: boolean }): Promise<CriStream> {
    const { tty } = options;
    const request = { container_id: this.id, tty, stdin: true, stdout: true, stderr: !tty };
    return await CriStream.open(this.#cri.scene, String((await this.#cri.call("Attach", request)).url));
  }

  /** Asks it to end, and kills it when it has not within so many seconds. */
  async stop(timeoutSeconds: number): Promise<void> {
    await this.#cri.call("StopContainer", { container_id: this.id, timeout: timeoutSeconds });
  }

  /** Waits until a stream's lines in its log say so. */
  async waitForLog(stream: "stdout" | "stderr", wanted: string): Promise<void> {
    await waitUntil({
      look: () => this.log(stream),
      until: (log) => log === wanted,
      complain: (log) => `the log says ${JSON.stringify(log)}, not ${JSON.stringify(wanted)}`,
      everyMs: 50,
    });
  }

  /** What a stream's lines in its log say. */
  log(stream: "stdout" | "stderr"): string {
    const marker = new RegExp(`^\\S+ ${stream} [FP] `);
    return readFileSync(this.#logPath, "utf8")
      .split("\n")
      .filter((line) => marker.test(line))
      .map((line) => `${line.replace(marker, "")}\n`)
      .join("");
  }

  /** Words of files of its control group, by the layout of the machine. */
  async readControlGroup(files: { v1: readonly string[]; v2: readonly string[] }): Promise<string[]> {
    return await readControlGroup(this.#cri.scene, await this.pid(), files);
  }
}
