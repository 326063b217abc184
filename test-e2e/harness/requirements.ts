import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type CgroupManager, cgroupManager, type RuntimeName, target } from "./command.ts";

/** Layout of the host's control groups. */
type CgroupLayout = "v1" | "hybrid" | "v2" | "none";

/** What a test needs. */
export interface Requirements {
  /** `true`: the tests run as root; `false`: as an ordinary user. */
  readonly root?: boolean;
  /** That who runs the tests may make user namespaces. */
  readonly userNamespace?: true;
  /** Runtimes that have the feature; default all. */
  readonly runtime?: readonly RuntimeName[];
  readonly cgroup?: readonly CgroupLayout[];
  /** Who makes the control groups. */
  readonly cgroupManager?: CgroupManager;
  /** A program that must be on the PATH. */
  readonly program?: string;
  /** A file that must exist, with what it stands for. */
  readonly file?: readonly [path: string, means: string];
  /** A file that must not exist, with what it stands for. */
  readonly absent?: readonly [path: string, means: string];
  /** The oldest kernel, `major.minor`. */
  readonly kernel?: string;
  /** Capabilities, as numbers, that the tests' own process must have. */
  readonly capability?: readonly [number: number, name: string];
}

/** Layout of this host. */
export const cgroupLayout: CgroupLayout = findLayout();

function findLayout(): CgroupLayout {
  const mounts = readFileSync("/proc/self/mounts", "utf8");
  const unified = /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1];
  if (unified === "/sys/fs/cgroup") return "v2";
  if (!/ cgroup \S*memory/.test(mounts)) return "none";
  return unified === undefined ? "v1" : "hybrid";
}

/** @returns why a test cannot run here, or undefined when it can. */
export function unmet(needs: Requirements): string | undefined {
  const isRoot = process.getuid?.() === 0;
  if (needs.root === true && !isRoot) return "needs root";
  if (needs.root === false && isRoot) return "needs an ordinary user";
  if (needs.userNamespace === true && !mayMakeUserNamespaces()) return "needs user namespaces, for ordinary users too";
  if (needs.runtime !== undefined && !needs.runtime.includes(target.name)) return `${target.name} does not have it`;
  if (needs.cgroup !== undefined && !needs.cgroup.includes(cgroupLayout)) {
    return `needs cgroup ${needs.cgroup.join(" or ")}, this host has ${cgroupLayout}`;
  }
  if (needs.cgroupManager !== undefined && needs.cgroupManager !== cgroupManager) {
    return `needs CGROUP_MANAGER=${needs.cgroupManager}`;
  }
  if (needs.program !== undefined && findProgram(needs.program) === undefined)
    return `needs ${needs.program} on the PATH`;
  if (needs.file !== undefined && !existsSync(needs.file[0])) return `needs ${needs.file[1]}`;
  if (needs.absent !== undefined && existsSync(needs.absent[0])) return `needs a host without ${needs.absent[1]}`;
  if (needs.kernel !== undefined && !isKernelAtLeast(needs.kernel)) return `needs Linux ${needs.kernel}`;
  if (needs.capability !== undefined && !hasCapability(needs.capability[0])) return `needs ${needs.capability[1]}`;
  return undefined;
}

let userNamespaces: boolean | undefined;

function mayMakeUserNamespaces(): boolean {
  userNamespaces ??= spawnSync("unshare", ["--user", "true"], { stdio: "ignore" }).status === 0;
  return userNamespaces;
}

/** The first file of that name on the PATH. */
function findProgram(name: string): string | undefined {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(directory, name);
    if (existsSync(path)) return path;
  }
  return undefined;
}

function isKernelAtLeast(wanted: string): boolean {
  const [major = 0, minor = 0] = readFileSync("/proc/sys/kernel/osrelease", "utf8").split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function hasCapability(number: number): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return ((BigInt(`0x${mask}`) >> BigInt(number)) & 1n) === 1n;
}
