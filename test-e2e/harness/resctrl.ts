import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Result, RunningCommand, sleep } from "./command.ts";
import type { Suite } from "./suite.ts";

/**
 * What the kernel's resctrl is shown as, since that takes a processor with Resource Director Technology: `groups` is a hierarchy
 * of cgroup v1, which makes `tasks` with each directory and moves processes, but has no `schemata`; `files` is a tmpfs,
 * whose directories have what the test puts there.
 */
type Kind = "groups" | "files";

/** Keeps a mount namespace in which the fake is mounted, for as long as its standard input is open. */
const holdNamespace = `
set -e
mkdir -p "$2"
if [ "$1" = groups ]; then mount -t cgroup -o "none,name=$3" "$3" "$2"; else mount -t tmpfs "$3" "$2"; fi
echo ready
exec cat
`;

/** Shows the fake in mountinfo as what it stands for, to one program. */
const showAsResctrl = `
set -e
sed "s#^\\(.* $1 .* - \\)\\(cgroup\\|tmpfs\\) #\\1resctrl #" /proc/self/mountinfo > "$2"
mount --bind "$2" /proc/$$/mountinfo
shift 2
exec "$@"
`;

/** A hierarchy stays without a mount as long as a group of it is not quite gone: then it takes another mount to remove it. */
const removeHierarchy = `
for attempt in $(seq 100); do
  grep -q ":name=$2:" /proc/self/cgroup || exit 0
  mount -t cgroup -o "none,name=$2" "$2" "$1"
  find "$1" -mindepth 1 -depth -type d -exec rmdir {} +
  umount "$1"
  sleep 0.02
done
exit 1
`;

/** A host with a resctrl file system, as far as one without the processor for it can show; nobody else sees it. */
export class FakeResctrl implements Disposable {
  /** Where it is mounted, in the namespace of the commands. */
  readonly mountPoint: string;
  readonly #suite: Suite;
  readonly #directory: string;
  readonly #holder: ChildProcess;
  #calls = 0;

  private constructor(suite: Suite, directory: string, holder: ChildProcess) {
    this.#suite = suite;
    this.#directory = directory;
    this.#holder = holder;
    this.mountPoint = join(directory, "resctrl");
  }

  static async open(suite: Suite, kind: Kind): Promise<FakeResctrl> {
    const directory = join(suite.directory, `resctrl-${kind}`);
    mkdirSync(directory, { recursive: true });
    const logFd = openSync(join(directory, "log"), "w");
    const mountPoint = join(directory, "resctrl");
    const script = ["sh", "-c", holdNamespace, "sh", kind, mountPoint, suite.tag];
    const holder = spawn("unshare", ["--mount", "--propagation", "private", ...script], {
      stdio: ["pipe", logFd, logFd],
    });
    closeSync(logFd);
    const fake = new FakeResctrl(suite, directory, holder);
    for (let left = 500; !readFileSync(join(directory, "log"), "utf8").includes("ready"); left--) {
      if (left === 0) throw new Error(`no fake of resctrl: ${readFileSync(join(directory, "log"), "utf8")}`);
      await sleep(10);
    }
    return fake;
  }

  /** A path below the mount point, as this process reaches it. */
  path(...names: readonly string[]): string {
    return join(`/proc/${this.#holder.pid}/root`, this.mountPoint, ...names);
  }

  /** Makes directories below the mount point. */
  makeDirectories(...names: readonly string[]): void {
    for (const name of names) mkdirSync(this.path(name), { recursive: true });
  }

  /** Names of the directories below one of the mount point's. */
  directories(...names: readonly string[]): string[] {
    return readdirSync(this.path(...names), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  }

  /** Processes that a group lists. */
  tasks(...names: readonly string[]): number[] {
    const text = readFileSync(this.path(...names, "tasks"), "utf8");
    return text.split("\n").filter(Boolean).map(Number);
  }

  /** Starts the runtime on this host. */
  start(args: readonly string[]): RunningCommand {
    const prefix = join(this.#directory, String(this.#calls++));
    const [stdoutPath, stderrPath] = [`${prefix}.stdout`, `${prefix}.stderr`];
    const [stdoutFd, stderrFd] = [openSync(stdoutPath, "w"), openSync(stderrPath, "w")];
    const enter = [`--mount=/proc/${this.#holder.pid}/ns/mnt`, "unshare", "--mount", "--propagation", "private"];
    const show = ["sh", "-c", showAsResctrl, "sh", this.mountPoint, `${prefix}.mountinfo`];
    const child = spawn("nsenter", [...enter, ...show, ...this.#suite.runtime.argv(args)], {
      cwd: "/",
      stdio: ["ignore", stdoutFd, stderrFd],
    });
    closeSync(stdoutFd);
    closeSync(stderrFd);
    return new RunningCommand({ child, stdoutPath, stderrPath, timeoutMs: 30_000, args });
  }

  /** Runs the runtime on this host to its end. */
  async invoke(args: readonly string[]): Promise<Result> {
    return await this.start(args).ended;
  }

  [Symbol.dispose](): void {
    // With the namespace goes the mount.
    this.#holder.kill("SIGKILL");
    execFileSync("unshare", [
      "--mount",
      "--propagation",
      "private",
      "sh",
      "-c",
      removeHierarchy,
      "sh",
      this.mountPoint,
      this.#suite.tag,
    ]);
  }
}
