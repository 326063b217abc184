import { RunletError } from "@runlet/errors";
import type { FilterCache } from "@runlet/seccomp";
import type { Process, Spec } from "@runlet/spec";
import { addDescriptor, type Context } from "./context.ts";
import { consoleOperations } from "./devices.ts";
import type { HostFacts } from "./host-facts.ts";
import { becomeRoot, checkProcessIds, hasOwnMaps } from "./id-mappings.ts";
import { joinIntelRdtGroup } from "./intel-rdt.ts";
import { type NamespaceType, namespaceTypes } from "./kernel.ts";
import { checkSecurityModules, keyLabelOperations, labelOperations } from "./labels.ts";
import { pointerOf, readNamespaces } from "./namespaces.ts";
import type { FileIdentity, JoinRoot, Operation, Plan } from "./operation.ts";
import type { CompileIntelRdt } from "./options.ts";
import { specRules } from "./pointer.ts";
import { execOperation, oomScoreOperations, privilegeOperations } from "./process.ts";
import { sessionKeyringName } from "./rename.ts";
import { rlimitOperations } from "./rlimits.ts";
import { execAffinity, schedulingOperations } from "./scheduling.ts";

/** What {@link compileExec} has to know of the container and of the call. */
export interface CompileExecOptions {
  /** Id of the container. */
  readonly id: string;
  /** The config as it was when the container was created. */
  readonly config: Spec;
  /** The container's process, in the caller's pid namespace. */
  readonly pid: number;
  /** Types of those namespaces of the container's process that are not the caller's. */
  readonly namespaces: readonly NamespaceType[];
  /** What the container's root may be: the root file system on the host, and the root of the container's process. */
  readonly rootIdentities: readonly FileIdentity[];
  /** /proc/PID/setgroups of the container's process. @see user_namespaces(7) */
  readonly setgroups: "allow" | "deny";
  /** One controller for each hierarchy whose `cgroup.procs` the parent opens; empty for the unified one. None: no join. */
  readonly cgroupControllers: readonly string[];
  /** The container's groups of resctrl, which the process joins. */
  readonly intelRdt?: CompileIntelRdt | null;
  /** Leaves the session keyring as it is. Default false. */
  readonly noNewKeyring?: boolean;
  /** How many descriptors from 3 on are passed to the process. Default 0. */
  readonly preserveFds?: number;
  /** Where compiled filters of system calls are kept. Changes no plan. */
  readonly filterCache?: FilterCache;
}

/**
 * Compiles the plan of another process in a container that is there. Pure, as `compile` is. Pointers below `/process` are those of
 * `process`, the others those of the config.
 *
 * The plan has no `awaitStart`: the end of the helper's control socket says that execve(2) has taken place. As long as
 * the helper can be seen in the container it holds no descriptor of the host's, and it is never dumpable (CVE-2016-9962).
 *
 * @param process - the whole process; nothing of the config's is added.
 * @throws RunletError `ERR_RUNLET_NAMESPACE` when the container's process is not where its config puts it; as `compile` for the
 *   parts of the process.
 */
export function compileExec(process: Process, host: HostFacts, options: CompileExecOptions): Plan {
  const linux = options.config.linux ?? {};
  const configured = readNamespaces(linux);
  const pointers = new Map(
    namespaceTypes
      .filter((type) => options.namespaces.includes(type))
      .map((type) => [type, configured.pointers.get(type) ?? specRules.namespaces]),
  );
  const lost = configured.created.find((type) => !pointers.has(type));
  if (lost !== undefined) {
    throw new RunletError("ERR_RUNLET_NAMESPACE", `the container's process is in the caller's ${lost} namespace`, {
      pointer: configured.pointers.get(lost) ?? "/linux/namespaces",
      hint: "run the command from outside of the container",
    });
  }
  const { id, noNewKeyring = false, preserveFds = 0, filterCache } = options;
  const context: Context = {
    spec: options.config,
    process,
    linux,
    // What setgroups(2) is allowed in is the container's user namespace.
    host: { ...host, setgroups: options.setgroups },
    options: {
      id,
      bundleHostPath: "/",
      cgroup: null,
      intelRdt: options.intelRdt ?? null,
      noNewKeyring,
      preserveFds,
      ...(filterCache === undefined ? {} : { filterCache }),
    },
    namespaces: { pointers, created: [], joined: new Map() },
    rootHostPath: "/",
    descriptors: [],
    warnings: [],
  };
  checkSecurityModules(context);
  if (hasOwnMaps(context)) checkProcessIds(context);
  const rlimits = rlimitOperations(context);
  const privileges = privilegeOperations(context);
  return {
    version: 1,
    phases: [
      {
        name: "beforeClone",
        operations: [{ op: "clone", namespaces: [], intoCgroup: false, from: specRules.process }],
      },
      {
        name: "inNamespaces",
        operations: [
          ...rlimits.raise,
          ...oomScoreOperations(context),
          ...cgroupOperations(context, options),
          ...joinIntelRdtGroup(context),
          ...joinOperations(context, host, options),
          { op: "newSession", from: specRules.lifecycle },
          ...keyringOperations(context),
        ],
      },
      {
        name: "afterPivot",
        operations: [
          ...consoleOperations(context).map((console) => ({ ...console, bind: false })),
          ...schedulingOperations(context),
          ...privileges.created,
        ],
      },
      { name: "atStart", operations: [...rlimits.set, ...privileges.started, execOperation(context)] },
    ],
    descriptors: context.descriptors,
    warnings: context.warnings,
  };
}

/**
 * The control group before anything else that the process could do unaccounted for. The clone does not put it there: in one
 * that is frozen it would never return. @see config.md#linux-process for the affinity
 */
function cgroupOperations(context: Context, { cgroupControllers }: CompileExecOptions): Operation[] {
  const { initial, final } = execAffinity(context.process.execCPUAffinity);
  const from = context.linux.cgroupsPath === undefined ? specRules.cgroupsPath : "/linux/cgroupsPath";
  const slots = cgroupControllers.map((controller) =>
    addDescriptor(context, { kind: "cgroupProcs", controller, from }),
  );
  const operations: Operation[] = [];
  if (initial !== null) operations.push(initial);
  if (slots.length > 0) operations.push({ op: "joinCgroup", slots, from });
  if (final !== null) operations.push(final);
  return operations;
}

/**
 * The way into the container. Labels are written while the host's procfs is open; they hold across the fork. The pid
 * namespace holds for children only, so that nobody in the container sees the helper before it has forked, with nothing of
 * the host's left.
 */
function joinOperations(context: Context, host: HostFacts, options: CompileExecOptions): Operation[] {
  const { pointers } = context.namespaces;
  const operations: Operation[] = context.options.noNewKeyring ? [] : keyLabelOperations(context);
  operations.push(...labelOperations(context));
  const userPointer = pointers.get("user");
  if (userPointer !== undefined && host.euid === 0 && host.setgroups === "allow")
    operations.push({ op: "clearGroups", from: userPointer });
  for (const type of joinOrder(host)) {
    const from = pointers.get(type);
    if (from === undefined) continue;
    const hostPath = `/proc/${options.pid}/ns/${namespaceFiles[type]}`;
    const slot = addDescriptor(context, { kind: "namespace", type, hostPath, from });
    operations.push({ op: "joinNamespace", type, slot, from });
    if (type === "user") operations.push(...becomeRoot(context));
  }
  operations.push(joinRoot(context, options));
  const held = (["pid", "time"] as const).find((type) => pointers.has(type));
  if (held !== undefined) operations.push({ op: "fork", from: pointerOf(context, held) });
  return operations;
}

/** Names below /proc/PID/ns, namespaces(7). */
export const namespaceFiles: Readonly<Record<NamespaceType, string>> = {
  pid: "pid",
  network: "net",
  mount: "mnt",
  ipc: "ipc",
  uts: "uts",
  user: "user",
  cgroup: "cgroup",
  time: "time",
};

/**
 * Root joins the user namespace last, since others may belong to one above it; an ordinary user first, since there alone they
 * have the privilege to join the others. The mount namespace late, so that nothing is looked up in it, then that of pids.
 */
function joinOrder(host: HostFacts): readonly NamespaceType[] {
  const others: readonly NamespaceType[] = ["cgroup", "ipc", "uts", "network", "time", "mount", "pid"];
  return host.euid === 0 ? [...others, "user"] : ["user", ...others];
}

/** The root of a mount namespace of its own is the container's; in another's the container stands in a chroot(2). */
function joinRoot(context: Context, { pid, rootIdentities: identities }: CompileExecOptions): JoinRoot {
  const from = "/root/path";
  const isOwn = context.linux.namespaces?.some(({ type, path }) => type === "mount" && (path ?? "") === "") ?? false;
  const slot = isOwn ? null : addDescriptor(context, { kind: "root", hostPath: `/proc/${pid}/root`, from });
  return { op: "joinRoot", slot, identities, from };
}

function keyringOperations({ options }: Context): Operation[] {
  if (options.noNewKeyring) return [];
  return [
    { op: "joinSessionKeyring", name: sessionKeyringName(options.id), grantSearch: false, from: specRules.lifecycle },
  ];
}
