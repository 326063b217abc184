import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Whether this process may give files any owner, make devices, and set attributes in overlayfs's `trusted` namespace: root
 * of the machine, not of a user namespace.
 *
 * @see user_namespaces(7), xattr(7)
 */
export function isHostRoot(): boolean {
  if (process.geteuid?.() !== 0) return false;
  try {
    return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
  } catch {
    // Without user namespaces in the kernel there is no such file.
    return true;
  }
}

/** What becomes of the ids that a layer says. */
export type OwnerPolicy =
  | "archive"
  | "caller"
  | ((owner: { uid: number; gid: number }) => { uid: number; gid: number });

/**
 * Whose the files of a layer are: as the layer says for root; the user's own for an ordinary user; for root of a user
 * namespace as the layer says where the namespace has the id, and else its root's.
 */
export function ownerPolicy(): OwnerPolicy {
  if (process.geteuid?.() !== 0) return "caller";
  if (isHostRoot()) return "archive";
  const hasUid = readIdMap("/proc/self/uid_map");
  const hasGid = readIdMap("/proc/self/gid_map");
  return ({ uid, gid }) => ({ uid: hasUid(uid) ? uid : 0, gid: hasGid(gid) ? gid : 0 });
}

/** @returns whether a user namespace has an id. */
function readIdMap(hostPath: string): (id: number) => boolean {
  const ranges = readFileSync(hostPath, "utf8")
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  return (id) => ranges.some(([first = 0, , length = 0]) => id >= first && id < first + length);
}

/** Where the store of this user lies unless something else is said. (file-hierarchy(7), XDG base directories) */
export function defaultStoreHostPath(environment: NodeJS.ProcessEnv = process.env): string {
  if (isHostRoot()) return "/var/lib/runlet";
  const { XDG_DATA_HOME: dataHome } = environment;
  // A relative one is to be ignored, says the specification of base directories.
  return join(dataHome?.startsWith("/") === true ? dataHome : join(homedir(), ".local/share"), "runlet");
}
