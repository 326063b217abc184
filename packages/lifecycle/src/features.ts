import { release } from "node:os";
import {
  capabilityNames,
  hookKinds,
  memoryPolicyFlagNames,
  memoryPolicyModeNames,
  mountOptionNames,
  namespaceTypes,
} from "@runlet/plan";
import { actionValues, architectures, flagValues, operatorNames } from "@runlet/seccomp";
import { type Features, ociVersion } from "@runlet/spec";
import { actingAnnotations } from "./annotations.ts";

/** The oldest config that is taken: 1.0.0 is the first of the specification that promises to stay readable. */
const oldestVersion = "1.0.0";

/** Flags that came with a kernel newer than the oldest that runlet runs on. @see seccomp(2) */
const flagKernels: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: [5, 19],
};

/**
 * What this runtime recognises in a config, made from the same tables by which configs are read. Whether the host has it is
 * another matter, except for `supportedFlags`.
 *
 * @see features.md
 */
export function features(): Features {
  const knownFlags = Object.keys(flagValues).sort();
  return {
    ociVersionMin: oldestVersion,
    ociVersionMax: ociVersion,
    hooks: [...hookKinds],
    mountOptions: [...mountOptionNames],
    linux: {
      namespaces: [...namespaceTypes].sort(),
      capabilities: [...capabilityNames],
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: {
        enabled: true,
        actions: Object.keys(actionValues).sort(),
        operators: [...operatorNames].sort(),
        archs: [...architectures.keys()].sort(),
        knownFlags,
        supportedFlags: knownFlags.filter((flag) => isSupported(flagKernels[flag])),
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: [...memoryPolicyModeNames].sort(), flags: [...memoryPolicyFlagNames].sort() },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    // By the name under which programs look for it in runc's answer.
    annotations: { "org.opencontainers.runc.checkpoint.enabled": "true" },
    potentiallyUnsafeConfigAnnotations: [...actingAnnotations],
  };
}

function isSupported(since: readonly [major: number, minor: number] = [0, 0]): boolean {
  const [major = 0, minor = 0] = release().split(/[.-]/).map(Number);
  return major > since[0] || (major === since[0] && minor >= since[1]);
}
