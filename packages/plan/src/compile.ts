import { RunletError } from "@runlet/errors";
import type { Process, Root, Spec } from "@runlet/spec";
import { createCgroupFirst, joinCgroup, warnOfLimitsWithoutCgroup } from "./cgroup-membership.ts";
import { addDescriptor, type Context } from "./context.ts";
import { consoleOperations, deviceOperations } from "./devices.ts";
import { hookOperations } from "./hooks.ts";
import type { HostFacts } from "./host-facts.ts";
import { becomeRoot } from "./id-mappings.ts";
import { createIntelRdtGroup, joinIntelRdtGroup } from "./intel-rdt.ts";
import { keyLabelOperations, labelOperations } from "./labels.ts";
import { readMounts } from "./mount-request.ts";
import { mountOperations } from "./mounts.ts";
import { cgroupNamespace, cloneOperation, enterNamespaces, readNamespaces } from "./namespaces.ts";
import { loopbackOperations, netDeviceOperations } from "./network.ts";
import type { Operation, Phase, Plan } from "./operation.ts";
import type { CompileOptions } from "./options.ts";
import { hostPathFrom } from "./path.ts";
import { specRules } from "./pointer.ts";
import { execOperation, makeWorkingDirectory, oomScoreOperations, privilegeOperations } from "./process.ts";
import { finalPropagation, inheritedPropagation } from "./propagation.ts";
import { refuseWhatCannotHold } from "./refusals.ts";
import { sessionKeyringName } from "./rename.ts";
import { rlimitOperations } from "./rlimits.ts";
import { coveredPaths, enterRoot, holdRoot, readonlyRoot } from "./root.ts";
import { schedulingOperations } from "./scheduling.ts";
import { sysctlOperations } from "./sysctl.ts";

/**
 * Compiles a config to a plan. Pure: the same input gives the same plan on any machine, and the input is left as it is.
 *
 * Each field of the config becomes operations, or is refused with its pointer. Elsewhere are `ociVersion` and `annotations`
 * (the container's state), `linux.resources` (`options.cgroup.writes`), `hooks.poststop` ({@link poststopHooks}) and
 * `process.execCPUAffinity` ({@link execAffinity}).
 *
 * @param spec - a config that the validator has passed.
 * @param host - what the host is.
 * @param options - what the caller wants beyond the config.
 * @throws RunletError with the pointer of the entry that cannot be carried out: `ERR_RUNLET_UNSUPPORTED`, or the code of its
 *   part (`ERR_RUNLET_MOUNT`, `ERR_RUNLET_NAMESPACE`, …).
 */
export function compile(spec: Spec, host: HostFacts, options: CompileOptions): Plan {
  const linux = spec.linux ?? {};
  const context: Context = {
    spec,
    process: requiredProcess(spec),
    linux,
    host,
    options,
    namespaces: readNamespaces(linux),
    rootHostPath: hostPathFrom(options.bundleHostPath, requiredRoot(spec).path),
    descriptors: [],
    warnings: [],
  };
  refuseWhatCannotHold(context);
  warnOfLimitsWithoutCgroup(context);
  return { version: 1, phases: phasesOf(context), descriptors: context.descriptors, warnings: context.warnings };
}

function phasesOf(context: Context): readonly Phase[] {
  const rlimits = rlimitOperations(context);
  const privileges = privilegeOperations(context);
  return [
    {
      name: "beforeClone",
      operations: [...createCgroupFirst(context), ...createIntelRdtGroup(context), cloneOperation(context)],
    },
    { name: "inNamespaces", operations: [...rlimits.raise, ...inNamespaces(context)] },
    {
      name: "afterPivot",
      operations: [
        ...finalPropagation(context),
        ...hostNames(context),
        ...sysctlOperations(context),
        ...schedulingOperations(context),
        ...labelOperations(context),
        ...privileges.created,
      ],
    },
    {
      name: "atStart",
      operations: [
        awaitStart(context),
        ...hookOperations(context.spec, "startContainer"),
        ...rlimits.set,
        ...privileges.started,
        execOperation(context),
      ],
    },
    { name: "afterStart", operations: hookOperations(context.spec, "poststart") },
  ];
}

function inNamespaces(context: Context): readonly Operation[] {
  const { spec } = context;
  const requests = readMounts(context);
  const { mounts, sealing } = mountOperations(context, requests);
  return [
    ...oomScoreOperations(context),
    ...enterNamespaces(context),
    { op: "newSession", from: specRules.lifecycle },
    ...becomeRoot(context),
    ...sessionKeyring(context),
    ...joinCgroup(context),
    ...joinIntelRdtGroup(context),
    ...cgroupNamespace(context),
    ...loopbackOperations(context),
    ...inheritedPropagation(context),
    holdRoot(context),
    ...mounts,
    ...deviceOperations(context, requests),
    ...makeWorkingDirectory(context),
    ...netDeviceOperations(context),
    ...hookOperations(spec, "prestart"),
    ...hookOperations(spec, "createRuntime"),
    ...consoleOperations(context),
    ...hookOperations(spec, "createContainer"),
    // The host's null device can be bound as long as its mount is in the namespace: before the pivot.
    ...coveredPaths(context),
    ...sealing,
    ...readonlyRoot(context),
    enterRoot(context),
  ];
}

function sessionKeyring(context: Context): Operation[] {
  if (context.options.noNewKeyring === true) return [];
  const keyring: Operation = {
    op: "joinSessionKeyring",
    name: sessionKeyringName(context.options.id),
    grantSearch: true,
    from: specRules.lifecycle,
  };
  return [...keyLabelOperations(context), keyring];
}

function hostNames({ spec }: Context): Operation[] {
  const operations: Operation[] = [];
  if (spec.hostname !== undefined && spec.hostname !== "") {
    operations.push({ op: "setHostname", hostname: spec.hostname, from: "/hostname" });
  }
  if (spec.domainname !== undefined && spec.domainname !== "") {
    operations.push({ op: "setDomainname", domainname: spec.domainname, from: "/domainname" });
  }
  return operations;
}

function awaitStart(context: Context): Operation {
  const from = specRules.start;
  return { op: "awaitStart", slot: addDescriptor(context, { kind: "startSocket", from }), from };
}

function requiredProcess(spec: Spec): Process {
  if (spec.process !== undefined) return spec.process;
  throw new RunletError("ERR_RUNLET_PROCESS", "no process to run", {
    pointer: "",
    hint: 'add "process" to the config; runlet spec shows one',
  });
}

function requiredRoot(spec: Spec): Root {
  if (spec.root !== undefined) return spec.root;
  throw new RunletError("ERR_RUNLET_ROOTFS", "no root file system", {
    pointer: "",
    hint: 'add "root" with a "path" to the config',
  });
}
