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

/** Where the store of this user lies unless something else is said. (file-hierarchy(7), XDG base directories) */
export function defaultStoreHostPath(environment: NodeJS.ProcessEnv = process.env): string {
  if (isHostRoot()) return "/var/lib/runlet";
  const { XDG_DATA_HOME: dataHome } = environment;
  // A relative one is to be ignored, says the specification of base directories.
  return join(dataHome?.startsWith("/") === true ? dataHome : join(homedir(), ".local/share"), "runlet");
}
