import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { patienceMs, waitUntil } from "./patience.ts";

const repository = resolve(import.meta.dirname, "../..");

/** A runtime that the tests know. */
export type RuntimeName = "runlet" | "runc" | "crun";

/** How a command ended and what it and its container wrote. */
export interface Result {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of {@link Command.invoke}. */
export interface InvokeOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What is written to standard input; default nothing, an empty one. */
  readonly input?: string;
  /** Global options, before the command. */
  readonly global?: readonly string[];
  /** Default {@link patienceMs}: then the command is killed and the call throws. */
  readonly timeoutMs?: number;
}

interface Target {
  readonly name: RuntimeName;
  readonly argv: readonly string[];
}

/**
 * The runtime under test, of the environment variable RUNTIME: `runlet` (default, as npm installs it), a path (the
 * standalone executable), `runc` or `crun`.
 */
export const target: Target = findTarget(process.env.RUNTIME ?? "runlet");

/** Who makes the control groups, of the environment variable CGROUP_MANAGER. */
export type CgroupManager = "cgroupfs" | "systemd";

/** The manager of this run: with `systemd` every call has --systemd-cgroup. */
export const cgroupManager = findManager(process.env.CGROUP_MANAGER ?? "cgroupfs");

function findManager(name: string): CgroupManager {
  if (name === "cgroupfs" || name === "systemd") return name;
  throw new Error(`CGROUP_MANAGER=${name}: cgroupfs or systemd`);
}

function findTarget(runtime: string): Target {
  if (runtime === "runlet")
    return { name: "runlet", argv: [process.execPath, join(repository, "packages/cli/dist/bin/runlet.js")] };
  if (runtime === "runc") return { name: "runc", argv: ["runc"] };
  // crun refuses a hybrid layout: it is run where the cgroup v2 part of one cannot be seen.
  if (runtime === "crun") {
    const script = 'if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi; exec crun "$@"';
    return { name: "crun", argv: ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "crun"] };
  }
  if (!runtime.includes("/")) throw new Error(`RUNTIME=${runtime}: runlet, runc, crun or the path of an executable`);
  const name = basename(runtime);
  return { name: name === "runc" || name === "crun" ? name : "runlet", argv: [resolve(repository, runtime)] };
}

/** Drives the runtime under test, with a state root of its own. */
export class Command {
  readonly name: RuntimeName = target.name;
  /** Directory of the containers' states. */
  readonly root: string;
  readonly #outputDirectory: string;
  #calls = 0;

  /** @param directory - where state and output files go; must exist. */
  constructor(directory: string) {
    this.root = join(directory, "state");
    this.#outputDirectory = join(directory, "output");
    mkdirSync(this.root, { recursive: true, mode: 0o711 });
    mkdirSync(this.#outputDirectory, { recursive: true });
  }

  /** The argument list of a call, program first. */
  argv(args: readonly string[], global: readonly string[] = []): string[] {
    const manager = cgroupManager === "systemd" ? ["--systemd-cgroup"] : [];
    return [...target.argv, "--root", this.root, ...manager, ...global, ...args];
  }

  /**
   * Runs the command and waits until it has ended; what a container that it leaves behind still writes is not waited for.
   * Its standard output and error are files, so that nothing hangs on a container that keeps them open.
   */
  async invoke(args: readonly string[], options: InvokeOptions = {}): Promise<Result> {
    const call = this.start(args, options);
    return await call.ended;
  }

  /** Starts the command without waiting; `output` reads what has been written so far. */
  start(args: readonly string[], options: InvokeOptions = {}): RunningCommand {
    const prefix = join(this.#outputDirectory, String(this.#calls++));
    const stdoutPath = `${prefix}.stdout`;
    const stderrPath = `${prefix}.stderr`;
    const stdoutFd = openSync(stdoutPath, "w");
    const stderrFd = openSync(stderrPath, "w");
    const [program = "", ...rest] = this.argv(args, options.global);
    const child = spawn(program, rest, {
      cwd: options.cwd ?? "/",
      env: { ...process.env, ...options.env },
      stdio: [options.input === undefined ? "ignore" : "pipe", stdoutFd, stderrFd],
    });
    closeSync(stdoutFd);
    closeSync(stderrFd);
    if (options.input !== undefined) child.stdin?.end(options.input);
    return new RunningCommand({ child, stdoutPath, stderrPath, timeoutMs: options.timeoutMs ?? patienceMs, args });
  }

  /** Runs the command and throws, with what it said, when it fails. */
  async succeed(args: readonly string[], options: InvokeOptions = {}): Promise<Result> {
    const result = await this.invoke(args, options);
    if (result.status !== 0) {
      throw new Error(`${this.name} ${args.join(" ")}: ${describeEnd(result)}\n${result.stderr}${result.stdout}`);
    }
    return result;
  }

  /** The container's state, parsed. */
  async state(id: string): Promise<{ status: string; pid: number; [key: string]: unknown }> {
    const { stdout } = await this.succeed(["state", id]);
    return JSON.parse(stdout) as { status: string; pid: number };
  }

  /** Waits until the container has a status. */
  async waitForStatus(id: string, status: string): Promise<void> {
    await waitUntil({
      look: async () => (await this.state(id)).status,
      until: (seen) => seen === status,
      complain: (seen) => `container ${id} is ${seen}, not ${status}`,
    });
  }
}

/** A command that runs. */
export class RunningCommand {
  readonly child: ChildProcess;
  readonly ended: Promise<Result>;
  readonly #stdoutPath: string;
  readonly #stderrPath: string;

  constructor(options: {
    child: ChildProcess;
    stdoutPath: string;
    stderrPath: string;
    timeoutMs: number;
    args: readonly string[];
  }) {
    this.child = options.child;
    this.#stdoutPath = options.stdoutPath;
    this.#stderrPath = options.stderrPath;
    this.ended = new Promise((fulfil, reject) => {
      const timer = setTimeout(() => {
        this.child.kill("SIGKILL");
        reject(
          new Error(
            `${options.args.join(" ")} did not end within ${options.timeoutMs} ms:\n${this.stderr()}${this.stdout()}`,
          ),
        );
      }, options.timeoutMs);
      this.child.once("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
      this.child.once("exit", (status, signal) => {
        clearTimeout(timer);
        fulfil({ status, signal, stdout: this.stdout(), stderr: this.stderr() });
      });
    });
    // A caller that kills the command may never look at its end.
    this.ended.catch(() => undefined);
  }

  /** What has been written to standard output, also by a container after the command's end. */
  stdout(): string {
    return readFileSync(this.#stdoutPath, "utf8");
  }

  stderr(): string {
    return readFileSync(this.#stderrPath, "utf8");
  }

  /** Waits until standard output contains `text`. */
  async waitForOutput(text: string): Promise<string> {
    return await waitUntil({
      look: () => this.stdout(),
      until: (output) => output.includes(text),
      complain: (output) => `${JSON.stringify(text)} was not printed:\n${output}${this.stderr()}`,
    });
  }
}

function describeEnd(result: Result): string {
  return result.status === null ? `killed by ${result.signal}` : `exit status ${result.status}`;
}
