import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Result, RunningCommand } from "./command.ts";
import { patienceMs, waitUntil } from "./patience.ts";
import type { Suite } from "./suite.ts";

/** What makes a host look otherwise than it is. */
export interface ViewScripts {
  /** A directory of the suite's own for this view. */
  readonly name: string;
  /** Shell script that mounts what others are not to see. */
  readonly mount: string;
  /** Shell script that each command of the runtime is preceded by. Default: none. */
  readonly before?: string;
  /** Arguments of both scripts. */
  readonly args: readonly string[];
}

/** The host as commands of the runtime see it that run in a mount namespace of their own. */
export class HostView {
  readonly #suite: Suite;
  readonly #directory: string;
  readonly #scripts: ViewScripts;
  readonly #holder: ChildProcess;
  #calls = 0;

  private constructor(suite: Suite, directory: string, scripts: ViewScripts, holder: ChildProcess) {
    this.#suite = suite;
    this.#directory = directory;
    this.#scripts = scripts;
    this.#holder = holder;
  }

  /** Makes the namespace, which lasts until {@link close}. */
  static async open(suite: Suite, scripts: ViewScripts): Promise<HostView> {
    const directory = join(suite.directory, scripts.name);
    mkdirSync(directory, { recursive: true });
    const logPath = join(directory, "log");
    const logFd = openSync(logPath, "w");
    const script = ["sh", "-c", `set -e\n${scripts.mount}\necho ready\nexec cat`, "sh", ...scripts.args];
    const holder = spawn("unshare", ["--mount", "--propagation", "private", ...script], {
      stdio: ["pipe", logFd, logFd],
    });
    closeSync(logFd);
    const log = await waitUntil({
      look: () => ({ text: readFileSync(logPath, "utf8"), hasEnded: holder.exitCode !== null }),
      until: ({ text, hasEnded }) => text.includes("ready") || hasEnded,
      complain: ({ text }) => `the view was not opened: ${text}`,
    });
    if (log.hasEnded) throw new Error(log.text);
    return new HostView(suite, directory, scripts, holder);
  }

  /** A path of the view, as this process reaches it. */
  path(hostPath: string): string {
    return join(`/proc/${this.#holder.pid}/root`, hostPath);
  }

  /** Starts the runtime on this host. */
  start(args: readonly string[]): RunningCommand {
    const prefix = join(this.#directory, String(this.#calls++));
    const [stdoutPath, stderrPath] = [`${prefix}.stdout`, `${prefix}.stderr`];
    const [stdoutFd, stderrFd] = [openSync(stdoutPath, "w"), openSync(stderrPath, "w")];
    const { before = "", args: words } = this.#scripts;
    const enter = [`--mount=/proc/${this.#holder.pid}/ns/mnt`, "unshare", "--mount", "--propagation", "private"];
    const script = ["sh", "-c", `set -e\n${before}\nshift ${words.length}\nexec "$@"`, "sh", ...words];
    const child = spawn("nsenter", [...enter, ...script, ...this.#suite.runtime.argv(args)], {
      cwd: "/",
      stdio: ["ignore", stdoutFd, stderrFd],
    });
    closeSync(stdoutFd);
    closeSync(stderrFd);
    return new RunningCommand({ child, stdoutPath, stderrPath, timeoutMs: patienceMs, args });
  }

  /** Runs the runtime on this host to its end. */
  async invoke(args: readonly string[]): Promise<Result> {
    return await this.start(args).ended;
  }

  /** With the namespace go its mounts. */
  close(): void {
    this.#holder.kill("SIGKILL");
  }
}
