import { quote, RunletError } from "@runlet/errors";
import { type Context, hasNamespace, isCreated } from "./context.ts";
import type { NamespaceType } from "./kernel.ts";
import type { SetSysctl } from "./operation.ts";
import { pointerTo } from "./pointer.ts";

const ipcParameters = new Set([
  "kernel/msgmax",
  "kernel/msgmnb",
  "kernel/msgmni",
  "kernel/sem",
  "kernel/shmall",
  "kernel/shmmax",
  "kernel/shmmni",
  "kernel/shm_rmid_forced",
]);

/**
 * `setSysctl` for each kernel parameter, in the config's order.
 *
 * @throws RunletError `ERR_RUNLET_SYSCTL` for a parameter that is the host's own: only those of a namespace that the
 *   container has are set.
 */
export function sysctlOperations(context: Context): SetSysctl[] {
  return Object.entries(context.linux.sysctl ?? {}).map(([name, value]) => {
    const from = pointerTo("linux", "sysctl", name);
    const path = sysctlPath(name);
    checkParameter(context, { name, path, pointer: from });
    return { op: "setSysctl", name, path, value, from };
  });
}

/**
 * Path below /proc/sys. With dots for separators a slash stands for a dot in a name, and the first separator decides:
 * `net.ipv4.conf.eth0/100.rp_filter` is `net/ipv4/conf/eth0.100/rp_filter`. @see sysctl(8)
 */
export function sysctlPath(name: string): string {
  const first = name.search(/[./]/);
  if (first < 0 || name[first] === "/") return name;
  return name.replaceAll(/[./]/g, (separator) => (separator === "." ? "/" : "."));
}

function checkParameter(
  context: Context,
  { name, path, pointer }: { name: string; path: string; pointer: string },
): void {
  if (path.split("/").some((component) => component === "" || component === "." || component === "..")) {
    throw new RunletError("ERR_RUNLET_SYSCTL", `${quote(name)} is not the name of a kernel parameter`, { pointer });
  }
  if (path === "kernel/hostname") {
    throw new RunletError("ERR_RUNLET_SYSCTL", "kernel.hostname is set by the field hostname", {
      pointer,
      hint: "give /hostname instead",
    });
  }
  const owner = ownerOf(path);
  if (owner === undefined) {
    throw new RunletError("ERR_RUNLET_SYSCTL", `${quote(name)} is not in a namespace: it would change the host`, {
      pointer,
      hint: "set it on the host with sysctl(8)",
    });
  }
  // Limits of a joined user namespace are for whoever made it.
  if (owner === "user" ? isCreated(context, "user") : hasNamespace(context, owner)) return;
  throw new RunletError("ERR_RUNLET_SYSCTL", `${quote(name)} without a ${owner} namespace would change the host`, {
    pointer,
    hint: `add { "type": "${owner}" } to /linux/namespaces`,
  });
}

/** The kind of namespace that a parameter belongs to. */
function ownerOf(path: string): NamespaceType | undefined {
  if (ipcParameters.has(path) || path.startsWith("fs/mqueue/")) return "ipc";
  if (path.startsWith("net/")) return "network";
  if (path === "kernel/domainname") return "uts";
  if (path.startsWith("user/")) return "user";
  return undefined;
}
