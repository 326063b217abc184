import { closeSync, readlinkSync, statSync } from "node:fs";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import type { Mount, Plan } from "@runlet/plan";
import { RootDirectory } from "@runlet/rootfs";
import { openat, openFlags } from "@runlet/syscall";

const { O_PATH, O_RDONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = openFlags;

/** A tree in which mount points are made: the root file system, or what has been mounted in it from the host. */
interface Tree {
  /** Where it is in the container, links resolved. */
  readonly containerPath: string;
  /** Null for a file system that is made anew: CRIU restores what is in it. */
  readonly hostPath: string | null;
}

/**
 * Makes the mount points of a plan that are missing, since CRIU makes none; by descriptor, so that nothing in the root file
 * system leads out of it.
 *
 * @param rootHostPath - the root file system.
 * @returns the mount points by the paths of the plan: other paths where a link leads there.
 * @throws RunletError `ERR_RUNLET_MOUNT`.
 */
export function makeMountPoints(rootHostPath: string, plan: Plan): Map<string, string> {
  const trees: Tree[] = [{ containerPath: "", hostPath: rootHostPath }];
  const resolved = new Map<string, string>();
  for (const operation of plan.phases.flatMap(({ operations }) => operations)) {
    if (operation.op !== "mount") continue;
    const hostPath = bindSource(plan, operation);
    const containerPath = makeMountPoint(trees, operation, hostPath);
    resolved.set(operation.containerPath, containerPath);
    trees.push({ containerPath, hostPath });
  }
  return resolved;
}

/** The host's side of a bind mount; null for a file system of its own. */
function bindSource(plan: Plan, { source }: Mount): string | null {
  if (source.kind === "bind") return source.hostPath;
  const descriptor = source.kind === "descriptor" ? plan.descriptors[source.slot] : undefined;
  return descriptor?.kind === "tree" ? descriptor.hostPath : null;
}

function makeMountPoint(trees: readonly Tree[], operation: Mount, hostPath: string | null): string {
  const { containerPath, from } = operation;
  // The last one that holds it: it covers those before.
  const tree = trees.findLast((candidate) => isBelow(containerPath, candidate.containerPath));
  if (tree === undefined) throw new Error("no tree holds the mount point");
  if (tree.hostPath === null) return containerPath;
  const path = containerPath.slice(tree.containerPath.length);
  try {
    const isDirectory = hostPath === null || statSync(hostPath).isDirectory();
    return `${tree.containerPath}${makeBelow(tree.hostPath, path, isDirectory)}`;
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause)) throw cause;
    const errno = String(cause.code);
    throw new RunletError("ERR_RUNLET_MOUNT", `the mount point ${quote(containerPath)}: ${errnoMessage(errno)}`, {
      pointer: from,
      errno,
      cause,
    });
  }
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

/** @returns the path of the mount point below the tree, links resolved. */
function makeBelow(treeHostPath: string, path: string, isDirectory: boolean): string {
  const tree = RootDirectory.open(treeHostPath);
  try {
    const fd = isDirectory ? tree.ensureDirectory(path) : ensureFile(tree, path);
    try {
      const treePath = readlinkSync(`/proc/self/fd/${tree.fd}`);
      return readlinkSync(`/proc/self/fd/${fd}`).slice(treePath === "/" ? 0 : treePath.length);
    } finally {
      closeSync(fd);
    }
  } finally {
    tree.close();
  }
}

function ensureFile(tree: RootDirectory, path: string): number {
  const existing = tree.openIfExists(path, O_PATH);
  if (existing !== undefined) return existing;
  const slash = path.lastIndexOf("/");
  const directoryFd = tree.ensureDirectory(path.slice(0, slash));
  try {
    const flags = O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK;
    return openat({ dirFd: directoryFd, path: path.slice(slash + 1), flags, mode: 0o644 });
  } finally {
    closeSync(directoryFd);
  }
}
