import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Result, RunningCommand } from "./command.ts";
import { HostView } from "./host-view.ts";
import type { Suite } from "./suite.ts";
import { removeV1Hierarchies } from "./v1-hierarchy.ts";

/**
 * What the kernel's resctrl is shown as, since that takes a processor with Resource Director Technology: `groups` is a hierarchy
 * of cgroup v1, which makes `tasks` with each directory and moves processes, but has no `schemata`; `files` is a tmpfs,
 * whose directories have what the test puts there.
 */
type Kind = "groups" | "files";

const mountFake = `
mkdir -p "$2"
if [ "$1" = groups ]; then mount -t cgroup -o "none,name=$3" "$3" "$2"; else mount -t tmpfs "$3" "$2"; fi
`;

/** Shows the fake in mountinfo as what it stands for, to one program. */
const showAsResctrl = `
sed "s#^\\(.* $2 .* - \\)\\(cgroup\\|tmpfs\\) #\\1resctrl #" /proc/self/mountinfo > "$2.$$"
mount --bind "$2.$$" /proc/$$/mountinfo
`;

/** A host with a resctrl file system, as far as one without the processor for it can show; nobody else sees it. */
export class FakeResctrl implements Disposable {
  readonly #view: HostView;
  readonly #suite: Suite;
  /** Where it is mounted, in the view. */
  readonly #mountPoint: string;

  private constructor(suite: Suite, view: HostView, mountPoint: string) {
    this.#suite = suite;
    this.#view = view;
    this.#mountPoint = mountPoint;
  }

  static async open(suite: Suite, kind: Kind): Promise<FakeResctrl> {
    const name = `resctrl-${kind}`;
    const mountPoint = join(suite.directory, name, "resctrl");
    const args = [kind, mountPoint, suite.tag];
    const view = await HostView.open(suite, { name, mount: mountFake, before: showAsResctrl, args });
    return new FakeResctrl(suite, view, mountPoint);
  }

  /** A path below the mount point, as this process reaches it. */
  path(...names: readonly string[]): string {
    return this.#view.path(join(this.#mountPoint, ...names));
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
    return this.#view.start(args);
  }

  /** Runs the runtime on this host to its end. */
  async invoke(args: readonly string[]): Promise<Result> {
    return await this.#view.invoke(args);
  }

  [Symbol.dispose](): void {
    this.#view.close();
    removeV1Hierarchies(this.#mountPoint, [`none,name=${this.#suite.tag}`]);
  }
}
