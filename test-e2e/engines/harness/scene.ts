import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { type Result, RunningCommand } from "../../harness/command.ts";
import { listCgroups } from "../../harness/leaks.ts";
import { patienceMs, settlingMs, sleep } from "../../harness/patience.ts";
import { Person } from "../../harness/person.ts";

/** Options of {@link Scene.open}. */
export interface SceneOptions {
  /** Begins the names of what the scene makes on the machine. */
  readonly name: string;
  /** Only one scene with the same file is open at a time, also among different runs: those of one engine share its groups. */
  readonly lockPath: string;
  /** Directories that are empty in the scene, and in memory: the engine's own. */
  readonly empty: readonly string[];
  /** Groups, by their path below each hierarchy, in which the engine makes those of containers. They are gone at the end. */
  readonly controlGroups: readonly string[];
}

/** Options of a call in a scene. */
export interface CallOptions {
  readonly cwd?: string;
  /** Beside {@link sceneEnvironment}, and instead of it where the names are the same. */
  readonly env?: Readonly<Record<string, string>>;
  /** What is written to standard input; default nothing, an empty one. */
  readonly input?: string;
  /** Default {@link patienceMs}: then the call is killed and throws. */
  readonly timeoutMs?: number;
}

/** What commands of a scene find in their environment. */
const sceneEnvironment = {
  HOME: "/root",
  LANG: "C.UTF-8",
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  TERM: "xterm",
} as const;

/** Runs a scene, and holds its lock until descriptor 3 is closed: when what is left of it has been removed. */
const holdUntilRemoved = '"$@" 3<&-; echo ended; cat <&3 > /dev/null';

/** Under systemd the process ids that it is told must be the machine's. Such a machine is a virtual one, and used once. */
const hasPidNamespace = !existsSync("/run/systemd/system");

/**
 * A machine beside this one, for an engine: the same files below a layer in memory, an empty /run and /tmp, a network of only
 * loopback, and where possible process ids of its own, so that the kernel ends and removes all of it when the scene closes,
 * however the tests end. Control groups are the machine's.
 */
export class Scene {
  /** A directory that the machine and the scene share, under the same path. */
  readonly directory: string;
  readonly #holder: ChildProcess;
  readonly #pid: number;
  readonly #options: SceneOptions;
  readonly #cgroupsBefore: ReadonlySet<string>;
  readonly #farewells: (() => Promise<void>)[] = [];
  #calls = 0;

  private constructor(given: { directory: string; holder: ChildProcess; pid: number; options: SceneOptions }) {
    this.directory = given.directory;
    this.#holder = given.holder;
    this.#pid = given.pid;
    this.#options = given.options;
    this.#cgroupsBefore = new Set(listCgroups());
    mkdirSync(join(this.directory, "output"));
  }

  /** Opens a scene. Needs root. */
  static async open(options: SceneOptions): Promise<Scene> {
    const directory = mkdtempSync(join(tmpdir(), `${options.name}-`));
    const [mountPoint, shared] = [join(directory, "scene"), join(directory, "shared")];
    mkdirSync(mountPoint);
    mkdirSync(shared, { mode: 0o755 });
    execFileSync("chmod", ["755", directory]);
    const script = ["sh", join(import.meta.dirname, "enter-scene.sh"), mountPoint, shared, "--", ...options.empty];
    const pidNamespace = hasPidNamespace ? ["--pid", "--fork", "--kill-child"] : [];
    const holder = spawn(
      "flock",
      // The lock is this program's only: what the scene leaves running would hold it.
      [
        "--close",
        options.lockPath,
        "sh",
        "-c",
        holdUntilRemoved,
        "sh",
        "unshare",
        "--mount",
        "--net",
        ...pidNamespace,
        "--propagation=private",
        ...script,
      ],
      { stdio: ["pipe", "pipe", "pipe", "pipe"] },
    );
    let said = "";
    let complaint = "";
    holder.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    await new Promise<void>((fulfil, reject) => {
      holder.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (said.includes("ready\n")) fulfil();
        else if (said.includes("ended\n")) releaseLock(holder);
      });
      holder.once("error", reject);
      holder.once("exit", () => reject(new Error(`the scene was not opened: ${complaint}`)));
    });
    const pid = firstProcess(holder.pid ?? 0);
    return new Scene({ directory: shared, holder, pid, options });
  }

  /** Starts a command in the scene. */
  start(argv: readonly string[], options: CallOptions = {}): RunningCommand {
    const prefix = join(this.directory, "output", String(this.#calls++));
    const [stdoutPath, stderrPath] = [`${prefix}.stdout`, `${prefix}.stderr`];
    const [stdoutFd, stderrFd] = [openSync(stdoutPath, "w"), openSync(stderrPath, "w")];
    const [program = "", ...args] = this.argv(argv, options);
    const child = spawn(program, args, {
      env: { ...sceneEnvironment, ...options.env },
      stdio: [options.input === undefined ? "ignore" : "pipe", stdoutFd, stderrFd],
    });
    closeSync(stdoutFd);
    closeSync(stderrFd);
    if (options.input !== undefined) child.stdin?.end(options.input);
    return new RunningCommand({
      child,
      stdoutPath,
      stderrPath,
      timeoutMs: options.timeoutMs ?? patienceMs,
      args: argv,
    });
  }

  /** Runs a command in the scene to its end, whatever that is. */
  async run(argv: readonly string[], options?: CallOptions): Promise<Result> {
    return await this.start(argv, options).ended;
  }

  /** Runs a command in the scene, which must succeed. */
  async succeed(argv: readonly string[], options?: CallOptions): Promise<Result> {
    const result = await this.run(argv, options);
    if (result.status === 0) return result;
    throw new Error(
      `${argv.join(" ")}: ${result.signal ?? `exit status ${result.status}`}\n${result.stderr}${result.stdout}`,
    );
  }

  /** Shows a file of the shared directory at another path of the scene. */
  async showFile(path: string, scenePath: string): Promise<void> {
    const script = 'mkdir -p "$(dirname "$2")" && touch "$2" && mount --bind "$1" "$2"';
    await this.succeed(["sh", "-c", script, "sh", path, scenePath]);
  }

  /** Writes a file in the scene, into a directory that is made if there is none. */
  async writeFile(scenePath: string, text: string): Promise<void> {
    const script = 'mkdir -p "$(dirname "$1")" && cat > "$1"';
    await this.succeed(["sh", "-c", script, "sh", scenePath], { input: text });
  }

  /** Starts a command of the scene on a terminal. */
  atTerminal(argv: readonly string[], options: CallOptions & { rows: number; columns: number }): Person {
    const { rows, columns } = options;
    return new Person(["run", String(rows), String(columns), ...this.argv(argv, options)], {
      ...sceneEnvironment,
      ...options.env,
    });
  }

  /** The argument list by which the machine runs a command in the scene, program first. */
  argv(argv: readonly string[], { cwd = "/" }: Pick<CallOptions, "cwd"> = {}): string[] {
    const pid = hasPidNamespace ? ["--pid"] : [];
    return ["nsenter", `--target=${this.#pid}`, "--mount", "--net", ...pid, `--wdns=${cwd}`, "--", ...argv];
  }

  /** Has something done before the scene closes, the last first: such as ending what would miss its files. */
  beforeClose(farewell: () => Promise<void>): void {
    this.#farewells.unshift(farewell);
  }

  /**
   * Ends all that runs in the scene and removes it.
   *
   * @throws when control groups are left that cannot be removed: a process outlived the scene.
   */
  async close(): Promise<void> {
    for (const farewell of this.#farewells) await farewell();
    const ended = new Promise((fulfil) => this.#holder.stdout?.once("data", fulfil));
    const released = new Promise((fulfil) => this.#holder.once("exit", fulfil));
    this.#holder.stdin?.end();
    await ended;
    rmSync(join(this.directory, ".."), { recursive: true, force: true });
    // Without a process namespace something may be left that runs; the machine is not used again.
    const left = hasPidNamespace ? await this.#removeControlGroups() : [];
    releaseLock(this.#holder);
    await released;
    if (left.length > 0) throw new Error(`control groups that the scene left: ${left.join(", ")}`);
  }

  /** Engines keep the groups that they put containers into. */
  async #removeControlGroups(): Promise<string[]> {
    let left: string[] = [];
    for (const deadline = Date.now() + settlingMs; Date.now() < deadline; await sleep(20)) {
      left = listCgroups().filter((path) => this.#isOfEngine(path));
      // The deepest first.
      for (const path of left.reverse()) {
        try {
          rmdirSync(path);
        } catch {
          // A process that has been killed is in it until it is reaped.
        }
      }
      if (left.length === 0) break;
    }
    return left;
  }

  #isOfEngine(path: string): boolean {
    if (this.#cgroupsBefore.has(path)) return false;
    return this.#options.controlGroups.some((name) => `${path}/`.includes(`/${name}/`));
  }
}

function releaseLock(holder: ChildProcess): void {
  (holder.stdio[3] as Writable).end();
}

/** The process that the shell below `flock` started, or the one that `unshare` has made in the namespace, which only its parent can name. */
function firstProcess(flockPid: number): number {
  const unsharePid = onlyChild(onlyChild(flockPid));
  return hasPidNamespace ? onlyChild(unsharePid) : unsharePid;
}

function onlyChild(pid: number): number {
  const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"));
  if (!Number.isInteger(child) || child === 0) throw new Error(`process ${pid} has not exactly one child`);
  return child;
}
