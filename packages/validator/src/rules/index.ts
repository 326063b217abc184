import type { LinuxResources, Process, Spec } from "@runlet/spec";
import type { Unsound } from "../issue.ts";
import { type Rule, rulesAt } from "../rule.ts";
import { capabilityRules } from "./capabilities.ts";
import { configRules, processRules, startRules } from "./config.ts";
import { deviceRules } from "./devices.ts";
import { linuxRules } from "./linux.ts";
import { mountRules } from "./mounts.ts";
import { namespaceRules } from "./namespaces.ts";
import { linuxProcessRules, schedulerRules } from "./process.ts";
import { completeResourceRules, resourceRules } from "./resources.ts";
import { seccompRules } from "./seccomp.ts";
import { sysctlRules } from "./sysctl.ts";

type Config = Unsound<Spec>;

const linuxProcess: readonly Rule<Unsound<Process>>[] = [...linuxProcessRules, ...capabilityRules, ...schedulerRules];

/** Rules of a process.json, as `exec` takes it. */
export const rulesOfProcess: readonly Rule<Unsound<Process>>[] = [...processRules, ...linuxProcess];

/** Rules of a resources.json, as `update` takes it. */
export const rulesOfResources: readonly Rule<Unsound<LinuxResources>>[] = resourceRules;

/** Rules of a config.json of any platform. */
export const rulesOfConfig: readonly Rule[] = [
  ...configRules,
  ...rulesAt({ path: ["process"], rules: processRules, select: ({ process }: Config) => process }),
];

/** Rules of a config.json of which a container is to be started. */
export const rulesOfStart: readonly Rule[] = startRules;

/** Rules of a config.json for Linux. */
export const rulesOfLinux: readonly Rule[] = [
  ...rulesAt({ path: ["process"], rules: linuxProcess, select: ({ process }: Config) => process }),
  ...mountRules,
  ...namespaceRules,
  ...deviceRules,
  ...rulesAt({
    path: ["linux", "resources"],
    rules: [...resourceRules, ...completeResourceRules],
    select: ({ linux }: Config) => linux?.resources,
  }),
  ...rulesAt({ path: ["linux", "seccomp"], rules: seccompRules, select: ({ linux }: Config) => linux?.seccomp }),
  ...sysctlRules,
  ...linuxRules,
];
