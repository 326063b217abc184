import { closeSync, readFileSync, statSync } from "node:fs";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import type { Mount, Operation, Plan } from "@runlet/plan";
import { RootDirectory } from "@runlet/rootfs";
import type { LinuxNamespace, Spec } from "@runlet/spec";
import { openFlags } from "@runlet/syscall";

/** A mount whose content is the host's: CRIU is told where it is, under a name, and where the name leads on the host. */
export interface ExternalMount {
  /** Where it is in the container, as the config has it; the name too. */
  readonly containerPath: string;
  readonly hostPath: string;
  /** JSON Pointer of the config entry. */
  readonly from: string;
}

/** The name of what covers masked files. */
export const nullDevice = "/dev/null";

/**
 * The mounts and devices of a plan whose content comes from the host.
 *
 * @throws RunletError `ERR_RUNLET_CHECKPOINT` for what CRIU cannot be told of.
 */
export function externalMounts(plan: Plan): ExternalMount[] {
  const mounts: ExternalMount[] = [];
  for (const operation of plan.phases.flatMap(({ operations }) => operations)) {
    const hostPath = sourceOf(plan, operation);
    if (hostPath === null) continue;
    const { containerPath, from } = operation as Extract<Operation, { op: "mount" | "makeDevice" }>;
    checkName(containerPath, from);
    const mount = { containerPath, hostPath, from };
    const earlier = mounts.findIndex((other) => other.containerPath === containerPath);
    // Of two mounts at one place the last is what the container sees; the first is below it, where CRIU does not look.
    if (earlier >= 0) mounts[earlier] = mount;
    else mounts.push(mount);
  }
  return mounts;
}

function sourceOf(plan: Plan, operation: Operation): string | null {
  if (operation.op === "makeDevice") return operation.bind ? operation.containerPath : null;
  if (operation.op !== "mount") return null;
  const { source } = operation;
  const descriptor = source.kind === "descriptor" ? plan.descriptors[source.slot] : undefined;
  const isMapped = operation.idmapSlot !== null || (descriptor?.kind === "tree" && descriptor.idmapSlot != null);
  if (isMapped || descriptor?.kind === "filesystem") throw unsupportedMapping(operation);
  if (source.kind === "bind") return source.hostPath;
  return descriptor?.kind === "tree" ? descriptor.hostPath : null;
}

function unsupportedMapping({ from }: Mount): RunletError {
  return new RunletError("ERR_RUNLET_CHECKPOINT", "CRIU knows no mounts with mapped ids", { pointer: from });
}

/**
 * CRIU writes `mnt[NAME]:VALUE` and takes it apart again, without any escaping: a name with a bracket would begin another
 * value, and with it bind any directory of the host (CVE-2026-119101).
 */
function checkName(containerPath: string, from: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (!/[\][\u0000-\u001f\u007f]/.test(containerPath)) return;
  throw new RunletError("ERR_RUNLET_CHECKPOINT", `CRIU cannot be told of a mount at ${quote(containerPath)}`, {
    pointer: from,
    hint: "choose a destination without brackets and control characters",
  });
}

/** One line of mountinfo, see proc_pid_mountinfo(5). */
interface MountPoint {
  readonly mountId: number;
  readonly root: string;
  readonly containerPath: string;
  readonly type: string;
}

/** The mounts as a process sees them. */
function readMountPoints(pid: number): MountPoint[] {
  return readFileSync(`/proc/${pid}/mountinfo`, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [fields = [], rest = []] = line.split(" - ").map((part) => part.split(" "));
      const [mountId = "", , , root = "", containerPath = ""] = fields;
      return {
        mountId: Number(mountId),
        root: unescapeField(root),
        containerPath: unescapeField(containerPath),
        type: rest[0] ?? "",
      };
    });
}

function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/**
 * Where a container's external mounts are: what the config names may be reached through links, and CRIU wants the mount
 * point itself.
 *
 * @returns the name of each mount by its mount point.
 */
export function locateExternalMounts(pid: number, mounts: readonly ExternalMount[]): Map<string, string> {
  const points = readMountPoints(pid);
  const names = new Map<string, string>();
  const root = RootDirectory.open(`/proc/${pid}/root`);
  try {
    for (const { containerPath } of mounts) {
      const mountId = mountAt(root, containerPath);
      const point = points.find((candidate) => candidate.mountId === mountId);
      // The container may have unmounted it: then it is no mount to be told of.
      if (point !== undefined && point.containerPath !== "/") names.set(point.containerPath, containerPath);
    }
  } finally {
    root.close();
  }
  for (const { containerPath, root: within, type } of points) {
    if (type === "devtmpfs" && within === "/null" && !names.has(containerPath)) names.set(containerPath, nullDevice);
  }
  return names;
}

function mountAt(root: RootDirectory, containerPath: string): number | null {
  const fd = root.openIfExists(containerPath, openFlags.O_PATH);
  if (fd === undefined) return null;
  try {
    const found = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"));
    return found === null ? null : Number(found[1]);
  } finally {
    closeSync(fd);
  }
}

/** A namespace that the container has joined, and which is there before it is restored. */
export interface ExternalNamespace {
  readonly type: LinuxNamespace["type"];
  readonly hostPath: string;
  /** JSON Pointer of the config entry. */
  readonly from: string;
}

/** CRIU's words for the namespaces that it can be told of; the others it can at most join (`join_ns`). */
export const inheritedNamespaces = { network: ["net", "extRootNetNS"], pid: ["pid", "extRootPidNS"] } as const;
const joinedNamespaces: readonly string[] = ["ipc", "uts"];

/**
 * The namespaces of a config that have a path.
 *
 * @throws RunletError `ERR_RUNLET_CHECKPOINT` for what CRIU cannot restore: no mount namespace of its own, or one that is
 *   joined and of another type than network, pid, ipc and uts.
 */
export function externalNamespaces({ linux = {} }: Spec): ExternalNamespace[] {
  const namespaces = linux.namespaces ?? [];
  if (!namespaces.some(({ type, path }) => type === "mount" && !path)) {
    throw new RunletError("ERR_RUNLET_CHECKPOINT", "CRIU needs a container with a mount namespace of its own", {
      pointer: "/linux/namespaces",
    });
  }
  return namespaces.flatMap(({ type, path }, index) => {
    if (!path) return [];
    const from = `/linux/namespaces/${index}`;
    if (type in inheritedNamespaces || joinedNamespaces.includes(type)) return [{ type, hostPath: path, from }];
    throw new RunletError("ERR_RUNLET_CHECKPOINT", `CRIU cannot restore a container into another's ${type} namespace`, {
      pointer: from,
    });
  });
}

/** The number by which CRIU knows a namespace. @throws RunletError `ERR_RUNLET_NAMESPACE`. */
export function namespaceInode({ hostPath, type, from }: ExternalNamespace): number {
  try {
    return statSync(hostPath).ino;
  } catch (cause) {
    const errno = String((cause as NodeJS.ErrnoException).code);
    throw new RunletError("ERR_RUNLET_NAMESPACE", `the ${type} namespace ${quote(hostPath)}: ${errnoMessage(errno)}`, {
      pointer: `${from}/path`,
      syscall: "stat",
      errno,
      cause,
    });
  }
}
