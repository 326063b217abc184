import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { Bundle, type Config } from "./bundle.ts";
import { type Result, RunningCommand, target } from "./command.ts";
import { Observation } from "./observation.ts";
import { patienceMs } from "./patience.ts";
import type { Suite } from "./suite.ts";

const repository = resolve(import.meta.dirname, "../..");

/** Files of /etc that say who the user is; those that the host has are covered. */
const accountFiles = ["passwd", "group", "subuid", "subgid"] as const;

/**
 * Run as root: covers the account files in a mount namespace of its own, shows the repository and Node at places that the
 * user can reach wherever they lie, and becomes the user, with all that a login leaves: no capability, no group but one's own.
 */
const becomeUser = `
set -e
directory=$1 uid=$2 repository=$3 node=$4 groups=$5
shift 5
for group in $groups; do echo $$ > "$group/cgroup.procs"; done
for name in ${accountFiles.join(" ")}; do
  if [ -e "/etc/$name" ]; then mount --bind "$directory/etc/$name" "/etc/$name"; fi
done
mount --bind "$repository" "$directory/repository"
mount --bind "$node" "$directory/node"
if [ "$1" = crun ] && mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
exec setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
`;

/** Options of {@link OrdinaryUser}. */
export interface OrdinaryUserOptions {
  readonly suite: Suite;
  readonly uid?: number;
  /** First and number of the user's ids in /etc/subuid and /etc/subgid; none by default. */
  readonly subordinateIds?: { readonly first: number; readonly count: number };
  /** Host directories of control groups in which the user's commands are. */
  readonly controlGroups?: readonly string[];
  /** Global options of every call. */
  readonly global?: readonly string[];
  /** Environment of every call, beside PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Options of {@link OrdinaryUser.start}. */
export interface UserCallOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the state root is named; default true. */
  readonly namesRoot?: boolean;
}

const defaultUid = 61_234;

/** Whether the tests are an ordinary user's themselves. */
const isSelf = process.getuid?.() !== 0;

/**
 * A user of the host without any privilege, who drives the runtime under test. Where the tests run as an ordinary user it is
 * that one: of `suite` alone.
 */
export class OrdinaryUser {
  readonly uid: number;
  readonly runtimeName = target.name;
  /** A directory of the user's own. */
  readonly home: string;
  /** Directory of the containers' states. */
  readonly root: string;
  readonly #suite: Suite;
  readonly #directory: string;
  readonly #controlGroups: readonly string[];
  readonly #global: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #counter = 0;

  constructor({
    suite,
    uid = defaultUid,
    subordinateIds,
    controlGroups = [],
    global = [],
    env = {},
  }: OrdinaryUserOptions) {
    if (isSelf && (uid !== defaultUid || subordinateIds !== undefined || controlGroups.length > 0))
      throw new Error("an ordinary user cannot be another one");
    this.uid = isSelf ? (process.getuid?.() ?? uid) : uid;
    this.#global = global;
    this.#env = env;
    this.#suite = suite;
    this.#controlGroups = controlGroups;
    const kind = subordinateIds === undefined ? "alone" : "ranges";
    this.#directory = join(suite.directory, `user-${uid}-${kind}-${controlGroups.length}`);
    this.home = join(this.#directory, "home");
    this.root = join(this.home, "state");
    if (!isSelf) chmodSync(suite.directory, 0o755);
    for (const name of ["etc", "repository", "home", "output", "home/state"])
      mkdirSync(join(this.#directory, name), { recursive: true });
    if (isSelf) return;
    writeFileSync(join(this.#directory, "node"), "");
    const ranges = subordinateIds === undefined ? "" : `${suite.tag}:${subordinateIds.first}:${subordinateIds.count}\n`;
    this.#writeAccountFile("passwd", `${suite.tag}:x:${uid}:${uid}::${this.home}:/bin/sh\n`);
    this.#writeAccountFile("group", `${suite.tag}:x:${uid}:\n`);
    this.#writeAccountFile("subuid", ranges);
    this.#writeAccountFile("subgid", ranges);
    this.give(this.home);
  }

  #writeAccountFile(name: (typeof accountFiles)[number], lines: string): void {
    const hosts = existsSync(`/etc/${name}`) ? readFileSync(`/etc/${name}`, "utf8") : "";
    writeFileSync(join(this.#directory, "etc", name), `${hosts}${lines}`);
  }

  /** Makes a tree the user's own. */
  give(hostPath: string): void {
    if (isSelf) return;
    execFileSync("chown", ["--recursive", "--no-dereference", `${this.uid}:${this.uid}`, hostPath]);
  }

  /** A bundle of the user's own, with the config that `spec --rootless` writes for this user. */
  async bundle(edit?: (config: Config, bundle: Bundle) => void): Promise<Bundle> {
    const bundle = new Bundle(join(this.home, `bundle-${this.#counter++}`));
    this.give(bundle.hostPath);
    const made = await this.invoke(["spec", "--rootless", "--bundle", bundle.hostPath], { namesRoot: false });
    if (made.status !== 0) throw new Error(`spec --rootless: ${made.stderr}`);
    const text = readFileSync(join(bundle.hostPath, "config.json"), "utf8");
    Object.assign(bundle.config, JSON.parse(text));
    bundle.config.process.terminal = false;
    edit?.(bundle.config, bundle);
    bundle.probing("ids");
    this.give(bundle.hostPath);
    return bundle;
  }

  /** Starts the runtime as the user. */
  start(args: readonly string[], options: UserCallOptions = {}): RunningCommand {
    const prefix = join(this.#directory, "output", String(this.#counter++));
    const [stdoutPath, stderrPath] = [`${prefix}.stdout`, `${prefix}.stderr`];
    const [stdoutFd, stderrFd] = [openSync(stdoutPath, "w"), openSync(stderrPath, "w")];
    const global = options.namesRoot === false ? [] : ["--root", this.root];
    const [program = "", ...rest] = this.#argv([...global, ...this.#global, ...args]);
    const child = spawn(program, rest, {
      cwd: options.cwd ?? this.home,
      env: { PATH: process.env.PATH, HOME: this.home, ...this.#env, ...options.env },
      stdio: ["ignore", stdoutFd, stderrFd],
    });
    closeSync(stdoutFd);
    closeSync(stderrFd);
    return new RunningCommand({ child, stdoutPath, stderrPath, timeoutMs: patienceMs, args });
  }

  /** What is executed for a call of the runtime. */
  #argv(args: readonly string[]): string[] {
    if (isSelf) return [...target.argv, ...args];
    const setUp = [this.#directory, String(this.uid), repository, process.execPath, this.#controlGroups.join(" ")];
    const shell = ["sh", "-c", becomeUser, "sh", ...setUp];
    return ["unshare", "--mount", "--propagation", "private", ...shell, ...this.#runtimeArgv(), ...args];
  }

  /** The runtime's words, those that are paths at the places where the user can reach them. */
  #runtimeArgv(): string[] {
    if (target.name === "crun") return ["crun"];
    return target.argv.map((word) => {
      if (word === process.execPath) return join(this.#directory, "node");
      return word.startsWith(`${repository}/`)
        ? join(this.#directory, "repository", word.slice(repository.length + 1))
        : word;
    });
  }

  /** Runs the runtime as the user to its end. */
  async invoke(args: readonly string[], options?: UserCallOptions): Promise<Result> {
    return await this.start(args, options).ended;
  }

  /** Runs a bundle to its end, whatever that is. */
  async run(bundle: Bundle, ...options: readonly string[]): Promise<Result> {
    return await this.invoke(["run", ...options, "--bundle", bundle.hostPath, this.#suite.id()]);
  }

  /** Runs a bundle's probe with these verbs to its end, which must be a good one, and reads what it saw. */
  async observe(bundle: Bundle, ...verbs: readonly string[]): Promise<Observation> {
    const result = await this.run(bundle.probing(...verbs));
    if (result.status !== 0) throw new Error(`run: exit status ${result.status}\n${result.stderr}${result.stdout}`);
    return new Observation(result.stdout);
  }

  /** Deletes what containers are left. */
  async deleteContainers(): Promise<void> {
    for (const id of readdirSync(this.root)) await this.invoke(["delete", "--force", id]);
  }
}
