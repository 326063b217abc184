import { quote } from "@runlet/errors";
import type { NamespaceType } from "@runlet/spec";
import { presentMembers, type Rule } from "../rule.ts";
import { addNamespace, findNamespace } from "./namespaces.ts";

/** Kernel parameters of the ipc namespace, ipc_namespaces(7). */
const ipcParameters: ReadonlySet<string> = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
  "kernel.msg_next_id",
  "kernel.sem_next_id",
  "kernel.shm_next_id",
]);

/** Rules about kernel parameters: only those of a namespace of the container's own may be set, as runc has it. */
export const sysctlRules: readonly Rule[] = [
  {
    id: "sysctl.name",
    spec: "config-linux.md#sysctl",
    check({ linux }, report) {
      for (const [name] of presentMembers(linux?.sysctl)) {
        if (isParameterName(name)) continue;
        report({
          at: ["linux", "sysctl", name],
          message: `${quote(name)} is not the name of a kernel parameter`,
          atKey: true,
        });
      }
    },
  },
  {
    id: "sysctl.namespace",
    spec: "config-linux.md#sysctl",
    check(config, report) {
      for (const [name] of presentMembers(config.linux?.sysctl)) {
        if (!isParameterName(name)) continue;
        const at = ["linux", "sysctl", name];
        const type = namespaceOf(normalizeSysctl(name));
        if (type === undefined) {
          report({ at, message: `${name} belongs to no namespace, so setting it would change the host`, atKey: true });
        } else if (findNamespace(config, type) === undefined) {
          const message = `without a ${type} namespace setting ${name} would change the host`;
          report({ at, message, hint: addNamespace(type), atKey: true });
        }
      }
    },
  },
  {
    id: "sysctl.conflict",
    spec: "config-linux.md#sysctl",
    check(config, report) {
      for (const [name, value] of presentMembers(config.linux?.sysctl)) {
        const at = ["linux", "sysctl", name];
        const parameter = normalizeSysctl(name);
        if (parameter === "kernel.hostname") {
          report({ at, message: "kernel.hostname has a field of its own", hint: 'use "hostname"', atKey: true });
        } else if (parameter === "kernel.domainname" && (config.domainname ?? value) !== value) {
          report({ at, message: `kernel.domainname contradicts /domainname, ${quote(config.domainname ?? "")}` });
        }
      }
      const seen = new Map<string, string>();
      for (const [name] of presentMembers(config.linux?.sysctl)) {
        const parameter = normalizeSysctl(name);
        const first = seen.get(parameter);
        if (first === undefined) seen.set(parameter, name);
        else
          report({
            at: ["linux", "sysctl", name],
            message: `${name} and ${first} are the same parameter`,
            atKey: true,
          });
      }
    },
  },
];

/**
 * The name of a kernel parameter with dots between its parts. Where a name's first separator is a slash, slashes separate
 * and dots belong to the parts: `net/ipv4/conf/eth0.100/rp_filter` is `net.ipv4.conf.eth0/100.rp_filter`. (sysctl.d(5))
 */
export function normalizeSysctl(name: string): string {
  if (/[./]/.exec(name)?.[0] !== "/") return name;
  return name.replace(/[./]/g, (separator) => (separator === "/" ? "." : "/"));
}

/** A name must not climb out of /proc/sys, in either spelling. */
function isParameterName(name: string): boolean {
  const parts = normalizeSysctl(name).split(".");
  return parts.length > 1 && parts.every((part) => part !== "" && !/^\/|\/$|\/\//.test(part) && !/\s/.test(part));
}

function namespaceOf(parameter: string): NamespaceType | undefined {
  if (ipcParameters.has(parameter) || parameter.startsWith("fs.mqueue.")) return "ipc";
  if (parameter.startsWith("net.")) return "network";
  if (parameter.startsWith("user.")) return "user";
  if (parameter === "kernel.domainname" || parameter === "kernel.hostname") return "uts";
  return undefined;
}
