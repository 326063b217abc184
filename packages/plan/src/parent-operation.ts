import type { NamespaceType } from "./kernel.ts";
import type { Base, IdMapping } from "./operation-base.ts";

/** `createCgroup`: makes the control group and writes its limits. Done by the parent. */
export interface CreateCgroup extends Base {
  readonly op: "createCgroup";
  /** Path below the hierarchy's root, starting with `/`. */
  readonly path: string;
  readonly driver: "v1" | "v2" | "systemd";
  /** What is written to which file, in order, for the reader of the plan. */
  readonly writes: readonly CgroupWrite[];
}

/** One value of one file of a control group. */
export interface CgroupWrite extends Base {
  /** Controller on v1 (`memory`), empty on v2. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** The config's value where it is another than the one written: `1024` of `cpu.shares`. */
  readonly given?: string;
}

/** `createIntelRdtGroup`: makes the class of service and the monitoring group of resctrl. Done by the parent. */
export interface CreateIntelRdtGroup extends Base {
  readonly op: "createIntelRdtGroup";
  /** Directory of the class of service; it may be there already. */
  readonly hostPath: string;
  /** Directory of the monitoring group of the container's own, or null. */
  readonly monitoringHostPath: string | null;
  /** The lines for its `schemata`, in order, for the reader of the plan. */
  readonly writes: readonly CgroupWrite[];
}

/** `joinIntelRdtGroup`: puts the process into the groups of {@link CreateIntelRdtGroup}. Done by the parent. */
export interface JoinIntelRdtGroup extends Base {
  readonly op: "joinIntelRdtGroup";
  readonly hostPath: string;
  readonly monitoringHostPath: string | null;
}

/** `clone`: starts the init helper. Done by the parent. */
export interface Clone extends Base {
  readonly op: "clone";
  /** Namespaces made by the clone itself; others are joined or unshared by the helper. */
  readonly namespaces: readonly NamespaceType[];
  /** Whether the process starts in its control group (CLONE_INTO_CGROUP, v2 only). */
  readonly intoCgroup: boolean;
}

/** `writeIdMappings`: gives the new user namespace its maps. Done by the parent. */
export interface WriteIdMappings extends Base {
  readonly op: "writeIdMappings";
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
  /** What is written to /proc/PID/setgroups before the maps; null leaves it. @see user_namespaces(7) */
  readonly setgroups: "allow" | "deny" | null;
  /** `direct` writes the maps; `newidmap` calls newuidmap(1) and newgidmap(1). */
  readonly method: "direct" | "newidmap";
}

/** The kinds of hook, in the order in which they run. */
export type HookKind = "prestart" | "createRuntime" | "createContainer" | "startContainer" | "poststart" | "poststop";

/** `hook`: runs a program with the container's state on its standard input. */
export interface Hook extends Base {
  readonly op: "hook";
  readonly kind: HookKind;
  readonly index: number;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly timeoutMs: number | null;
}

/** `moveNetDevice`: moves a device of the host into the container's network namespace. Done by the parent. */
export interface MoveNetDevice extends Base {
  readonly op: "moveNetDevice";
  readonly hostName: string;
  readonly name: string;
}
