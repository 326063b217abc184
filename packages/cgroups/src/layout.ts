import { accessSync, readFileSync } from "node:fs";
import { posix } from "node:path";

/** One mounted hierarchy of cgroup v1. */
export interface Hierarchy {
  /** Its controllers (`cpu`, `cpuacct`), or `name=systemd` of one without controllers. */
  readonly controllers: readonly string[];
  /** Host path of the mount. */
  readonly mountPoint: string;
  /** Host path of the control group in which this process is. */
  readonly ownPath: string;
}

/** The mounted unified hierarchy, cgroup v2. */
export interface UnifiedHierarchy {
  /** Host path of the mount. */
  readonly mountPoint: string;
  /** Host path of the control group in which this process is. */
  readonly ownPath: string;
  /** Controllers of the mount's root, `cgroup.controllers`; none on a hybrid host. */
  readonly controllers: readonly string[];
}

/** How this host's control groups are laid out: facts, read once. */
export interface CgroupLayout {
  /** `hybrid` is v1 with a unified hierarchy beside it, without controllers. `none`: nothing is mounted. */
  readonly kind: "v1" | "hybrid" | "v2" | "none";
  /** The hierarchies of v1, in the order of the mount table. */
  readonly hierarchies: readonly Hierarchy[];
  /** The unified hierarchy, on v2 and hybrid hosts. */
  readonly unified: UnifiedHierarchy | null;
  /** Whether weights of block devices are BFQ's (`blkio.bfq.weight`, `io.bfq.weight`). */
  readonly hasBfq: boolean;
}

/** One line of /proc/self/mountinfo that mounts control groups. @see proc_pid_mountinfo(5) */
export interface CgroupMount {
  readonly type: "cgroup" | "cgroup2";
  /** Directory of the hierarchy that forms the root of the mount. */
  readonly root: string;
  readonly mountPoint: string;
  /** Controllers or `name=…`, for v1. */
  readonly controllers: readonly string[];
}

const notControllers = new Set([
  ...["rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods", "seclabel"],
]);

/**
 * The mounts of control groups. A mount that a later one covers, at the same place or above it, is left out; of several mounts of the
 * same hierarchy the one below /sys/fs/cgroup counts, else the first.
 *
 * @param text - /proc/self/mountinfo.
 */
export function parseCgroupMounts(text: string): readonly CgroupMount[] {
  const byPlace = new Map<string, CgroupMount>();
  for (const line of text.split("\n")) {
    const separator = line.indexOf(" - ");
    if (separator < 0) continue;
    const [, , , root, mountPoint] = line.slice(0, separator).split(" ");
    const [type, , superOptions] = line.slice(separator + 3).split(" ");
    if (root === undefined || mountPoint === undefined) continue;
    const place = unescapeOctal(mountPoint);
    for (const covered of byPlace.keys()) {
      if (covered === place || covered.startsWith(`${place}/`)) byPlace.delete(covered);
    }
    if (type !== "cgroup" && type !== "cgroup2") continue;
    const controllers = type === "cgroup" ? (superOptions ?? "").split(",").filter(isController) : [];
    byPlace.set(place, { type, root: unescapeOctal(root), mountPoint: place, controllers });
  }
  const byHierarchy = new Map<string, CgroupMount>();
  for (const mount of byPlace.values()) {
    const key = `${mount.type} ${mount.controllers.join(",")}`;
    const known = byHierarchy.get(key);
    if (known === undefined || (!isUsualPlace(known.mountPoint) && isUsualPlace(mount.mountPoint))) {
      byHierarchy.set(key, mount);
    }
  }
  return [...byHierarchy.values()];
}

function isController(option: string): boolean {
  return !notControllers.has(option) && !option.startsWith("release_agent=");
}

function isUsualPlace(mountPoint: string): boolean {
  return mountPoint === "/sys/fs/cgroup" || mountPoint.startsWith("/sys/fs/cgroup/");
}

/** mountinfo writes space, tab, newline and backslash as octal escapes. */
export function unescapeOctal(text: string): string {
  return text.includes("\\")
    ? text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
    : text;
}

/**
 * A process's control group in each hierarchy, by controller; the unified hierarchy's key is empty.
 *
 * @param text - /proc/PID/cgroup. @see cgroups(7)
 */
export function parseOwnCgroups(text: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split("\n")) {
    const first = line.indexOf(":");
    const second = line.indexOf(":", first + 1);
    if (first < 0 || second < 0) continue;
    const path = line.slice(second + 1);
    for (const controller of line.slice(first + 1, second).split(",")) paths.set(controller, path);
  }
  return paths;
}

/** What {@link layoutOf} makes a layout of. */
export interface LayoutSources {
  /** /proc/self/mountinfo. */
  readonly mountinfo: string;
  /** /proc/self/cgroup. */
  readonly ownCgroups: string;
  /** Reads `cgroup.controllers` below a host directory. */
  readonly readControllers: (hostPath: string) => string;
  /** Whether a host file is there. */
  readonly fileExists: (hostPath: string) => boolean;
}

/** The layout that these texts describe. */
export function layoutOf(sources: LayoutSources): CgroupLayout {
  const mounts = parseCgroupMounts(sources.mountinfo);
  const own = parseOwnCgroups(sources.ownCgroups);
  const unifiedMount = mounts.find((mount) => mount.type === "cgroup2");
  const v1Mounts = mounts.filter((mount) => mount.type === "cgroup" && mount.controllers.length > 0);
  const isV2 = unifiedMount !== undefined && (v1Mounts.length === 0 || unifiedMount.mountPoint === "/sys/fs/cgroup");
  const hierarchies = isV2
    ? []
    : v1Mounts.map((mount) => ({
        controllers: mount.controllers,
        mountPoint: mount.mountPoint,
        ownPath: ownPathBelow(mount, own.get(mount.controllers[0] ?? "") ?? "/"),
      }));
  const unified =
    unifiedMount === undefined
      ? null
      : {
          mountPoint: unifiedMount.mountPoint,
          ownPath: ownPathBelow(unifiedMount, own.get("") ?? "/"),
          controllers: isV2 ? splitWords(sources.readControllers(unifiedMount.mountPoint)) : [],
        };
  const blkio = hierarchies.find((hierarchy) => hierarchy.controllers.includes("blkio"));
  const hasBfq = isV2
    ? sources.fileExists("/sys/module/bfq")
    : blkio !== undefined && sources.fileExists(`${blkio.mountPoint}/blkio.bfq.io_serviced`);
  const kind = isV2 ? "v2" : hierarchies.length === 0 ? "none" : unified === null ? "v1" : "hybrid";
  return { kind, hierarchies, unified, hasBfq };
}

/** Words separated by white space; none of an empty text. */
export function splitWords(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/**
 * Where a process's control group appears below a mount. In a container without a cgroup namespace the mount's root is
 * the container's own group; a group outside it cannot be seen, and the mount's root stands for it.
 */
function ownPathBelow(mount: CgroupMount, path: string): string {
  const relative = posix.relative(mount.root, path);
  if (relative === "" || relative === ".." || relative.startsWith("../")) return mount.mountPoint;
  return posix.join(mount.mountPoint, relative);
}

let detected: CgroupLayout | undefined;

/**
 * The layout of this host, from /proc/self/mountinfo and /proc/self/cgroup. Read once for each process.
 *
 * @throws the error of `node:fs` when /proc is not mounted.
 */
export function detectLayout(): CgroupLayout {
  detected ??= readLayout();
  return detected;
}

/** The layout of this host as it is at this moment. */
export function readLayout(): CgroupLayout {
  return layoutOf({
    mountinfo: readFileSync("/proc/self/mountinfo", "utf8"),
    ownCgroups: readFileSync("/proc/self/cgroup", "utf8"),
    readControllers: (hostPath) => readFileSync(`${hostPath}/cgroup.controllers`, "latin1"),
    fileExists: (hostPath) => {
      try {
        accessSync(hostPath);
        return true;
      } catch {
        return false;
      }
    },
  });
}
