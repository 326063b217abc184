import { readFileSync, readlinkSync, statSync } from "node:fs";
import { errnoMessage, RunletError } from "@runlet/errors";
import { type FileIdentity, type NamespaceType, namespaceFiles, namespaceTypes } from "@runlet/plan";

/** What of a container's process says where the container is. */
export interface ContainerView {
  /** Types of its namespaces that are not this process's. */
  readonly namespaces: readonly NamespaceType[];
  /** What its root is, and what the root file system on the host is. */
  readonly rootIdentities: readonly FileIdentity[];
  /** Whether setgroups(2) is allowed in its user namespace. */
  readonly setgroups: "allow" | "deny";
}

/**
 * Looks at a container's process.
 *
 * @param rootfs - host path of the root file system.
 * @returns null when the process is about to end: it is in no namespaces any more.
 * @throws RunletError `ERR_RUNLET_NAMESPACE` when the caller may not.
 */
export function viewContainer(pid: number, rootfs: string): ContainerView | null {
  try {
    const namespaces = namespaceTypes.filter((type) => {
      const own = readNamespace("self", type);
      return own !== null && readNamespace(pid, type) !== own;
    });
    const identities = [identityOf(`/proc/${pid}/root/`), identityIfThere(rootfs)];
    const setgroups = readFileSync(`/proc/${pid}/setgroups`, "utf8").trim() === "deny" ? "deny" : "allow";
    return { namespaces, rootIdentities: identities.filter((identity) => identity !== null), setgroups };
  } catch (cause) {
    const errno = String((cause as NodeJS.ErrnoException).code);
    if (errno === "ENOENT" || errno === "ESRCH") return null;
    throw new RunletError(
      "ERR_RUNLET_NAMESPACE",
      `the container's process cannot be looked at: ${errnoMessage(errno)}`,
      {
        errno,
        hint: "be the user who created the container, or root; an ordinary user needs a container that has been started",
        cause,
      },
    );
  }
}

/** `net:[4026531840]`; null on a kernel without this type. */
function readNamespace(pid: number | "self", type: NamespaceType): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/${namespaceFiles[type]}`);
  } catch (error) {
    if (pid === "self" && (error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function identityOf(hostPath: string): FileIdentity {
  const { dev, ino } = statSync(hostPath, { bigint: true });
  // The device number as the C library packs it, makedev(3).
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor), inode: ino };
}

function identityIfThere(hostPath: string): FileIdentity | null {
  try {
    return identityOf(hostPath);
  } catch {
    return null;
  }
}
