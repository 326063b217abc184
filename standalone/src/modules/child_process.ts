/** node:child_process, as far as the command uses it: the three standard streams of a child are pipes, or /dev/null. */

import * as system from "runlet:system";
import { Buffer } from "../globals/buffer.ts";
import { type ChildInput, type ChildOutput, PipeInput, PipeOutput } from "./child-stream.ts";
import { EventEmitter } from "./event-emitter.ts";
import { closeSync, openSync } from "./fs.ts";
import { signalName, signalNumbers } from "./signal-number.ts";
import { callError, type SystemError, systemError } from "./system-error.ts";

interface SpawnOptions {
  readonly argv0?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdio: readonly ("pipe" | "ignore")[];
}

/** Where a shell would look without PATH: _CS_PATH of confstr(3). */
const defaultPath = "/bin:/usr/bin";

/** @returns the process id, or -errno. */
function start(file: string, args: readonly string[], options: SpawnOptions, fds: readonly number[]): number {
  const env: Readonly<Record<string, string | undefined>> = options.env ?? process.env;
  const paths = file.includes("/")
    ? [file]
    : (env.PATH ?? defaultPath).split(":").map((directory) => (directory === "" ? file : `${directory}/${file}`));
  return system.spawn(
    paths,
    [options.argv0 ?? file, ...args],
    Object.keys(env).map((name) => `${name}=${env[name]}`),
    options.cwd ?? null,
    Int32Array.from(fds),
  );
}

/** The child's ends and ours of its standard streams. Ours is -1 for /dev/null. */
function openStreams(stdio: readonly ("pipe" | "ignore")[]): { theirs: number[]; ours: number[] } {
  const theirs: number[] = [];
  const ours: number[] = [];
  try {
    for (const [fd, kind] of stdio.entries()) {
      if (kind === "ignore") {
        theirs.push(openSync("/dev/null", fd === 0 ? "r" : "r+"));
        ours.push(-1);
        continue;
      }
      const pipe = new Int32Array(2);
      const result = system.openPipe(pipe);
      if (result < 0) throw systemError(result, "pipe2");
      const [readFd = -1, writeFd = -1] = pipe;
      theirs.push(fd === 0 ? readFd : writeFd);
      ours.push(fd === 0 ? writeFd : readFd);
    }
  } catch (error) {
    closeAll([...theirs, ...ours]);
    throw error;
  }
  return { theirs, ours };
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) if (fd >= 0) closeSync(fd);
}

function spawnError(number: number, call: string, file: string, args: readonly string[]): SystemError {
  return Object.assign(callError(number, `${call} ${file}`, { path: file }), { spawnargs: args });
}

/** How waitpid(2) says that a process has ended. */
function endOf(status: number): { code: number | null; signal: string | null } {
  const number = status & 0x7f;
  return number === 0 ? { code: (status >> 8) & 0xff, signal: null } : { code: null, signal: signalName(number) };
}

/** @returns the process id or -errno, and our ends of the streams. */
function startWithStreams(
  file: string,
  args: readonly string[],
  options: SpawnOptions,
): { pid: number; ours: number[] } {
  const { theirs, ours } = openStreams(options.stdio);
  try {
    return { pid: start(file, args, options, theirs), ours };
  } catch (error) {
    closeAll(ours);
    throw error;
  } finally {
    closeAll(theirs);
  }
}

interface ChildEvents extends Record<string, unknown[]> {
  error: [Error];
  exit: [number | null, string | null];
  close: [number | null, string | null];
}

const POLLIN = 1;

/** A program that runs. */
export class ChildProcess extends EventEmitter<ChildEvents> {
  readonly pid: number | undefined;
  readonly stdin: ChildInput;
  readonly stdout: ChildOutput;
  readonly stderr: ChildOutput;
  /** 1 for each of its streams, and 1 until it has ended. */
  #openCount = 4;
  #end: { code: number | null; signal: string | null } | undefined;

  constructor(file: string, args: readonly string[], options: SpawnOptions) {
    super();
    const { pid, ours } = startWithStreams(file, args, options);
    const [input = -1, output = -1, error = -1] = ours;
    const onClose = () => this.#closePart();
    this.stdin = new PipeInput(input, onClose);
    this.stdout = new PipeOutput(output, onClose);
    this.stderr = new PipeOutput(error, onClose);
    if (pid < 0) this.#fail(pid, file, args);
    else {
      this.pid = pid;
      this.#watch(pid);
      this.stdout.begin();
      this.stderr.begin();
    }
  }

  /** @returns whether there was a process to send it to. */
  kill(signal = "SIGTERM"): boolean {
    if (this.pid === undefined || this.#end !== undefined) return false;
    return system.kill(this.pid, signalNumbers[signal] ?? 0) === 0;
  }

  #fail(number: number, file: string, args: readonly string[]): void {
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.destroy();
    const error = spawnError(number, "spawn", file, args);
    system.setTimer(0, () => this.emit("error", error));
  }

  #watch(pid: number): void {
    const pidfd = system.openPidfd(pid);
    if (pidfd < 0) throw systemError(pidfd, "pidfd_open");
    const watch = system.watchDescriptor(pidfd, POLLIN, () => {
      system.unwatchDescriptor(watch);
      closeSync(pidfd);
      const status = system.waitProcess(pid);
      // Somebody else has waited for it where the status is an error.
      this.#end = status < 0 ? { code: null, signal: null } : endOf(status);
      this.emit("exit", this.#end.code, this.#end.signal);
      this.#closePart();
    });
  }

  #closePart(): void {
    this.#openCount--;
    if (this.#openCount === 0 && this.#end !== undefined) this.emit("close", this.#end.code, this.#end.signal);
  }
}

export function spawn(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return new ChildProcess(file, args, options);
}

interface SyncOptions extends SpawnOptions {
  readonly encoding: "utf8";
  /** Most bytes of each output. */
  readonly maxBuffer: number;
}

interface SyncResult {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly error?: Error;
}

/** Runs a program to its end, with nothing on its standard input. */
export function spawnSync(file: string, args: readonly string[], options: SyncOptions): SyncResult {
  const failed = (number: number, signal: string | null): SyncResult => ({
    status: null,
    signal,
    stdout: "",
    stderr: "",
    error: spawnError(number, "spawnSync", file, args),
  });
  const { pid, ours } = startWithStreams(file, args, options);
  try {
    if (pid < 0) return failed(pid, null);
    const [, output = -1, error = -1] = ours;
    const contents = system.readBoth(output, error, options.maxBuffer);
    if (typeof contents === "number") system.kill(pid, signalNumbers.SIGTERM ?? 0);
    const status = system.waitProcess(pid);
    if (status < 0) return failed(status, null);
    const { code, signal } = endOf(status);
    if (typeof contents === "number") return failed(contents, signal);
    const [stdout, stderr] = contents.map((content) => new Buffer(content).toString()) as [string, string];
    return { status: code, signal, stdout, stderr };
  } finally {
    closeAll(ours);
  }
}
