import type { FilterCache } from "@runlet/seccomp";
import type { CgroupWrite } from "./operation.ts";

/** The container's control group, as the caller's cgroup driver would make it. */
export interface CompileCgroup {
  readonly driver: "v1" | "v2" | "systemd";
  /** Path below the hierarchies' roots, beginning with `/`, or the name of the unit (systemd). */
  readonly path: string;
  /** What the driver writes for `/linux/resources`, in order. */
  readonly writes: readonly CgroupWrite[];
  /**
   * Controllers (`memory`, `name=systemd`; empty for the unified hierarchy), one for each hierarchy whose `cgroup.procs` or
   * `tasks` the parent opens for the helper. Empty for the systemd driver: systemd moves the process.
   */
  readonly controllers: readonly string[];
  /**
   * Host directories of the control group by controller; the unified hierarchy's key is empty. Those that will be there when
   * the container's mounts are made: one that the caller may not make is left out.
   */
  readonly hostPaths: Readonly<Record<string, string>>;
}

/** The container's groups of resctrl, as the caller would make them. */
export interface CompileIntelRdt {
  /** Directory of the class of service. */
  readonly hostPath: string;
  /** Directory of the monitoring group of the container's own, or null. */
  readonly monitoringHostPath: string | null;
  /** What is written to its `schemata`, in order. */
  readonly writes: readonly CgroupWrite[];
}

/** What {@link compile} has to know of the call. */
export interface CompileOptions {
  /** Id of the container. */
  readonly id: string;
  /** Absolute path of the bundle, to which relative paths of the config belong. */
  readonly bundleHostPath: string;
  /** The container's control group, or null for none: the process stays in the caller's. */
  readonly cgroup: CompileCgroup | null;
  /** For a config with `/linux/intelRdt`; without it such a config is refused. */
  readonly intelRdt?: CompileIntelRdt | null;
  /** chroot(2) and MS_MOVE instead of pivot_root(2), for a root on a ramfs. Default false. */
  readonly noPivot?: boolean;
  /** Leaves the session keyring as it is. Default false. */
  readonly noNewKeyring?: boolean;
  /** How many descriptors from 3 on are passed to the container. Default 0. */
  readonly preserveFds?: number;
  /** Where compiled filters of system calls are kept, since a large profile takes milliseconds. Changes no plan. */
  readonly filterCache?: FilterCache;
}
